//! An engine that computes until a test lets it go, and a server of it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use axum::Router;
use twofold::catalog::Catalog;
use twofold::config::Home;
use twofold::engine::pool::Pool;
use twofold::engine::{Engine, InferError, Spread};
use twofold::http::{Bodies, Changes, Front, Readiness, router};
use twofold::telemetry::Metrics;
use twofold::tensor::{Data, Datatype, Signature, Tensor, TensorSpec};

/// Passes `x` on as `y`, once it is let go. It refuses to be measured, so that it is taken for heavy.
pub(crate) struct Held {
    signature: Signature,
    gate: Arc<Gate>,
}

/// Who has come, and whether he may go on.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn enter(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        let _open = self.changed.wait_while(state, |state| !state.1).unwrap();
    }

    /// Waits until so many have come. Blocks.
    pub(crate) fn wait_for(&self, entered: usize) {
        let state = self.state.lock().unwrap();
        let _entered = self.changed.wait_while(state, |state| state.0 < entered).unwrap();
    }

    /// Waits until so many have come, and lets others run meanwhile.
    pub(crate) async fn has(self: &Arc<Self>, entered: usize) {
        let gate = Arc::clone(self);
        tokio::task::spawn_blocking(move || gate.wait_for(entered)).await.unwrap();
    }

    /// Lets everybody go on. Gives how many have come.
    pub(crate) fn open(&self) -> usize {
        let mut state = self.state.lock().unwrap();
        state.1 = true;
        self.changed.notify_all();
        state.0
    }
}

impl Held {
    /// Its tensors are of this datatype and of any length.
    pub(crate) fn new(datatype: Datatype, gate: &Arc<Gate>) -> Arc<Self> {
        let spec = |name: &str| TensorSpec::new(name, datatype, [-1]);
        let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] };
        Arc::new(Self { signature, gate: Arc::clone(gate) })
    }
}

impl Engine for Held {
    fn name(&self) -> &'static str {
        "held"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: Vec<Tensor>, _outputs: &[usize], _: Spread) -> Result<Vec<Tensor>, InferError> {
        let x = inputs[0].data();
        if x == &Data::zeros(x.datatype(), 1) {
            return Err(InferError::input("not measured"));
        }
        self.gate.enter();
        Ok(inputs)
    }
}

/// A catalog of so many compute threads and two places in each queue, and a router over it.
pub(crate) fn house(
    threads: usize,
    deadline: Duration,
    memory: usize,
    admin: bool,
) -> (Arc<Catalog>, Router) {
    let metrics = Metrics::new(Home::Local);
    let catalog = Arc::new(Catalog::new(metrics.clone(), Pool::new(threads, 2), deadline));
    let front = Front {
        catalog: Arc::clone(&catalog),
        metrics,
        readiness: Readiness::default(),
        admin,
        bodies: Bodies::new(1024, memory, deadline),
        changes: Changes::default(),
        home: Home::Local,
    };
    (catalog, router(&front))
}
