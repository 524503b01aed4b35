use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::format::DefaultFields;
use tracing_subscriber::registry::Registry;

use super::*;

/// Remembers each write apart.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<String>>>);

impl Writes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged<F>(format: F, output: Output, events: impl FnOnce())
where
    F: FormatEvent<tracing_subscriber::layer::Layered<Targets, Registry>, DefaultFields>
        + Send
        + Sync
        + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(output).event_format(format);
    let filter: Targets = "info".parse().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(layer), events);
}

/// The lines without their timestamps, which are checked.
fn lines<F>(format: F, events: impl FnOnce()) -> Vec<String>
where
    F: FormatEvent<tracing_subscriber::layer::Layered<Targets, Registry>, DefaultFields>
        + Send
        + Sync
        + 'static,
{
    let writes = Writes::default();
    logged(format, Output::direct(writes.clone()), events);
    let strip = |line: String| {
        let (before, after) = line.split_once("20").unwrap();
        let (time, after) = after.split_at("26-01-02T03:04:05.678901Z".len());
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "00-00-00T00:00:00.000000Z");
        format!("{before}TIME{after}")
    };
    writes.take().into_iter().map(strip).collect()
}

#[derive(Debug)]
struct Failure(&'static str, Option<Box<Failure>>);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn every_kind_of_field() {
    info!(
        status = 200_u16,
        change = -3_i64,
        seconds = 1.5e-7,
        none = f64::NAN,
        cached = true,
        model = "digits",
        r#type = "",
        path = ?"a\"b",
        version = None::<u64>,
        "answered"
    );
}

#[test]
fn json_has_fields_of_their_kind_beside_the_message() {
    let lines = lines(Json, every_kind_of_field);
    assert_eq!(
        lines,
        [concat!(
            r#"{"timestamp":"TIME","level":"INFO","target":"twofold::telemetry::tests","#,
            r#""message":"answered","status":200,"change":-3,"seconds":1.5e-7,"none":null,"cached":true,"#,
            r#""model":"digits","type":"","path":"\"a\\\"b\""}"#,
            "\n"
        )]
    );
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["path"], r#""a\"b""#);
}

#[test]
fn text_has_fields_after_the_message() {
    assert_eq!(
        lines(Text, every_kind_of_field),
        [concat!(
            "TIME  INFO twofold::telemetry::tests: answered status=200 change=-3 seconds=1.5e-7 none=NaN cached=true ",
            "model=digits type=\"\" path=\"a\\\"b\"\n"
        )]
    );
}

#[test]
fn errors_tell_what_caused_them() {
    let failure = Failure("no answer", Some(Box::new(Failure("no \"room\"", None))));
    let log = || error!(error = &failure as &dyn std::error::Error, "refused");
    assert!(lines(Json, log)[0].ends_with(",\"error\":\"no answer: no \\\"room\\\"\"}\n"));
    assert!(lines(Text, log)[0].ends_with(": refused error=no answer: no \"room\"\n"));
}

#[test]
fn what_a_client_sent_stays_within_its_line() {
    let sent = "a\nb\r\t\u{1b}[2J\u{0}\"\\é\u{1f600}\u{7f}";
    let log = || warn!(id = sent, "{sent}");
    let json = lines(Json, log);
    assert!(json[0].ends_with(
        "\"message\":\"a\\nb\\u000d\\t\\u001b[2J\\u0000\\\"\\\\é\u{1f600}\u{7f}\",\
         \"id\":\"a\\nb\\u000d\\t\\u001b[2J\\u0000\\\"\\\\é\u{1f600}\u{7f}\"}\n"
    ));
    let line: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!((line["id"].as_str(), line["message"].as_str()), (Some(sent), Some(sent)));
    let text = lines(Text, log);
    assert_eq!(text[0].matches(char::is_control).collect::<Vec<_>>(), ["\n"]);
    assert!(text[0].contains(": a\\nb\\r\\t\\u{1b}[2J\\u{0}\"\\é\u{1f600}\\u{7f} id="));
}

#[test]
fn the_filter_holds_back_what_it_does_not_name() {
    let lines = lines(Text, || {
        tracing::debug!("held back");
        info!("let through");
    });
    assert_eq!(lines, ["TIME  INFO twofold::telemetry::tests: let through\n"]);
}

/// A sink that tells of each write, and takes it when it is told to.
struct Gate {
    offered: Sender<String>,
    take: Receiver<io::Result<()>>,
}

