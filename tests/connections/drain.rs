//! From the wish to stop to the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::client::{LIVE, PATIENCE};
use crate::house::{HELD, House};
use crate::http2::{get, http2};

const READY: &str = "GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n";

/// Longer than a test takes: the end of the drain is of no interest to it.
const LONG: &str = "--drain=1m";

#[tokio::test]
async fn while_it_drains_it_serves_and_says_that_each_answer_is_the_last() {
    let mut house = House::open(&[LONG], PATIENCE).await;
    let (mut kept, mut idle) = (house.connect().await, house.connect().await);
    assert_eq!(idle.ask(LIVE).await.status, 200);
    let ready = kept.ask(READY).await;
    assert_eq!((ready.status, &*ready.body, ready.is_last()), (200, r#"{"ready":true}"#, false));
    kept.send(HELD).await;
    house.holds(1).await;

    house.stop();
    let mut new = house.connect().await;
    let mut answer = new.ask(READY).await;
    // The signal is taken note of at some time after it was sent.
    while answer.status == 200 {
        answer = house.connect().await.ask(READY).await;
    }
    assert_eq!((answer.status, &*answer.body, answer.is_last()), (503, r#"{"ready":false}"#, true));
    for _ in 0..3 {
        let mut new = house.connect().await;
        let answer = new.ask(LIVE).await;
        assert_eq!((answer.status, &*answer.body, answer.is_last()), (200, r#"{"live":true}"#, true));
        new.ended().await;
    }
    assert!(idle.is_silent().await, "nobody closes an idle connection that may still be used");
    let answer = idle.ask(LIVE).await;
    assert_eq!((answer.status, answer.is_last()), (200, true));
    idle.ended().await;
    house.gate.add_permits(1);
    let answer = kept.answer().await.unwrap();
    assert_eq!((answer.status, &*answer.body, answer.is_last()), (200, "held", true));
    kept.ended().await;
}

#[tokio::test]
async fn what_is_in_flight_ends_and_what_is_idle_is_closed() {
    let mut house = House::open(&["--drain=0s"], PATIENCE).await;
    let (mut held, mut idle, mut begun) =
        (house.connect().await, house.connect().await, house.connect().await);
    assert_eq!(idle.ask(LIVE).await.status, 200);
    assert_eq!(begun.ask(LIVE).await.status, 200);
    begun.send(&LIVE[..20]).await;
    held.send(HELD).await;
    house.holds(1).await;
    house.stop();
    idle.ended().await;
    assert!(tokio::net::TcpStream::connect(house.address).await.is_err(), "the listener is closed");
    begun.send(&LIVE[20..]).await;
    let answer = begun.answer().await.unwrap();
    assert_eq!((answer.status, answer.is_last()), (200, true));
    house.gate.add_permits(1);
    let answer = held.answer().await.unwrap();
    assert_eq!((&*answer.body, answer.is_last()), ("held", true));
    assert_eq!(house.ended().await, 0);
}

#[tokio::test]
async fn what_outlasts_the_deadline_is_counted() {
    let mut house = House::open(&["--drain=0s"], Duration::from_millis(50)).await;
    let mut held = house.connect().await;
    held.send(HELD).await;
    house.holds(1).await;
    house.stop();
    assert_eq!(house.ended().await, 1);
}

#[test]
fn whoever_connected_before_the_listener_closed_is_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    // The system has accepted them all; the server has not run yet, and is told to stop before it does.
    let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    let cut = runtime.block_on(async {
        let mut house = House::serve(listener, &["--drain=0s"], PATIENCE);
        house.stop();
        for client in &mut clients {
            client.write_all(LIVE.as_bytes()).unwrap();
        }
        house.ended().await
    });
    assert_eq!(cut, 0);
    for client in &mut clients {
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"live":true}"#), "{answer}");
    }
}

#[tokio::test]
async fn silence_does_not_keep_it_open() {
    let mut house = House::open(&["--drain=0s"], PATIENCE).await;
    let _silent = (house.connect().await, house.connect().await);
    let mut client = house.connect().await;
    assert_eq!(client.ask(LIVE).await.status, 200);
    let since = Instant::now();
    house.stop();
    assert_eq!(house.ended().await, 0);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[tokio::test]
async fn http2_is_told_to_go_away_and_its_streams_end() {
    let mut house = House::open(&[LONG], PATIENCE).await;
    let live = (StatusCode::OK, false, Bytes::from_static(br#"{"live":true}"#));
    let (mut sender, connection) = http2(&house).await;
    assert_eq!(get(&mut sender, "/v2/health/live").await.unwrap(), live);
    let mut other = sender.clone();
    let held = tokio::spawn(async move { get(&mut other, "/held").await });
    house.holds(1).await;

    house.stop();
    // New requests are served until the client knows.
    while let Ok(answer) = get(&mut sender, "/v2/health/live").await {
        assert_eq!(answer, live);
    }
    house.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap(), (StatusCode::OK, false, Bytes::from_static(b"held")));
    connection.await.unwrap().expect("the connection ended in order");

    let (mut sender, connection) = http2(&house).await;
    assert_eq!(get(&mut sender, "/v2/health/live").await.unwrap(), live, "on a new connection");
    connection.await.unwrap().expect("it ended with its first request");
}

#[tokio::test]
async fn http2_ends_with_the_drain() {
    let mut house = House::open(&["--drain=0s"], PATIENCE).await;
    let (mut sender, connection) = http2(&house).await;
    let (_unused, unused) = http2(&house).await;
    get(&mut sender, "/v2/health/live").await.unwrap();
    let held = tokio::spawn(async move { get(&mut sender, "/held").await });
    house.holds(1).await;
    house.stop();
    house.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap().0, StatusCode::OK);
    connection.await.unwrap().expect("it ended in order");
    let _ = unused.await.unwrap();
    assert_eq!(house.ended().await, 0);
}
