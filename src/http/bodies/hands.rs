//! Threads for large bodies: small ones are worked on by the thread that holds the request, and whatever else waits for that
//! thread would wait for the large.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::http::error::Error;

/// Bytes of JSON, or of what is inflated, that are worked on where they are: some tenths of a millisecond. To hand work over
/// takes some hundredths.
pub(in crate::http) const SMALL: usize = 64 << 10;

/// Threads for large bodies, as many as there are processors: more would only take turns with those that answer.
#[derive(Clone, Debug)]
pub(super) struct Hands(Arc<Semaphore>);

impl Hands {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors)))
    }

    /// Does `work` on one of them, to its end, whether or not it is still waited for.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(hand) = Arc::clone(&self.0).acquire_owned().await else {
            return Err(Error::Internal("no threads for bodies".into()));
        };
        let done = spawn_blocking(move || {
            let done = work();
            drop(hand);
            done
        });
        match done.await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::Internal(error.to_string())),
            },
        }
    }
}
