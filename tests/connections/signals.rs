//! The built server and its signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::Process;

const BODY: &str = r#"{"ready":true}"#;

/// Asks once; whether the answer is the connection's last.
fn ask(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let length = BODY.len();
    let request =
        format!("POST /v2/repository/index HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{BODY}");
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

#[test]
fn under_load_a_drain_refuses_nobody_and_cuts_nobody() {
    let mut server = Process::start(&["--drain=2s", "--log=warn,twofold::app=info"], None);
    let (stop, answers, last) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let address = server.address;
    let load = |keep: bool| -> std::io::Result<()> {
        let mut stream = connect(address)?;
        while !stop.load(Ordering::Relaxed) {
            let is_last = ask(&mut stream)?;
            answers.fetch_add(1, Ordering::Relaxed);
            last.fetch_add(usize::from(is_last), Ordering::Relaxed);
            if is_last || !keep {
                stream = connect(address)?;
            }
        }
        Ok(())
    };
    let signalled = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|number| scope.spawn(move || load(number % 2 == 0))).collect();
        while answers.load(Ordering::Relaxed) < 200 {
            std::thread::yield_now();
        }
        assert_eq!(last.load(Ordering::Relaxed), 0);
        let signalled = Instant::now();
        server.signal("TERM");
        // Up to half a second before the listener closes, which nobody is told of.
        std::thread::sleep(Duration::from_millis(1500));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap().expect("refused or cut");
        }
        signalled
    });
    assert!(last.load(Ordering::Relaxed) > 100, "{last:?} of {answers:?}");
    assert_eq!(server.ended(), 0);
    assert!(signalled.elapsed() >= Duration::from_secs(2));
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
        ask(&mut open).unwrap();
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
    ask(&mut open[0]).expect("those that are open are served");
    open.drain(..40);
    for stream in &mut open {
        ask(stream).expect("those that waited are served");
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
}
