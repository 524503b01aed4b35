//! Every request that both homes must answer alike, in the order of sending. What counts and times comes last.

use super::call::Call;
use super::random::Random;
use super::{hostile, inference, paths};

/// The corpus, the same in every run.
pub fn corpus() -> Vec<Call> {
    let mut random = Random::seeded(0x7477_6f66_6f6c_6421);
    let mut calls = paths::calls();
    calls.extend(inference::calls(&mut random));
    calls.extend(hostile::calls(&mut random));
    calls.extend(paths::counting());
    calls
}
