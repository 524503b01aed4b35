//! Who changes which model: one change of a model comes after the other, those of different models do not wait for each other.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The models that are being changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    names: Mutex<BTreeSet<String>>,
    ended: Condvar,
}

/// A change of one model, which ends when this is dropped.
pub(super) struct Change<'a> {
    changes: &'a Changes,
    name: String,
}

impl Changes {
    /// Waits until nobody else changes the model. Blocks.
    pub(super) fn begin(&self, name: &str) -> Change<'_> {
        let names = self.ended.wait_while(self.names(), |names| names.contains(name));
        names.unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Change { changes: self, name: name.to_owned() }
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing is left half-changed: a name is put in or taken out in one step.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.changes.names().remove(&self.name);
        self.changes.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_change_waits_for_those_of_its_own_model_only() {
        let changes = Changes::default();
        let first = changes.begin("a");
        drop(changes.begin("b"));
        std::thread::scope(|scope| {
            let (begun, has_begun) = mpsc::channel();
            let changes = &changes;
            scope.spawn(move || {
                let _second = changes.begin("a");
                begun.send(()).unwrap();
            });
            assert!(has_begun.recv_timeout(Duration::from_millis(50)).is_err(), "two changes at once");
            drop(first);
            has_begun.recv_timeout(Duration::from_secs(5)).expect("it waits for nobody");
        });
        assert_eq!(changes.names().len(), 0);
    }
}
