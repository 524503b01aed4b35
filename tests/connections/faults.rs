//! Many connections, and clients that break off anywhere. Ignored by default: `tests/connections/run` raises the limit of
//! open files first.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::client::{Answer, Client, LIVE, PATIENCE};
use crate::process::Process;

/// Connections of each of two processes: one alone may not open as many files.
const SHARE: usize = 10_000;

/// What a server under the usual hard limit of 20,000 open files can hold beside its own.
const BOUND: usize = 19_900;

/// From many addresses, so that ports do not run out.
async fn connect_from(number: usize, address: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    let host = u8::try_from(number / 4000 + 2).unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
    Client::of(socket.connect(address).await.unwrap())
}

/// Opens this many connections, asks once on each, and holds them all until its standard input is closed. Started by the
/// test below, in processes of its own.
#[tokio::test]
#[ignore = "a part of the test below"]
async fn holds_a_share() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (address, share) = line.trim().split_once(' ').expect("started by the test below");
    let (address, share): (SocketAddr, usize) = (address.parse().unwrap(), share.parse().unwrap());
    let mut clients = Vec::with_capacity(share);
    for number in 0..share {
        let mut client = connect_from(number, address).await;
        assert_eq!(client.ask(LIVE).await.status, 200);
        clients.push(client);
    }
    println!("\nall {share} are answered");
    std::io::stdin().read_line(&mut line).unwrap();
}

#[tokio::test]
#[ignore = "needs 20,000 open files: tests/connections/run"]
async fn twenty_thousand_connections() {
    let bound = format!("--connections={BOUND}");
    let server = Process::start(&[&bound, "--log=warn"], None);
    Client::connect(server.address).await.ask(LIVE).await;
    let (files, resident) = (server.files(), server.resident());
    let share = |share: usize| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "faults::holds_a_share"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{} {share}", server.address).unwrap();
        child
    };
    let mut holders = [share(SHARE), share(BOUND - SHARE)];
    for holder in &mut holders {
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(b"are answered") {
            holder.stdout.as_mut().unwrap().read_exact(&mut byte).expect("a connection failed");
            said.push(byte[0]);
        }
    }
    let full = server.resident();
    println!("{BOUND} connections: {resident} MiB before, {full} MiB with all");
    assert!((BOUND..BOUND + files + 4).contains(&server.files()), "{} files", server.files());

    // Those that make it 20,000 wait; nobody who is open notices.
    let mut waiting = Vec::new();
    for number in 0..20_000 - BOUND {
        let mut client = connect_from(number, server.address).await;
        client.send(LIVE).await;
        waiting.push(client);
    }
    assert!(waiting[0].is_silent().await);
    for mut holder in holders {
        drop(holder.stdin.take());
        assert!(holder.wait().unwrap().success());
    }
    for mut client in waiting {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    returns_to(&server, files).await;
    println!("{} MiB after", server.resident());
    assert!(full < resident + 400, "a connection costs more than 20 KiB");
}

