//! A model that is saturated: who is refused, who is not, and how.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use twofold::tensor::Datatype;

use crate::client::{Answer, send, start};
use crate::held::{Gate, Held, house};

/// Memory for all bodies that no test fills.
const AMPLE: usize = 1 << 20;

/// One compute thread, two places in the queue.
fn server(deadline: Duration, memory: usize) -> (Router, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let (catalog, router) = house(1, deadline, memory, false);
    catalog.enter("held", 1, Held::new(Datatype::Int8, &gate));
    (router, gate)
}

/// 400 bytes of a tensor, twice as many of JSON.
fn request() -> Request<Body> {
    let data = vec!["1"; 400].join(",");
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[400],"datatype":"INT8","data":[{data}]}}]}}"#);
    Request::post("/v2/models/held/infer").body(Body::from(body)).unwrap()
}

fn infer(router: &Router) -> impl Future<Output = Answer> + use<> {
    send(router.clone(), request())
}

async fn get(router: &Router, path: &str) -> Answer {
    send(router.clone(), Request::get(path).body(Body::empty()).unwrap()).await
}

/// The value of one of the model's series.
async fn series<T: std::str::FromStr>(router: &Router, name: &str, labels: &str) -> T {
    let metrics = get(router, "/metrics").await;
    let series = format!(r#"{name}{{model="held",version="1"{labels}}} "#);
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(&series));
    let value = line.and_then(|line| line.parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {}", metrics.text()))
}

/// How many requests to the model ended so.
async fn ended(router: &Router, outcome: &str) -> u64 {
    let labels = format!(r#",outcome="{outcome}""#);
    series(router, "twofold_inference_requests_total", &labels).await
}

/// How many requests needed a thread, and how many seconds they waited in all.
async fn queued(router: &Router) -> (u64, f64) {
    let count = series(router, "twofold_queue_duration_seconds_count", "").await;
    (count, series(router, "twofold_queue_duration_seconds_sum", "").await)
}

/// Sends one request that computes and two that wait.
async fn fill(router: &Router, gate: &Arc<Gate>) -> Vec<tokio::task::JoinHandle<Answer>> {
    let mut sent = vec![tokio::spawn(infer(router))];
    gate.has(1).await;
    for _ in 0..2 {
        let mut waiting = Box::pin(infer(router));
        // Polled once, a request goes all the way to the queue.
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        sent.push(tokio::spawn(waiting));
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_429_with_retry_after_and_health_answers_meanwhile() {
    let (router, gate) = server(Duration::from_secs(20), AMPLE);
    let waiting = async || series::<u64>(&router, "twofold_requests_waiting", "").await;
    assert_eq!(waiting().await, 0);
    let sent = fill(&router, &gate).await;
    assert_eq!(waiting().await, 2, "one of three is computed");
    let refused = infer(&router).await;
    assert_eq!(waiting().await, 2);
    assert_eq!(refused.error(), (429, "model 'held': the queue is full; try again in 1 s".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(get(&router, "/v2/health/ready").await.status, 200);
    assert_eq!(get(&router, "/v2/models/held").await.status, 200);

    gate.open();
    for answer in sent {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(waiting().await, 0);
    assert_eq!(infer(&router).await.status, 200);
    assert_eq!((ended(&router, "overload").await, ended(&router, "refused").await), (1, 0));
    let stats = get(&router, "/v2/models/held/stats").await.json();
    let stats = &stats["model_stats"][0]["inference_stats"];
    assert_eq!(stats["success"]["count"], 4);
    assert!(stats["fail"]["count"].as_u64().unwrap() >= 1, "{stats}");
    assert!(stats["queue"]["ns"].as_u64().unwrap() > 0, "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_holds_its_tensors_and_gives_them_back_when_they_are_gone() {
    // Three tensors of 400 bytes, and a body of 866 bytes.
    let (router, gate) = server(Duration::from_secs(20), 2100);
    let mut sent = fill(&router, &gate).await;
    let message =
        "the bodies of all requests take 2066 bytes, TWOFOLD_BODY_MEMORY allows 2100; try again in 1 s";
    let refused = infer(&router).await;
    assert_eq!(refused.error(), (429, message.into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Whoever hangs up takes his tensors along, though nothing of the queue has had its turn.
    for hung_up in sent.drain(1..) {
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
    }
    assert_eq!((ended(&router, "overload").await, ended(&router, "refused").await), (1, 0));
    let mut waiting = Box::pin(infer(&router));
    let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "there was no room: {polled:?}");
    gate.open();
    for computed in sent {
        assert_eq!(computed.await.unwrap().status, 200);
    }
    assert_eq!(waiting.await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_is_504_and_what_waited_is_not_computed() {
    let (router, gate) = server(Duration::from_millis(100), AMPLE);
    let sent = [tokio::spawn(infer(&router)), tokio::spawn(infer(&router))];
    for answer in sent {
        assert_eq!(answer.await.unwrap().error(), (504, "model 'held': no answer within 100ms".into()));
    }
    assert_eq!((ended(&router, "deadline").await, ended(&router, "refused").await), (2, 0));
    let (count, seconds) = queued(&router).await;
    assert!(
        count == 2 && seconds >= 0.05,
        "{count} waited {seconds} s: one of them for nearly 100 ms, in vain"
    );
    assert_eq!(gate.open(), 1, "only one of the two had begun");
    assert_eq!(infer(&router).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hung_up_is_counted_as_499_and_gives_its_place_back() {
    let (router, gate) = server(Duration::from_secs(20), AMPLE);
    let mut sent = fill(&router, &gate).await;
    for hung_up in sent.drain(1..) {
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
    }
    assert_eq!(series::<u64>(&router, "twofold_requests_waiting", "").await, 0);
    let mut waiting = Box::pin(infer(&router));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err(),
        "there was no room"
    );
    gate.open();
    assert_eq!(waiting.await.status, 200);
    for computed in sent {
        assert_eq!(computed.await.unwrap().status, 200);
    }
    assert_eq!((ended(&router, "abandoned").await, ended(&router, "refused").await), (2, 0));
    assert_eq!(queued(&router).await.0, 4, "two that were answered and two that were not");
    let metrics = get(&router, "/metrics").await;
    let line = metrics.text().lines().find(|line| {
        line.starts_with(
            r#"twofold_http_request_duration_seconds_count{route="/v2/models/{model}/infer",code="499"}"#,
        )
    });
    let count: u64 = line.expect("no 499").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= 2, "{count}");
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The microseconds in the queue that the log tells of the request with this id, which ended with this status.
    fn queued(&self, id: &str, status: u16) -> u64 {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let line = text.lines().find(|line| line.contains(&format!("request_id=\"{id}\" ")));
        let line = line.unwrap_or_else(|| panic!("{id} is not logged"));
        assert!(line.contains(&format!(" status={status} ")), "{line}");
        let rest = line.split(" queue_us=").nth(1).unwrap_or_else(|| panic!("no queue_us: {line}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn the_log_tells_how_long_it_waited_in_vain() {
    let log = Log::default();
    let writer = log.clone();
    // The whole process's: what a thread alone listens to is not seen by every other.
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (router, gate) = server(Duration::from_millis(100), AMPLE);
    let with_id = |id: &'static str| {
        let mut request = request();
        request.headers_mut().insert("x-request-id", id.parse().unwrap());
        send(router.clone(), request)
    };
    let (first, late) = tokio::join!(with_id("first"), with_id("late"));
    assert_eq!((first.status, late.status), (504, 504));
    let (first, late) = (log.queued("first", 504), log.queued("late", 504));
    assert!(first.max(late) >= 50_000, "one of them had the thread: {first} and {late} us");

    let hung_up = tokio::time::timeout(Duration::from_millis(20), with_id("hung-up")).await;
    assert!(hung_up.is_err());
    assert!(log.queued("hung-up", 499) >= 10_000);
    gate.open();
}

/// How many requests to this model were computed, and how many of them on a compute thread.
async fn computed(router: &Router) -> (u64, u64) {
    let metrics = get(router, "/metrics").await;
    let count = |name: &str| {
        let series = format!(r#"twofold_{name}_duration_seconds_count{{model="by_value",version="1"}} "#);
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series} in {}", metrics.text())).parse().unwrap()
    };
    (count("inference"), count("queue"))
}

#[tokio::test]
async fn a_model_that_was_measured_to_be_cheaper_than_it_is_leaves_the_threads_of_requests() {
    let router = start(&["--models", "dir:tests/models/by_value"]);
    let infer = async |size: usize, times: u64| {
        let body = format!(
            r#"{{"inputs":[{{"name":"size","shape":[2],"datatype":"INT64","data":[{size},{size}]}}]}}"#
        );
        let before = computed(&router).await;
        for _ in 0..times {
            let request = Request::post("/v2/models/by_value/infer").body(Body::from(body.clone())).unwrap();
            let answer = send(router.clone(), request).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let after = computed(&router).await;
        assert_eq!(after.0 - before.0, times);
        after.1 - before.1
    };
    // Nothing to compute; what the machine interrupts may be handed over all the same.
    let stays = async || {
        for _ in 0..20_000 {
            if infer(0, 1).await == 0 {
                return;
            }
        }
        panic!("20000 requests that take microseconds were handed over");
    };
    stays().await;
    let dear = (infer(200, 20).await, infer(200, 20).await);
    assert!(dear.0 >= 10 && dear.1 >= 18, "{dear:?} of 20 each that take milliseconds were handed over");
    stays().await;
}
