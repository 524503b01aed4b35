//! `cargo bench --bench start`: from the start of a process to its first answer, in both homes; memory at rest; sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use rig::{Bars, Process, digits, median, request};

const STARTS: usize = 30;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--hello") {
        return ExitCode::SUCCESS;
    }
    let mut bars = Bars::default();
    let request = request("/v2/models/digits/infer", &digits());
    let starts: Vec<_> = (0..STARTS)
        .map(|_| {
            let server = Process::server(&[]);
            (server.first_answer(&request).as_secs_f64() * 1000.0, server.resident())
        })
        .collect();
    bars.at_most("server: start to first answer, ms", median(starts.iter().map(|start| start.0)), 12.0);
    bars.at_most("server: memory at rest, MiB", median(starts.iter().map(|start| start.1)), 15.0);
    bars.at_most("lambda: start to first /next, ms", median((0..STARTS).map(|_| first_next())), 10.0);
    for (name, path) in [("server", env!("CARGO_BIN_EXE_server")), ("lambda", env!("CARGO_BIN_EXE_lambda"))] {
        println!("{name}: {:.1} MiB on disk", fs::metadata(path).unwrap().len() as f64 / f64::from(1 << 20));
    }
    println!("medians of {STARTS} starts");
    bars.verdict()
}

/// Milliseconds from the start of the function to its first question for an event, whose model is loaded by then.
fn first_next() -> f64 {
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda"));
    command.env_clear().stdout(Stdio::null());
    command.env("AWS_LAMBDA_RUNTIME_API", api.local_addr().unwrap().to_string());
    for (name, value) in [("FUNCTION_NAME", "f"), ("FUNCTION_VERSION", "1"), ("FUNCTION_MEMORY_SIZE", "512")]
    {
        command.env(format!("AWS_LAMBDA_{name}"), value);
    }
    for name in ["LOG_GROUP_NAME", "LOG_STREAM_NAME"] {
        command.env(format!("AWS_LAMBDA_{name}"), "x");
    }
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut head = [0; 64];
    let length = api.accept().unwrap().0.read(&mut head).unwrap();
    let took = started.elapsed().as_secs_f64() * 1000.0;
    let _ = child.kill();
    let _ = child.wait();
    let head = String::from_utf8_lossy(&head[..length]);
    assert!(head.starts_with("GET /2018-06-01/runtime/invocation/next"), "{head}");
    took
}
