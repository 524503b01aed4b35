//! `cargo bench --bench fairness`: what a saturated heavy model does to small ones and to health checks, and what becomes of
//! tenfold overload, with default settings and with a short queue; and what large bodies do to the others. Latencies are taken by
//! clients of our own, on kept-alive connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rig::{Bars, Connection, Process, digits, percentile, request};

const HEAVY: &str = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#;
const HEAVY_PATH: &str = "/v2/models/heavy/infer";
const DIGITS_PATH: &str = "/v2/models/digits/infer";
const MODELS: &str = "embedded:digits,dir:tests/models/heavy";

fn main() -> ExitCode {
    let mut bars = Bars::default();
    beside(&mut bars);
    overload(&mut bars);
    large(&mut bars);
    bars.verdict()
}

/// Digits and health checks beside a model that keeps all compute threads busy.
fn beside(bars: &mut Bars) {
    let server = Process::server(&["--models", MODELS]);
    server.first_answer(&request(HEAVY_PATH, HEAVY));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let heavy: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::new(server.address);
                    let mut times = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let (status, took) = connection.post(HEAVY_PATH, HEAVY);
                        assert_eq!(status, 200);
                        times.push(took);
                    }
                    times
                })
            })
            .collect();
        let (small, live) = beside_others(scope, &server);
        done.store(true, Ordering::Relaxed);
        let heavy: Vec<_> = heavy.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        println!("heavy model, 8 clients: {} answers, median {:.1} ms", heavy.len(), percentile(&heavy, 50));
        bars.at_most("digits beside it, p99, ms", percentile(&small, 99), 10.0);
        bars.at_most("/v2/health/live beside it, p99, ms", percentile(&live, 99), 10.0);
    });
}

/// Ten times as many requests as can be computed, on a schedule that waits for no answer: what is accepted must be answered
/// soon, and the rest refused at once.
///
/// The default queue is long, so that a burst is answered late rather than refused. What lasts longer than a burst fills it,
/// and then whatever is accepted waits for all of it: the first bar below cannot be met by default, and is meant to say so. The
/// other runs are for those to whom a late answer is of no use. Two requests that are computed at once share the processors that one
/// alone has to itself, and a third waits for them: three times the unloaded one is the least of the second run, and of the third,
/// which computes one after the other, it is two.
fn overload(bars: &mut Bars) {
    for (settings, arguments, seconds) in [
        ("default settings", &[] as &[&str], 12),
        ("--queue 1", &["--queue", "1"], 6),
        ("--queue 1 --threads 1", &["--queue", "1", "--threads", "1"], 6),
    ] {
        let server = Process::server(&[&["--models", MODELS], arguments].concat());
        server.first_answer(&request(HEAVY_PATH, HEAVY));
        // One at a time has the whole machine; as many as there are processors keep it busy.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (unloaded, _) = one_after_the_other(&server, 1);
        let unloaded = percentile(&unloaded, 99);
        let (busy, took) = one_after_the_other(&server, cores);
        let rate = 10.0 * busy.len() as f64 / took.as_secs_f64();

        let answers = on_schedule(&server, rate, Duration::from_secs(seconds));
        let of = |status| {
            answers.iter().filter(move |answer| answer.0 == status).map(|answer| answer.1).collect::<Vec<_>>()
        };
        let (accepted, refused) = (of(200), of(429));
        assert_eq!(accepted.len() + refused.len(), answers.len(), "another answer than 200 and 429");
        println!(
            "overload, {settings}: {rate:.0} requests/s for {seconds} s, {} accepted (median {:.0} ms), {} refused; \
             unloaded p99 {unloaded:.1} ms",
            accepted.len(),
            percentile(&accepted, 50),
            refused.len()
        );
        let bar = |what: &str| format!("{what}, {settings}");
        let times = percentile(&accepted, 99) / unloaded;
        bars.at_most(&bar("accepted under overload, p99, times the unloaded one"), times, 3.0);
        bars.at_least(&bar("refused under overload"), refused.len() as f64, 1.0);
        if !refused.is_empty() {
            bars.at_most(&bar("refused under overload, median, ms"), percentile(&refused, 50), 10.0);
        }
    }
}

/// Digits and health checks beside clients that send and get 5 MB of JSON each time.
fn large(bars: &mut Bars) {
    let server = Process::server(&["--models", "embedded:digits,dir:tests/models/repository"]);
    server.first_answer(&request(DIGITS_PATH, &digits()));
    let data: Vec<_> = (0..480_000).map(|number| format!("{:?}", (number as f32).sqrt())).collect();
    let (count, data) = (data.len(), data.join(","));
    let body =
        format!(r#"{{"inputs":[{{"name":"x","shape":[{count}],"datatype":"FP32","data":[{data}]}}]}}"#);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::new(server.address);
                    let mut answers = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let (status, took) = connection.post("/v2/models/identity_fp32/infer", &body);
                        assert_eq!(status, 200);
                        answers.push(took);
                    }
                    answers
                })
            })
            .collect();
        let (small, live) = beside_others(scope, &server);
        done.store(true, Ordering::Relaxed);
        let answers: Vec<_> = clients.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let size = body.len() as f64 / 1e6;
        println!(
            "{size:.1} MB of JSON, 8 clients: {} answers, median {:.1} ms",
            answers.len(),
            percentile(&answers, 50)
        );
        bars.at_most("digits beside large bodies, p99, ms", percentile(&small, 99), 10.0);
        bars.at_most("/v2/health/live beside large bodies, p99, ms", percentile(&live, 99), 10.0);
    });
}

/// What digits and health checks take while others do what they do.
fn beside_others<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    server: &Process,
) -> (Vec<Duration>, Vec<Duration>) {
    let address = server.address;
    let sample = |path: &'static str, body: Option<String>| {
        scope.spawn(move || {
            let mut connection = Connection::new(address);
            (0..600)
                .map(|_| {
                    thread::sleep(Duration::from_millis(5));
                    let (status, took) = match &body {
                        Some(body) => connection.post(path, body),
                        None => connection.get(path),
                    };
                    assert_eq!(status, 200);
                    took
                })
                .collect::<Vec<_>>()
        })
    };
    let (small, live) = (sample(DIGITS_PATH, Some(digits())), sample("/v2/health/live", None));
    (small.join().unwrap(), live.join().unwrap())
}

/// So many clients that ask the heavy model, each one request after the other: what each took, and all of them together.
fn one_after_the_other(server: &Process, clients: usize) -> (Vec<Duration>, Duration) {
    const REQUESTS: usize = 100;
    let started = Instant::now();
    let ask = || {
        let mut connection = Connection::new(server.address);
        (0..REQUESTS)
            .map(|_| {
                let (status, took) = connection.post(HEAVY_PATH, HEAVY);
                assert_eq!(status, 200);
                took
            })
            .collect::<Vec<_>>()
    };
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (times, started.elapsed())
}

/// Asks the heavy model so many times a second, whether or not those before are answered.
fn on_schedule(server: &Process, rate: f64, lasts: Duration) -> Vec<(u16, Duration)> {
    /// More than the default queue holds.
    const CLIENTS: usize = 320;
    let (started, next) = (Instant::now(), AtomicU32::new(0));
    let ask = || {
        let mut connection = Connection::new(server.address);
        let mut answers = Vec::new();
        loop {
            let due = Duration::from_secs_f64(f64::from(next.fetch_add(1, Ordering::Relaxed)) / rate);
            if due >= lasts {
                return answers;
            }
            thread::sleep(due.saturating_sub(started.elapsed()));
            answers.push(connection.post(HEAVY_PATH, HEAVY));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
