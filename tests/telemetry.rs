//! The log as a process writes it: this test's own binary runs again as the process that logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;
use twofold::config::Config;
use twofold::telemetry;

/// Logs lines of 1 KB: ten, then for each line on stdin as many as it says, and tells stderr when it has. Runs only as
/// the other process.
#[test]
#[ignore = "the process that logs"]
fn logs() {
    let home = if std::env::args().any(|arg| arg == "lambda") { "AWS_LAMBDA_FUNCTION_NAME" } else { "HOME" };
    let config = Config::parse(["server"], [(home.to_owned(), String::new())]).unwrap();
    let guard = telemetry::init(&config.telemetry, config.home);
    // What is in its way is left standing, not replaced.
    let _second = telemetry::init(&config.telemetry, config.home);
    let text = "x".repeat(1000);
    let log = |lines: usize| (0..lines).for_each(|i| tracing::info!(i, text, "line"));
    log(10);
    tracing::debug!("not by default");
    for line in std::io::stdin().lines() {
        guard.flush();
        log(line.unwrap().parse().unwrap());
        writeln!(std::io::stderr(), "logged").unwrap();
    }
    drop(guard);
    std::process::exit(7);
}

fn spawn(home: &str) -> (Child, ChildStdin) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "logs", "--nocapture"]);
    if home == "lambda" {
        // libtest takes it for one more name of a test.
        command.arg(home);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

fn events(lines: impl BufRead) -> Vec<Value> {
    let lines = lines.lines().map(Result::unwrap).filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn a_process_writes_all_its_lines_before_it_ends() {
    for home in ["local", "lambda"] {
        let (child, mut stdin) = spawn(home);
        stdin.write_all(b"5\n").unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "logged\n");
        let events = events(&output.stdout[..]);
        let numbers: Vec<u64> = events.iter().map(|event| event["i"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..10).chain(0..5).collect::<Vec<_>>());
        assert!(events.iter().all(|event| event["message"] == "line"));
    }
}

#[test]
fn on_lambda_a_line_is_written_before_the_environment_can_freeze() {
    let (mut child, mut stdin) = spawn("lambda");
    stdin.write_all(b"5\n").unwrap();
    let stderr = child.stderr.take().unwrap();
    assert_eq!(BufReader::new(stderr).lines().next().unwrap().unwrap(), "logged");
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(events(&output.stdout[..]).len(), 15);
}

#[test]
fn a_reader_that_fell_behind_is_told_what_it_lost() {
    let (mut child, mut stdin) = spawn("local");
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    // 10 MB while nobody reads: the pipe and the 4 MiB that may wait cannot hold them.
    stdin.write_all(b"10000\n").unwrap();
    assert_eq!(BufReader::new(stderr).lines().next().unwrap().unwrap(), "logged");
    drop(stdin);
    let events = events(BufReader::new(stdout));
    let (lost, lines): (Vec<&Value>, Vec<&Value>) =
        events.iter().partition(|event| event["message"] != "line");
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["message"], "lines of the log were lost: stdout was not read in time");
    let lost = lost[0]["lines"].as_u64().unwrap();
    assert!(lost > 5_000);
    assert_eq!(lost + lines.len() as u64, 10 + 10_000);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_reader_that_never_comes_back_does_not_keep_a_process_from_its_end() {
    let (mut child, mut stdin) = spawn("local");
    stdin.write_all(b"10000\n").unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_stdout_that_broke_ends_nothing() {
    let (mut child, mut stdin) = spawn("local");
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    stdin.write_all(b"1\n").unwrap();
    assert_eq!(told.next().unwrap().unwrap(), "logged");
    drop(child.stdout.take());
    stdin.write_all(b"1000\n1000\n").unwrap();
    drop(stdin);
    let told: Vec<String> = told.map(Result::unwrap).collect();
    assert_eq!(told, ["logged", "logged"]);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}