/// Waits until the server has closed what its clients have.
async fn returns_to(server: &Process, files: usize) {
    let deadline = Instant::now() + PATIENCE;
    while server.files() > files {
        assert!(Instant::now() < deadline, "{} files are open instead of {files}", server.files());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// splitmix64, by Sebastiano Vigna.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) >> 33).unwrap()
}

/// Sends a part of a request, or of two, perhaps reads a part of the answer, and breaks off in one of three ways.
fn break_off(address: SocketAddr, request: &[u8], random: &mut u64) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let sent = next(random) % (request.len() + 1);
    // The server may have refused and closed already.
    let _ = stream.write_all(&request[..sent]);
    if next(random).is_multiple_of(3) {
        let mut some = vec![0; 1 + next(random) % 400];
        let _ = stream.read(&mut some);
    }
    match next(random) % 3 {
        0 => drop(stream),
        1 => {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        _ => {
            let runtime = tokio::runtime::Handle::current();
            let _runtime = runtime.enter();
            stream.set_nonblocking(true).unwrap();
            tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: tests/connections/run"]
async fn requests_broken_off_anywhere_cost_nobody_else_anything() {
    const TIMES: usize = 20_000;
    let server = Process::start(&["--log=error"], None);
    let address = server.address;
    Client::connect(address).await.ask(LIVE).await;
    let files = server.files();
    let row = vec!["0"; 64].join(",");
    let body =
        format!(r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{row}]}}]}}"#);
    let infer = format!(
        "POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let twice = infer.repeat(2);
    let done = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let runtime = tokio::runtime::Handle::current();
    let answers: usize = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let (runtime, stop, infer) = (&runtime, &stop, &infer);
            let good = scope.spawn(move || {
                runtime.block_on(async {
                    let (mut client, mut answers) = (Client::connect(address).await, 0);
                    let expected: Answer = client.ask(infer).await;
                    assert_eq!(expected.status, 200);
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client.ask(infer).await;
                        assert_eq!((answer.status, answer.body), (200, expected.body.clone()));
                        answers += 1;
                    }
                    answers
                })
            });
            let bad: Vec<_> = (0..4)
                .map(|seed| {
                    let (twice, done) = (twice.as_bytes(), &done);
                    scope.spawn(move || {
                        let _runtime = runtime.enter();
                        let mut random = seed;
                        while done.fetch_add(1, Ordering::Relaxed) < TIMES {
                            break_off(address, twice, &mut random);
                        }
                    })
                })
                .collect();
            for client in bad {
                client.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            good.join().unwrap()
        })
    });
    println!("{TIMES} requests broken off, {answers} answered beside them, {} MiB", server.resident());
    assert!(answers > 1000, "{answers}");
    returns_to(&server, files).await;
    let metrics = Client::connect(address).await.ask("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let in_flight = metrics.body.lines().find(|line| line.starts_with("twofold_requests_in_flight "));
    assert_eq!(in_flight, Some("twofold_requests_in_flight 0"), "{}", metrics.body);
}

/// One request to the model that makes as many numbers as it is told. Gives the answer.
async fn hungry(address: SocketAddr, count: u64) -> Answer {
    let body =
        format!(r#"{{"inputs":[{{"name":"count","shape":[1],"datatype":"INT64","data":[{count}]}}]}}"#);
    let length = body.len();
    let request =
        format!("POST /v2/models/hungry/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    Client::connect(address).await.ask(&request).await
}

#[tokio::test]
#[ignore = "takes 2 GB of memory: tests/connections/run"]
async fn a_model_that_takes_gigabytes_leaves_nothing_behind() {
    let server = Process::start(&["--models=dir:tests/models/hungry", "--log=warn"], None);
    assert_eq!(hungry(server.address, 1 << 10).await.status, 200);
    let (before, server) = (server.resident(), &server);
    let largest = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let watch = async {
        while !done.load(Ordering::SeqCst) {
            largest.fetch_max(server.resident(), Ordering::SeqCst);
            assert_eq!(Client::connect(server.address).await.ask(LIVE).await.status, 200);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ask = async {
        let answer = hungry(server.address, 1 << 29).await;
        done.store(true, Ordering::SeqCst);
        answer
    };
    let (answer, ()) = tokio::join!(ask, watch);
    let (largest, after) = (largest.into_inner(), server.resident());
    println!(
        "resident memory, MiB: {before} before, {largest} with 2 GiB asked for, {after} after: {answer:?}"
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(largest > 2048, "the 2 GiB were never there: {largest}");
    assert!(after < before + 64, "{before} MiB became {after}");

    let answer = hungry(server.address, 1 << 60).await;
    assert!(answer.status == 400 && answer.body.contains("input 'count'"), "{answer:?}");
    assert_eq!(hungry(server.address, 1 << 10).await.status, 200);
}
