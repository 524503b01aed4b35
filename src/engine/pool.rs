//! Compute threads, and who may use them: each model has a bounded queue, and the models with something waiting take turns,
//! so that one that is saturated costs the others a turn and not a place.
//!
//! A job that nobody waits for any more, because its deadline passed or its client hung up, is not started, and leaves the
//! queue with all that it holds.

mod refusal;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

pub use refusal::Refusal;

/// Threads that compute, shared by all models.
pub struct Pool {
    shared: Arc<Shared>,
    /// The most threads there may be.
    threads: usize,
    /// The most jobs of one model that may wait.
    queue: usize,
}

/// One model's place in a pool; dropping it gives the place up, with all that waits there.
pub struct Lane {
    shared: Arc<Shared>,
    number: u64,
}

/// A job that was taken on. Dropping it abandons a job that has not begun: what the job holds is dropped at once.
pub struct Ticket<T> {
    shared: Arc<Shared>,
    lane: u64,
    number: u64,
    queued: Instant,
    waited: Arc<OnceLock<Duration>>,
    done: oneshot::Receiver<T>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// By the number of their lane.
    lanes: HashMap<u64, Waiting>,
    /// Lanes with something waiting, in the order of their turns.
    turns: VecDeque<u64>,
    /// Those that were started, whether or not they run yet.
    threads: usize,
    /// Those that have a job.
    busy: usize,
    closed: bool,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// How long a job of this lane took lately, or should take where there was none; zero where that is not known.
    typical: Duration,
}

struct Job {
    number: u64,
    /// Does it, where there is still somebody to do it for; says when it is done, and then gives away what came of it.
    run: Box<Run>,
}

/// What a job does; takes whom to tell that it is done.
type Run = dyn FnOnce(&dyn Fn()) + Send;

impl Pool {
    /// A pool of at most `threads` threads, which are started when there is work for them, and at most `queue` waiting jobs
    /// per lane.
    pub fn new(threads: usize, queue: usize) -> Self {
        let shared = Shared { state: Mutex::default(), wake: Condvar::new() };
        Self { shared: Arc::new(shared), threads: threads.max(1), queue }
    }

    /// The most threads there may be.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// A lane of its own for one more model, whose jobs should take about so long, as far as is known.
    pub fn lane(&self, typical: Duration) -> Lane {
        let number = number();
        self.shared.lock().lanes.insert(number, Waiting { typical, ..Waiting::default() });
        Lane { shared: Arc::clone(&self.shared), number }
    }

    /// Jobs that wait in a lane.
    #[cfg(test)]
    fn waiting(&self, lane: &Lane) -> usize {
        self.shared.lock().lanes.get(&lane.number).map_or(0, |waiting| waiting.jobs.len())
    }

    /// Takes `work` on, to be done on a compute thread, where it should begin before the deadline.
    pub fn submit<T: Send + 'static>(
        &self,
        lane: &Lane,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Ticket<T>, Refusal> {
        let (sender, done) = oneshot::channel();
        let waited = Arc::new(OnceLock::new());
        let began = Arc::clone(&waited);
        let queued = Instant::now();
        let run = Box::new(move |done: &dyn Fn()| {
            began.get_or_init(|| queued.elapsed());
            if sender.is_closed() {
                return;
            }
            let result = work();
            // Whoever has the result may come with the next job at once: this thread counts as free by then.
            done();
            // Whoever waited may be gone; then the result is nobody's.
            let _ = sender.send(result);
        });
        let (lane, number) = (lane.number, number());
        self.enqueue(lane, deadline.saturating_duration_since(queued), Job { number, run })?;
        Ok(Ticket { shared: Arc::clone(&self.shared), lane, number, queued, waited, done })
    }