fn gate() -> (Gate, Receiver<String>, Sender<io::Result<()>>) {
    let (offered, offers) = channel();
    let (taking, take) = channel();
    (Gate { offered, take }, offers, taking)
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.offered.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        self.take.recv().unwrap().map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(output: &Output, line: &str) {
    use tracing_subscriber::fmt::MakeWriter;
    output.make_writer().write_all(line.as_bytes()).unwrap();
}

#[test]
fn lines_are_gathered_while_a_write_goes_on_and_a_flush_waits_for_them() {
    let (gate, offers, taking) = gate();
    let output = Output::gathered(gate);
    write(&output, "one\n");
    assert_eq!(offers.recv().unwrap(), "one\n");
    write(&output, "two\n");
    write(&output, "three\n");
    taking.send(Ok(())).unwrap();
    taking.send(Ok(())).unwrap();
    output.flush();
    assert_eq!(offers.try_recv().unwrap(), "two\nthree\n");
}

#[test]
fn threads_never_mix_their_lines() {
    let writes = Writes::default();
    let output = Output::gathered(writes.clone());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let output = &output;
            scope.spawn(move || (0..2_000).for_each(|i| write(output, &format!("{thread} {i}\n"))));
        }
    });
    output.flush();
    let text = writes.take().concat();
    let mut next = [0; 4];
    for line in text.lines() {
        let (thread, i) = line.split_once(' ').unwrap();
        let next = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(i.parse(), Ok(*next));
        *next += 1;
    }
    assert_eq!(next, [2_000; 4]);
}

#[test]
fn a_reader_that_stops_costs_lines_and_no_request_waits() {
    let (gate, offers, taking) = gate();
    let output = Output::gathered(gate);
    write(&output, "first\n");
    assert_eq!(offers.recv().unwrap(), "first\n");
    // The sink does not take it: 4 MiB more are kept, and what comes after is lost.
    let line = format!("{}\n", "x".repeat(1023));
    for _ in 0..4 * 1024 + 3 {
        write(&output, &line);
    }
    taking.send(Ok(())).unwrap();
    assert_eq!(offers.recv().unwrap().len(), 4 << 20);
    taking.send(Ok(())).unwrap();
    output.flush();
    write(&output, "after\n");
    assert_eq!(offers.recv().unwrap(), "after\n");
    taking.send(Ok(())).unwrap();
}

#[test]
fn a_flush_gives_up_on_a_reader_that_takes_nothing() {
    let (gate, offers, _taking) = gate();
    let output = Output::gathered(gate);
    write(&output, "line\n");
    assert_eq!(offers.recv().unwrap(), "line\n");
    let began = Instant::now();
    output.flush();
    assert!((2..10).contains(&began.elapsed().as_secs()));
}

#[test]
fn a_broken_sink_is_no_reason_to_stop() {
    for gathered in [false, true] {
        let (gate, offers, taking) = gate();
        for result in [Err(io::ErrorKind::BrokenPipe.into()), Err(io::ErrorKind::Other.into()), Ok(())] {
            taking.send(result).unwrap();
        }
        let output = if gathered { Output::gathered(gate) } else { Output::direct(gate) };
        for line in ["one\n", "two\n", "three\n"] {
            write(&output, line);
            output.flush();
            assert_eq!(offers.recv().unwrap(), line);
        }
    }
}

/// Prints what one line of a request costs; `cargo test` with optimisation and `--ignored --nocapture` runs it.
#[test]
#[ignore = "a measurement"]
fn what_a_line_costs() {
    const LINES: u32 = 200_000;
    // A reader in another process, as in a container.
    let sink = || {
        let reader = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn();
        reader.unwrap().stdin.take().unwrap()
    };
    let request = || {
        let time = Duration::from_micros(37);
        for _ in 0..LINES {
            info!(
                method = "POST",
                route = "/v2/models/{model}/infer",
                status = 200_u16,
                model = "digits",
                version = "1",
                request_id = "0b5f2c1e-7f0e-4c39-9d0e-111111111111",
                seconds = time.as_secs_f64(),
                "request"
            );
        }
    };
    let time = |name: &str, run: &mut dyn FnMut()| {
        let began = Instant::now();
        run();
        println!("{name}: {:?} per line", began.elapsed() / LINES);
    };
    time("json, gathered", &mut || logged(Json, Output::gathered(sink()), request));
    time("json, direct", &mut || logged(Json, Output::direct(sink()), request));
    time("text, gathered", &mut || logged(Text, Output::gathered(sink()), request));
}
