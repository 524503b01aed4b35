use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A job that runs until it is let go, and says when it has begun.
fn held() -> (impl FnOnce() + Send + 'static, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (let_go, wait) = mpsc::channel();
    let work = move || {
        begun.send(()).unwrap();
        let _ = wait.recv();
    };
    (work, has_begun, let_go)
}

/// A pool of one thread that is busy until the sender is dropped.
async fn busy(queue: usize) -> (Arc<Pool>, mpsc::Sender<()>) {
    let pool = Arc::new(Pool::new(1, queue));
    let (work, has_begun, let_go) = held();
    let busy = Arc::clone(&pool);
    let lane = pool.lane(Duration::ZERO);
    tokio::spawn(async move { run(&busy, &lane, soon(), work).await });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    (pool, let_go)
}

/// Submits work and waits for it.
async fn run<T: Send + 'static>(
    pool: &Pool,
    lane: &Lane,
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    pool.submit(lane, deadline, work)?.done(deadline).await
}

/// Polls a future once.
async fn begin<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_done_on_a_compute_thread() {
    let pool = Pool::new(2, 4);
    let name = || std::thread::current().name().map(str::to_owned);
    let name = run(&pool, &pool.lane(Duration::ZERO), soon(), name).await.unwrap();
    assert_eq!(name.as_deref(), Some("compute-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_refused_and_another_models_is_not() {
    let (pool, let_go) = busy(2).await;
    let (full, other) = (pool.lane(Duration::ZERO), pool.lane(Duration::ZERO));
    let mut first = Box::pin(run(&pool, &full, soon(), || 1));
    let mut second = Box::pin(run(&pool, &full, soon(), || 2));
    assert!(begin(&mut first).await.is_none() && begin(&mut second).await.is_none());
    assert_eq!(pool.waiting(&full), 2);
    assert_eq!(run(&pool, &full, soon(), || 3).await.unwrap_err(), Refusal::Full { retry_after: 1 });
    let mut theirs = Box::pin(run(&pool, &other, soon(), || 4));
    assert!(begin(&mut theirs).await.is_none());
    drop(let_go);
    assert_eq!((first.await.unwrap(), second.await.unwrap(), theirs.await.unwrap()), (1, 2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_take_turns() {
    let (pool, let_go) = busy(8).await;
    let (order, seen) = mpsc::channel();
    let (many, few) = (pool.lane(Duration::ZERO), pool.lane(Duration::ZERO));
    let mut jobs = Vec::new();
    for (lane, name) in [(&many, "many"), (&many, "many"), (&many, "many"), (&few, "few")] {
        let order = order.clone();
        let mut job = Box::pin(run(&pool, lane, soon(), move || order.send(name).unwrap()));
        assert!(begin(&mut job).await.is_none());
        jobs.push(job);
    }
    drop(let_go);
    for job in jobs {
        job.await.unwrap();
    }
    drop(order);
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["many", "few", "many", "many"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_deadline_passed_is_not_started() {
    let (pool, let_go) = busy(1).await;
    let started = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&started);
    let lane = pool.lane(Duration::ZERO);
    let passed = Instant::now() + Duration::from_millis(10);
    let refused = run(&pool, &lane, passed, move || flag.store(true, Ordering::SeqCst)).await;
    assert_eq!(refused.unwrap_err(), Refusal::Deadline);
    // Its place in the queue is free again at once.
    let mut next = Box::pin(run(&pool, &lane, soon(), || 7));
    assert!(begin(&mut next).await.is_none());
    drop(let_go);
    assert_eq!(next.await.unwrap(), 7);
    assert!(!started.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_waits_for_is_not_started() {
    let (pool, let_go) = busy(4).await;
    let started = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&started);
    let lane = pool.lane(Duration::ZERO);
    let mut hung_up = Box::pin(run(&pool, &lane, soon(), move || flag.store(true, Ordering::SeqCst)));
    assert!(begin(&mut hung_up).await.is_none());
    drop(hung_up);
    assert_eq!(pool.waiting(&lane), 0);
    drop(let_go);
    run(&pool, &lane, soon(), || ()).await.unwrap();
    assert!(!started.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_job_lets_go_of_what_it_holds_at_once() {
    let (pool, let_go) = busy(4).await;
    let lane = pool.lane(Duration::ZERO);
    let inputs = Arc::new(());
    let held = Arc::clone(&inputs);
    let hung_up = pool.submit(&lane, soon(), move || drop(held)).unwrap();
    assert_eq!(Arc::strong_count(&inputs), 2);
    drop(hung_up);
    assert_eq!(Arc::strong_count(&inputs), 1, "it waits for its turn to be dropped");
    drop(let_go);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_waited_is_known_before_and_after_it_began() {
    let (pool, let_go) = busy(4).await;
    let lane = pool.lane(Duration::ZERO);
    let mut ticket = pool.submit(&lane, soon(), || ()).unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);
    assert_eq!(ticket.done(deadline).await, Err(Refusal::Deadline));
    assert!(ticket.waited() >= Duration::from_millis(20), "{:?}", ticket.waited());
    drop(let_go);
    ticket.done(soon()).await.unwrap();
    let waited = ticket.waited();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(ticket.waited(), waited, "it no longer waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_leaves_its_thread_alive() {
    let pool = Pool::new(1, 1);
    let lane = pool.lane(Duration::ZERO);
    assert_eq!(run(&pool, &lane, soon(), || panic!("on purpose")).await, Err(Refusal::Closed));
    assert_eq!(run(&pool, &lane, soon(), || 1).await.unwrap(), 1);
}

#[test]
fn a_retry_is_worth_it_when_the_queue_should_be_done() {
    let waiting = |jobs: usize, typical: u64| {
        let job = || Job { number: 0, run: Box::new(|_| ()) };
        let jobs = (0..jobs).map(|_| job()).collect();
        retry_after(Waiting { jobs, typical: Duration::from_millis(typical) }.backlog(2))
    };
    assert_eq!(waiting(256, 0), 1);
    assert_eq!(waiting(256, 50), 7);
    assert_eq!(waiting(256, 5000), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_job_has_ended_a_retry_is_worth_it_when_it_should_have() {
    let (pool, let_go) = busy(2).await;
    for (typical, seconds) in [(Duration::ZERO, 1), (Duration::from_secs(5), 11)] {
        let lane = pool.lane(typical);
        let _waiting =
            [pool.submit(&lane, soon(), || ()).unwrap(), pool.submit(&lane, soon(), || ()).unwrap()];
        assert_eq!(pool.submit(&lane, soon(), || ()).err(), Some(Refusal::Full { retry_after: seconds }));
    }
    drop(let_go);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_would_wait_in_vain_is_refused() {
    let (pool, let_go) = busy(8).await;
    let lane = pool.lane(Duration::from_secs(5));
    let within = |seconds| Instant::now() + Duration::from_secs(seconds);
    let _first = pool.submit(&lane, within(1), || ()).expect("nothing waits before it");
    let refusal = pool.submit(&lane, within(4), || ()).err();
    assert_eq!(refusal, Some(Refusal::Late { retry_after: 6 }));
    assert_eq!(pool.waiting(&lane), 1);
    let _second = pool.submit(&lane, within(6), || ()).expect("it has time");
    assert_eq!(pool.submit(&lane, within(6), || ()).err(), Some(Refusal::Late { retry_after: 11 }));
    let said = "what waits already takes longer than the deadline; try again in 6 s";
    assert_eq!(refusal.unwrap().to_string(), said);
    drop(let_go);
}

#[test]
fn what_has_a_thread_waiting_for_it_does_not_wait() {
    let pool = Pool::new(2, 1);
    let (lane, other) = (pool.lane(Duration::ZERO), pool.lane(Duration::ZERO));
    let works: Vec<_> = (0..3).map(|_| held()).collect();
    let (mut begins, mut taken, mut let_go) = (Vec::new(), Vec::new(), Vec::new());
    // So soon after each other that no thread has begun.
    for (work, has_begun, go) in works {
        taken.push(pool.submit(&lane, soon(), work).expect("two threads, and one may wait"));
        begins.push(has_begun);
        let_go.push(go);
    }
    assert_eq!(pool.submit(&lane, soon(), || ()).err(), Some(Refusal::Full { retry_after: 1 }));
    let _theirs = pool.submit(&other, soon(), || ()).expect("another model has a queue of its own");
    assert!(pool.submit(&other, soon(), || ()).is_err());
    for has_begun in &begins[..2] {
        has_begun.recv_timeout(Duration::from_secs(5)).unwrap();
    }
    assert!(begins[2].try_recv().is_err());
}

/// Looks, as soon as there is an answer, how many threads are busy.
struct Look {
    shared: Arc<Shared>,
    busy: mpsc::Sender<usize>,
}

impl std::task::Wake for Look {
    fn wake(self: Arc<Self>) {
        let busy = self.shared.lock().busy;
        let _ = self.busy.send(busy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_an_answer_finds_its_thread_free() {
    let pool = Pool::new(1, 1);
    let lane = pool.lane(Duration::ZERO);
    let (work, has_begun, let_go) = held();
    let mut ticket = pool.submit(&lane, soon(), work).unwrap();
    let (busy, seen) = mpsc::channel();
    let waker = Arc::new(Look { shared: Arc::clone(&pool.shared), busy }).into();
    let mut done = std::pin::pin!(ticket.done(soon()));
    assert!(done.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    has_begun.recv().unwrap();
    drop(let_go);
    assert_eq!(seen.recv_timeout(Duration::from_secs(5)), Ok(0));
}

#[tokio::test]
async fn a_lane_is_gone_with_its_model() {
    let pool = Pool::new(1, 1);
    let kept = pool.lane(Duration::ZERO);
    for _ in 0..100 {
        let lane = pool.lane(Duration::ZERO);
        run(&pool, &lane, soon(), || ()).await.unwrap();
    }
    run(&pool, &kept, soon(), || ()).await.unwrap();
    assert_eq!(pool.shared.lock().lanes.len(), 1);
}

#[test]
fn two_jobs_that_come_together_begin_together() {
    let pool = Pool::new(2, 4);
    let lane = pool.lane(Duration::ZERO);
    let (done, is_done) = mpsc::channel();
    let _first = pool.submit(&lane, soon(), move || done.send(()).unwrap()).unwrap();
    is_done.recv().unwrap();
    while pool.shared.lock().busy > 0 {
        std::thread::yield_now();
    }
    let (long, has_begun, let_go) = held();
    let (other, other_has_begun, _let_go) = held();
    let _long = pool.submit(&lane, soon(), long).unwrap();
    let _other = pool.submit(&lane, soon(), other).unwrap();
    has_begun.recv().unwrap();
    let begun = other_has_begun.recv_timeout(Duration::from_secs(5));
    drop(let_go);
    assert!(begun.is_ok(), "it waits for the whole of the first, beside a thread that may be started");
}
