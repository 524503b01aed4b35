//! `cargo bench --bench http`: digits by JSON against the limit of HTTP itself, a bare axum server that says hello, in
//! another process and the same run. Default settings, logging on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod rig;

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use rig::{Load, Process, digits, has_wrk, median, request, wrk};

const PATH: &str = "/v2/models/digits/infer";
const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, flag, address] = &*arguments
        && flag == "--hello"
    {
        return hello(address.parse().unwrap());
    }
    start();
    if has_wrk() {
        throughput();
    }
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

fn throughput() {
    let (server, bare) = (Process::server(&[]), Process::hello());
    let body = digits();
    server.first_answer(&request(PATH, &body));
    println!(
        "\nconnections |  digits/s |   hello/s | same size/s | of hello | of same size | p99 ms: digits, hello | p99 ratio"
    );
    for connections in [1, 64] {
        let rounds: Vec<[Load; 3]> = (0..ROUNDS)
            .map(|_| {
                [
                    wrk(server.address, PATH, Some(&body), connections, SECONDS),
                    wrk(bare.address, "/", None, connections, SECONDS),
                    wrk(bare.address, "/", Some(&body), connections, SECONDS),
                ]
            })
            .collect();
        let of = |figure: fn(&[Load; 3]) -> f64| median(rounds.iter().map(figure));
        println!(
            "{connections:11} | {:9.0} | {:9.0} | {:11.0} | {:8.2} | {:12.2} | {:13.2}, {:5.2} | {:9.2}",
            of(|[digits, ..]| digits.rate),
            of(|[_, hello, _]| hello.rate),
            of(|[.., same]| same.rate),
            of(|[digits, hello, _]| digits.rate / hello.rate),
            of(|[digits, _, same]| digits.rate / same.rate),
            of(|[digits, ..]| digits.p99),
            of(|[_, hello, _]| hello.p99),
            of(|[digits, hello, _]| digits.p99 / hello.p99),
        );
    }
    println!(
        "\nmedians of {ROUNDS} interleaved rounds of {SECONDS} s; memory under load {:.1} MiB",
        server.resident()
    );
}
