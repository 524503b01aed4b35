//! `cargo bench --bench fairness`: what a saturated heavy model does to small ones and to health checks, and what becomes of
//! tenfold overload, and what large bodies do to the others. Latencies are taken by clients of our own, on kept-alive connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

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
    server.first_answer(&request(DIGITS_PATH, &digits()));
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

/// Ten times as many clients as compute threads, and a queue that is short on purpose: what is accepted must be answered soon.
fn overload(bars: &mut Bars) {
    let server = Process::server(&["--models", MODELS, "--threads", "2", "--queue", "2"]);
    server.first_answer(&request(DIGITS_PATH, &digits()));
    // As many at a time as there are compute threads: saturated, and not overloaded.
    let unloaded: Vec<_> = clients(&server, 2, 40).into_iter().map(|(_, took)| took).collect();
    let answers = clients(&server, 20, 100);
    let of = |status| {
        answers.iter().filter(move |answer| answer.0 == status).map(|answer| answer.1).collect::<Vec<_>>()
    };
    let (accepted, refused) = (of(200), of(429));
    assert_eq!(accepted.len() + refused.len(), answers.len(), "another answer than 200 and 429");
    let unloaded = percentile(&unloaded, 99);
    println!(
        "overload: {} accepted, {} refused; unloaded p99 {unloaded:.1} ms",
        accepted.len(),
        refused.len()
    );
    bars.at_most(
        "accepted under overload, p99, times the unloaded one",
        percentile(&accepted, 99) / unloaded,
        3.0,
    );
    bars.at_most("refused under overload, median, ms", percentile(&refused, 50), 10.0);
    bars.at_least("refused under overload", refused.len() as f64, 1.0);
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

/// So many clients, each with so many requests to the heavy model, 5 ms after a refusal the next one.
fn clients(server: &Process, clients: usize, requests: usize) -> Vec<(u16, Duration)> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::new(server.address);
                    (0..requests)
                        .map(|_| {
                            let answer = connection.post(HEAVY_PATH, HEAVY);
                            if answer.0 == 429 {
                                thread::sleep(Duration::from_millis(5));
                            }
                            answer
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
