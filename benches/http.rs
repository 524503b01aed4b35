//! `cargo bench --bench http`: digits by JSON against the limit of HTTP itself, a bare axum server that says hello, in
//! another process and the same run. Default settings, logging on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod rig;

use std::net::SocketAddr;

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

/// The reference: no body is read, nothing is computed, nothing is logged.
#[tokio::main]
async fn hello(address: SocketAddr) {
    let json = || async { ([(header::CONTENT_TYPE, "application/json")], r#"{"hello":"world"}"#) };
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    axum::serve(listener, axum::Router::new().route("/", get(json))).await.unwrap();
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
    println!("\nconnections | digits/s | hello/s | ratio | digits p99 ms | hello p99 ms | p99 ratio");
    for connections in [1, 64] {
        let rounds: Vec<(Load, Load)> = (0..ROUNDS)
            .map(|_| {
                let digits = wrk(server.address, PATH, Some(&body), connections, SECONDS);
                (digits, wrk(bare.address, "/", None, connections, SECONDS))
            })
            .collect();
        println!(
            "{connections:11} | {:8.0} | {:7.0} | {:5.2} | {:13.2} | {:12.2} | {:9.2}",
            median(rounds.iter().map(|round| round.0.rate)),
            median(rounds.iter().map(|round| round.1.rate)),
            median(rounds.iter().map(|round| round.0.rate / round.1.rate)),
            median(rounds.iter().map(|round| round.0.p99)),
            median(rounds.iter().map(|round| round.1.p99)),
            median(rounds.iter().map(|round| round.0.p99 / round.1.p99)),
        );
    }
    println!(
        "\nmedians of {ROUNDS} interleaved rounds of {SECONDS} s; memory under load {:.1} MiB",
        server.resident()
    );
}
