//! Threads for large bodies: small ones are worked on by the thread that holds the request, and whatever else waits for that
//! thread would wait for the large.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

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

    /// Does `work` on one of them, to its end, whether or not it is still waited for. `None` where all had something to do until
    /// the deadline.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let hand = match timeout_at(deadline.into(), Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(hand)) => hand,
            Ok(Err(_)) => return Err(Error::Internal("no threads for bodies".into())),
            Err(_) => return Ok(None),
        };
        let done = spawn_blocking(move || {
            let done = work();
            drop(hand);
            done
        });
        match done.await {
            Ok(done) => Ok(Some(done)),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::Internal(error.to_string())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_has_no_turn_before_the_deadline_is_told_so_and_the_next_one_has_his() {
        let hands = Hands(Arc::new(Semaphore::new(1)));
        let (release, busy) = mpsc::channel::<()>();
        let (other, soon) = (hands.clone(), Instant::now() + Duration::from_millis(20));
        let first = tokio::spawn(async move { other.work(soon, move || busy.recv().is_err()).await });
        while hands.0.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hands.work(soon, || 2).await, Ok(None), "there is one hand only");
        assert!(Instant::now() >= soon);
        drop(release);
        assert_eq!(first.await.unwrap(), Ok(Some(true)), "what has begun goes on");
        assert_eq!(hands.work(Instant::now() + Duration::from_secs(10), || 3).await, Ok(Some(3)));
    }
}
