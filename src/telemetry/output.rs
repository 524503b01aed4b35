//! Whole lines to stdout, without a request ever waiting for whoever reads it.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait for a reader that takes nothing: some 15,000 lines.
const LIMIT: usize = 4 << 20;

/// How long lines are gathered while they keep coming, so that one write serves many.
const GATHER: Duration = Duration::from_millis(5);

/// How long a flush waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Capacity that is kept from one write to the next.
const KEPT: usize = 64 << 10;

/// Where the log's lines go. Clones go to the same place.
#[derive(Clone, Debug)]
pub(super) struct Output {
    sink: Arc<Mutex<Sink>>,
    /// Lines on their way to the sink, where a thread takes them there.
    queue: Option<Arc<Queue>>,
}

struct Sink(Box<dyn Write + Send>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Wakes the writing thread: lines are there, or a flush ends the gathering.
    wake: Condvar,
    /// Wakes the flushes: lines were written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that found no room.
    lost: u64,
    /// The writing thread waits for a first line.
    idle: bool,
    /// The writing thread has taken lines and not yet written them.
    writing: bool,
    /// Flushes that wait.
    flushes: usize,
}

impl Output {
    /// Writes each line at once.
    pub(super) fn direct(sink: impl Write + Send + 'static) -> Self {
        Self { sink: Arc::new(Mutex::new(Sink(Box::new(sink)))), queue: None }
    }

    /// Leaves the writing to a thread; at once where there can be none.
    pub(super) fn gathered(sink: impl Write + Send + 'static) -> Self {
        let direct = Self::direct(sink);
        let queue = Arc::new(Queue::default());
        let (thread_queue, thread_sink) = (Arc::clone(&queue), Arc::clone(&direct.sink));
        let writing =
            thread::Builder::new().name("log".into()).spawn(move || thread_queue.drain(&thread_sink));
        Self { queue: writing.is_ok().then_some(queue), ..direct }
    }

    /// Returns when all lines so far are written, or after [`PATIENCE`].
    pub(super) fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.flush();
        }
    }

    fn write(&self, line: &[u8]) {
        match &self.queue {
            Some(queue) => queue.push(line),
            None => lock(&self.sink).write(line),
        }
    }
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        if state.lines.len() + line.len() > LIMIT {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        // Only the first line of a gathering costs a wake-up.
        if mem::take(&mut state.idle) {
            drop(state);
            self.wake.notify_one();
        }
    }

    fn flush(&self) {
        let mut state = lock(&self.state);
        state.flushes += 1;
        self.wake.notify_one();
        let unwritten = |state: &mut State| state.writing || !state.lines.is_empty();
        let waited = self.written.wait_timeout_while(state, PATIENCE, unwritten);
        waited.unwrap_or_else(PoisonError::into_inner).0.flushes -= 1;
    }

    /// What the writing thread does.
    fn drain(&self, sink: &Mutex<Sink>) -> ! {
        let mut lines = Vec::new();
        loop {
            let mut state = lock(&self.state);
            while state.lines.is_empty() {
                state.idle = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut lines, &mut state.lines);
            let lost = mem::take(&mut state.lost);
            state.writing = true;
            drop(state);

            if lost > 0 {
                // Joins the next lines: there is room now.
                tracing::warn!(lines = lost, "lines of the log were lost: stdout was not read in time");
            }
            lock(sink).write(&lines);
            lines.clear();
            lines.shrink_to(KEPT);

            let mut state = lock(&self.state);
            state.writing = false;
            self.written.notify_all();
            let gathered = self.wake.wait_timeout_while(state, GATHER, |state| state.flushes == 0);
            drop(gathered);
        }
    }
}

impl Sink {
    fn write(&mut self, lines: &[u8]) {
        // There is nobody to tell that the log cannot be written.
        let _ = self.0.write_all(lines).and_then(|()| self.0.flush());
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one line: the subscriber writes each whole.
pub(super) struct Line<'a>(&'a Output);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}