    fn enqueue(&self, lane: u64, within: Duration, job: Job) -> Result<(), Refusal> {
        let mut state = self.shared.lock();
        let all: usize = state.lanes.values().map(|waiting| waiting.jobs.len()).sum();
        let free = self.threads - state.busy;
        let waiting = state.lanes.entry(lane).or_default();
        let backlog = waiting.backlog(self.threads);
        // Those that a free thread will take at once do not wait, the other lanes' first.
        let others = all - waiting.jobs.len();
        if waiting.jobs.len() >= self.queue + free.saturating_sub(others) {
            return Err(Refusal::Full { retry_after: retry_after(backlog) });
        }
        if backlog > within {
            return Err(Refusal::Late { retry_after: retry_after(backlog) });
        }
        waiting.jobs.push_back(job);
        if waiting.jobs.len() == 1 && !state.turns.contains(&lane) {
            state.turns.push_back(lane);
        }
        // One that was woken or started, and does not run yet, has its job already.
        if state.busy + all + 1 > state.threads && state.threads < self.threads {
            let shared = Arc::clone(&self.shared);
            let name = format!("compute-{}", state.threads);
            match std::thread::Builder::new().name(name).spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    tracing::error!(%error, "no compute thread could be started");
                    return Err(Refusal::Closed);
                }
                // Those that there are will do it.
                Err(error) => tracing::warn!(%error, threads = state.threads, "no further compute thread"),
            }
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

/// A number that nothing else in this process has.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // What it held is dropped after the lock is free again.
        let _waiting = self.shared.lock().lanes.remove(&self.number);
    }
}

impl<T> Ticket<T> {
    /// Waits for the job's result, no longer than until `deadline`.
    pub async fn done(&mut self, deadline: Instant) -> Result<T, Refusal> {
        match timeout_at(deadline.into(), &mut self.done).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Refusal::Closed),
            Err(_) => Err(Refusal::Deadline),
        }
    }

    /// How long the job waited for a thread; how long it waits until now, where it has none yet.
    pub fn waited(&self) -> Duration {
        self.waited.get().copied().unwrap_or_else(|| self.queued.elapsed())
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.done.close();
        if self.waited.get().is_none() {
            // Dropped after the lock is free again: it may hold megabytes.
            let _abandoned = self.shared.lock().take(self.lane, self.number);
        }
    }
}

impl State {
    /// Takes a job out of its queue, if it still waits there.
    fn take(&mut self, lane: u64, number: u64) -> Option<Job> {
        let jobs = &mut self.lanes.get_mut(&lane)?.jobs;
        let place = jobs.iter().position(|job| job.number == number)?;
        jobs.remove(place)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, so that a panic in one leaves nothing half-changed here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a compute thread does until the pool is gone.
    fn work(&self) {
        while let Some((lane, job)) = self.next() {
            let (started, is_done) = (Instant::now(), Cell::new(false));
            let done = || {
                is_done.set(true);
                self.free(lane, Some(started.elapsed()));
            };
            // The work itself turns a panic into an error; this keeps the thread if anything around it panics.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (job.run)(&done)));
            if !is_done.get() {
                self.free(lane, None);
            }
        }
    }

    /// A thread has done what it had of this lane, which took so long.
    fn free(&self, lane: u64, took: Option<Duration>) {
        let mut state = self.lock();
        state.busy -= 1;
        if let (Some(took), Some(waiting)) = (took, state.lanes.get_mut(&lane)) {
            waiting.typical = if waiting.typical.is_zero() { took } else { (waiting.typical * 7 + took) / 8 };
        }
    }

    /// Waits for the next job: the oldest of the lane whose turn it is.
    fn next(&self) -> Option<(u64, Job)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                state.threads -= 1;
                return None;
            }
            if let Some(lane) = state.turns.pop_front() {
                let Some(waiting) = state.lanes.get_mut(&lane) else { continue };
                let job = waiting.jobs.pop_front();
                if !waiting.jobs.is_empty() {
                    state.turns.push_back(lane);
                }
                if let Some(job) = job {
                    state.busy += 1;
                    return Some((lane, job));
                }
                continue;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Waiting {
    /// How long what waits now should keep this many threads busy, if they did nothing else.
    fn backlog(&self, threads: usize) -> Duration {
        let jobs = u32::try_from(self.jobs.len() / threads).unwrap_or(u32::MAX);
        self.typical.saturating_mul(jobs)
    }
}

/// Seconds until a backlog should be done.
fn retry_after(backlog: Duration) -> u64 {
    backlog.as_secs().saturating_add(1).min(60)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
