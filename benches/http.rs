//! `cargo bench --bench http`: digits by JSON against the limit of HTTP itself, a bare axum server that says hello, in
//! another process and the same run. Default settings, logging on.
//!
//! Whatever makes the load has a part of the same processors, and so of what is measured. So there are two: wrk takes the least that
//! one can, some 6 us a request, and hey, written in Go as much of what calls servers is, some 35.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use rig::{Bars, Load, Post, Process, digits, has, hey, median, request, wrk};

const PATH: &str = "/v2/models/digits/infer";
const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, flag, address] = &*arguments
        && flag == "--hello"
    {
        hello(address.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    start();
    let mut bars = Bars::default();
    if !has(&[("wrk", "apt-get install wrk"), ("hey", "go install github.com/rakyll/hey@v0.1.5")]) {
        return ExitCode::FAILURE;
    }
    throughput(&mut bars);
    others();
    bars.verdict()
}

/// The references: to a GET a bare hello, for which no body is read, nothing is computed and nothing is logged; to a POST as many
/// bytes as digits answers, after the body was read.
#[tokio::main]
async fn hello(address: SocketAddr) {
    const ANSWER: &str = concat!(
        r#"{"model_name":"digits","model_version":"1","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[3]},"#,
        r#"{"name":"probabilities","datatype":"FP32","shape":[1,10],"data":[1.2345678e-5,1.2345678e-5,1.2345678e-5,"#,
        r#"1.2345678e-5,1.2345678e-5,1.2345678e-5,1.2345678e-5,1.2345678e-5,1.2345678e-5,1.2345678e-5]}]}"#
    );
    let json = |body: &'static str| ([(header::CONTENT_TYPE, "application/json")], body);
    let same_size = move |body: Bytes| async move {
        assert!(!body.is_empty());
        json(ANSWER)
    };
    let hello = move || async move { json(r#"{"hello":"world"}"#) };
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().route("/", get(hello).post(same_size));
    axum::serve(listener, router).await.unwrap();
}

/// Process start to first answer, and memory at rest after it.
fn start() {
    let request = request(PATH, &digits());
    let starts: Vec<_> = (0..30)
        .map(|_| {
            let server = Process::server(&[]);
            (server.first_answer(&request).as_secs_f64() * 1000.0, server.resident())
        })
        .collect();
    println!("start to first answer: {:.1} ms (median of 30)", median(starts.iter().map(|start| start.0)));
    println!("memory at rest:        {:.1} MiB (median of 30)", median(starts.iter().map(|start| start.1)));
}

/// A load generator.
type Generator = fn(SocketAddr, &str, Option<&Post>, u32, u32) -> Load;

/// Digits by JSON beside the references.
fn throughput(bars: &mut Bars) {
    let (server, hello) = (Process::server(&[]), Process::hello());
    let body = Post::json(digits());
    server.first_answer(&request(PATH, &digits()));
    println!(
        "\nload | connections |  digits/s |   hello/s | same size/s | of hello | of same size | p99 ms: digits, hello | p99 ratio"
    );
    let generators: [(&str, Generator); 2] = [("wrk", wrk), ("hey", hey)];
    for ((name, load), connections) in generators.into_iter().flat_map(|each| [(each, 1), (each, 64)]) {
        let rounds: Vec<[Load; 3]> = (0..ROUNDS)
            .map(|_| {
                [
                    load(server.address, PATH, Some(&body), connections, SECONDS),
                    load(hello.address, "/", None, connections, SECONDS),
                    load(hello.address, "/", Some(&body), connections, SECONDS),
                ]
            })
            .collect();
        let of = |figure: fn(&[Load; 3]) -> f64| median(rounds.iter().map(figure));
        let share = of(|[digits, hello, _]| digits.rate / hello.rate);
        let p99 = of(|[digits, hello, _]| digits.p99 / hello.p99);
        println!(
            "{name:4} | {connections:11} | {:9.0} | {:9.0} | {:11.0} | {share:8.2} | {:12.2} | {:13.2}, {:5.2} | {p99:9.2}",
            of(|[digits, ..]| digits.rate),
            of(|[_, hello, _]| hello.rate),
            of(|[.., same]| same.rate),
            of(|[digits, _, same]| digits.rate / same.rate),
            of(|[digits, ..]| digits.p99),
            of(|[_, hello, _]| hello.p99),
        );
        bars.at_least(
            &format!("digits by JSON at {connections} connections, by {name}, of hello"),
            share,
            0.75,
        );
        if connections > 1 {
            bars.at_most(&format!("its p99, by {name}, of hello's"), p99, 1.5);
        }
    }
    println!(
        "\nmedians of {ROUNDS} interleaved rounds of {SECONDS} s; memory under load {:.1} MiB",
        server.resident()
    );
}

/// Other requests, in requests per second at 64 connections.
fn others() {
    let server = Process::server(&["--models", "dir:models"]);
    server.first_answer(&request(PATH, &digits()));
    let pixels = |rows: usize| (0..rows * 64).map(|pixel| ((pixel * 7) % 17) as f32);
    let raw = |outputs: &str| {
        let json = format!(
            r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","parameters":{{"binary_data_size":256}}}}]{outputs}}}"#
        );
        let raw = pixels(1).flat_map(f32::to_le_bytes);
        Post { json: Some(json.len()), body: json.bytes().chain(raw).collect() }
    };
    let rows: Vec<_> = pixels(32).map(|pixel| format!("{pixel:?}")).collect();
    let rows = format!(
        r#"{{"inputs":[{{"name":"input","shape":[32,64],"datatype":"FP32","data":[{}]}}]}}"#,
        rows.join(",")
    );
    let tokens = |name: &str, token: u32| {
        let tokens = vec![token.to_string(); 16].join(",");
        format!(r#"{{"name":"{name}","shape":[1,16],"datatype":"INT64","data":[{tokens}]}}"#)
    };
    let encoder = format!(r#"{{"inputs":[{},{}]}}"#, tokens("input_ids", 445), tokens("attention_mask", 1));
    println!("\nat 64 connections:");
    for (what, path, post) in [
        ("digits, JSON", PATH, Post::json(digits())),
        ("digits, raw input", PATH, raw("")),
        ("digits, raw both ways", PATH, raw(r#","parameters":{"binary_data_output":true}"#)),
        ("digits, JSON, 32 rows", PATH, Post::json(rows)),
        ("encoder, JSON, 16 tokens", "/v2/models/encoder/infer", Post::json(encoder)),
    ] {
        let load = wrk(server.address, path, Some(&post), 64, SECONDS);
        println!("{what:26} {:9.0} requests/s, p99 {:6.2} ms", load.rate, load.p99);
    }
}
