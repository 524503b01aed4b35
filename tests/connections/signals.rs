//! The built server and its signals.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::Process;

/// A path and a body: what is answered where it comes in, and what is computed for some milliseconds.
const SMALL: (&str, &str) = ("/v2/repository/index", r#"{"ready":true}"#);
const HEAVY: (&str, &str) = (
    "/v2/models/by_value/infer",
    r#"{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[150,150]}]}"#,
);

/// Asks once; whether the answer is the connection's last.
fn ask(stream: &mut BufReader<TcpStream>, (path, body): (&str, &str)) -> std::io::Result<bool> {
    let length = body.len();
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut length, mut last, mut line) = (0, false, String::new());
    stream.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(std::io::Error::other(format!("answered '{line}'")));
    }
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line)?;
        last |= line == "connection: close\r\n";
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(last)
}

fn connect(address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    TcpStream::connect(address).map(BufReader::new)
}

/// How a client fared, from its first connection to the first that was refused.
struct Load {
    /// When each answer was there.
    answers: Vec<Instant>,
    /// When there was a connection that the system made and the server never saw: what is made between its last look and the
    /// listener's end is reset with the listener.
    unseen: Vec<Instant>,
    refused: Instant,
}

/// Asks on kept-alive connections, or on a new one each time, until nobody listens. Fails where an answer is cut.
fn load(address: SocketAddr, request: (&str, &str), keep: bool, seen: &AtomicUsize) -> std::io::Result<Load> {
    let (mut answers, mut unseen) = (Vec::new(), Vec::new());
    loop {
        let mut stream = match connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Ok(Load { answers, unseen, refused: Instant::now() });
            }
            stream => stream?,
        };
        let (made, mut asked) = (Instant::now(), 0);
        loop {
            match ask(&mut stream, request) {
                Err(error) if asked == 0 && error.kind() == ErrorKind::ConnectionReset => {
                    unseen.push(made);
                    break;
                }
                is_last => {
                    answers.push(Instant::now());
                    seen.fetch_add(1, Ordering::Relaxed);
                    if is_last? || !keep {
                        break;
                    }
                }
            }
            asked += 1;
        }
    }
}

#[test]
fn under_load_a_drain_refuses_nobody_until_nobody_listens_and_cuts_nobody() {
    const DRAIN: Duration = Duration::from_secs(2);
    let flags =
        ["--drain=2s", "--log=warn,twofold::app=info", "--models=embedded:digits,dir:tests/models/by_value"];
    let mut server = Process::start(&flags, None);
    let (address, seen) = (server.address, AtomicUsize::new(0));
    let (signalled, loads) = std::thread::scope(|scope| {
        let seen = &seen;
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let request = if number < 4 { SMALL } else { HEAVY };
                scope.spawn(move || load(address, request, number % 2 == 0, seen))
            })
            .collect();
        while seen.load(Ordering::Relaxed) < 200 {
            std::thread::yield_now();
        }
        let signalled = Instant::now();
        server.signal("TERM");
        let loads = clients.into_iter().map(|client| client.join().unwrap().expect("refused or cut"));
        (signalled, loads.collect::<Vec<_>>())
    });
    let closed = loads.iter().map(|load| load.refused).min().unwrap();
    let open = closed - signalled;
    assert!(open >= DRAIN && open < DRAIN + Duration::from_secs(2), "it listened for {open:?}");
    for load in &loads {
        // Whoever is answered or cut once more was cut before that.
        let last = load.answers.last().max(load.unseen.last());
        assert!(
            load.unseen.first().is_none_or(|cut| Some(cut) == last),
            "cut before the listener was closed"
        );
        let unanswered = closed.duration_since(*load.answers.last().unwrap());
        assert!(unanswered < DRAIN / 2, "a client was not answered for {unanswered:?}");
        let draining = load.answers.iter().filter(|&&answer| answer > signalled).count();
        assert!(draining > 10, "{draining} answers while it drained");
    }
    assert_eq!(server.ended(), 0);
    let log = server.log();
    assert!(log.contains(r#""message":"draining","signal":"SIGTERM","drain":"2s""#), "{log}");
    assert!(log.trim_end().lines().last().unwrap().contains(r#""message":"drained""#), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second, name) in
        [("TERM", "TERM", "SIGTERM"), ("INT", "TERM", "SIGTERM"), ("TERM", "INT", "ctrl-c")]
    {
        let mut server = Process::start(&["--drain=1m"], None);
        let mut open = connect(server.address).unwrap();
        ask(&mut open, SMALL).unwrap();
        server.signal(first);
        server.logs(r#""message":"draining""#);
        server.signal(second);
        assert_eq!(server.ended(), 1);
        let log = server.log();
        let said = format!(r#""error":"{name} came before the drain had ended: ended at once""#);
        assert!(log.contains(&said), "{log}");
    }
}

#[test]
fn without_files_it_waits_and_goes_on() {
    let mut server = Process::start(&["--drain=0s"], Some(40));
    let mut open: Vec<_> = (0..60).map(|_| connect(server.address).unwrap()).collect();
    server.logs(r#""message":"no connection can be accepted""#);
    ask(&mut open[0], SMALL).expect("those that are open are served");
    open.drain(..40);
    for stream in &mut open {
        ask(stream, SMALL).expect("those that waited are served");
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
}
