//! Clients that take their time.

use std::time::{Duration, Instant};

use crate::client::{Client, LIVE, PATIENCE};
use crate::house::{House, LARGE};

const TIMEOUT: Duration = Duration::from_millis(400);
const OFTEN: Duration = Duration::from_millis(20);
const FLAGS: [&str; 3] = ["--header-timeout=400ms", "--body-timeout=400ms", "--connections=1"];

/// Runs until the server ends the connection, which it does neither before the timeout nor long after.
async fn is_ended_in_time(client: &mut Client) {
    let since = Instant::now();
    client.ended().await;
    let took = since.elapsed();
    assert!(took < 5 * TIMEOUT, "{took:?}");
}

#[tokio::test]
async fn a_connection_that_sends_too_little_is_ended() {
    let house = House::open(&FLAGS, PATIENCE).await;
    for start in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let since = Instant::now();
        let mut client = house.connect().await;
        client.send(start).await;
        is_ended_in_time(&mut client).await;
        assert!(since.elapsed() >= TIMEOUT, "{start:?} ended after {:?}", since.elapsed());
    }
    // The place is free again.
    assert_eq!(house.connect().await.ask(LIVE).await.status, 200);
}

#[tokio::test]
async fn a_head_byte_by_byte_does_not_gain_time_first_or_later() {
    let house = House::open(&FLAGS, PATIENCE).await;
    for requests_before in [0, 2] {
        let mut client = house.connect().await;
        for _ in 0..requests_before {
            assert_eq!(client.ask(LIVE).await.status, 200);
        }
        let since = Instant::now();
        client.send("GET / HTTP/1.1\r\nx: ").await;
        client.dribble(b'y', OFTEN).await;
        let took = since.elapsed();
        assert!((TIMEOUT..5 * TIMEOUT).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let house = House::open(&FLAGS, PATIENCE).await;
    let mut client = house.connect().await;
    for _ in 0..3 {
        assert_eq!(client.ask(LIVE).await.status, 200);
        tokio::time::sleep(2 * TIMEOUT).await;
    }
    assert_eq!(client.ask(LIVE).await.status, 200);
}

#[tokio::test]
#[ignore = "takes 75 s: tests/connections/run"]
async fn an_idle_connection_is_kept_longer_than_load_balancers_keep_theirs() {
    const LOAD_BALANCERS: Duration = Duration::from_mins(1);
    let house = House::open(&[], PATIENCE).await;
    let mut kept = [house.connect().await, house.connect().await];
    for client in &mut kept {
        assert_eq!(client.ask(LIVE).await.status, 200);
    }
    let since = Instant::now();
    tokio::time::sleep(LOAD_BALANCERS + Duration::from_secs(5)).await;
    let [used, idle] = &mut kept;
    assert_eq!(used.ask(LIVE).await.status, 200);
    // The other one's time is over soon; this one's begins anew.
    tokio::time::sleep(Duration::from_secs(5)).await;
    idle.ended().await;
    let took = since.elapsed();
    assert!(took > LOAD_BALANCERS + Duration::from_secs(10) && took < 2 * LOAD_BALANCERS, "{took:?}");
    assert_eq!(used.ask(LIVE).await.status, 200);
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_400_and_ends_the_connection() {
    let house = House::open(&FLAGS, PATIENCE).await;
    for (head, byte) in [("content-length: 1000", b'1'), ("transfer-encoding: chunked", b'0')] {
        let mut client = house.connect().await;
        let since = Instant::now();
        client.send(format!("POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n")).await;
        let dribble = async {
            loop {
                if client.stream.try_write(&[byte]).is_err() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(OFTEN).await;
            }
        };
        let _ = tokio::time::timeout(2 * TIMEOUT, dribble).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, &*answer.body), (400, r#"{"error":"the body took longer than 400ms"}"#));
        assert!(answer.is_last(), "{answer:?}");
        assert!(since.elapsed() >= TIMEOUT);
        client.ended().await;
    }
}

#[tokio::test]
async fn a_body_of_many_parts_within_its_time_is_read() {
    let house = House::open(&FLAGS, PATIENCE).await;
    let mut client = house.connect().await;
    client.send("POST /v2/repository/index HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\n").await;
    for byte in br#"{"ready":true}"# {
        client.send([*byte]).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.is_last());
    assert_eq!(client.ask(LIVE).await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_ended() {
    let house = House::open(&FLAGS, PATIENCE).await;
    let mut deaf = house.connect().await;
    deaf.send(LARGE).await;
    let since = Instant::now();
    // There is one place.
    assert_eq!(house.connect().await.ask(LIVE).await.status, 200);
    let took = since.elapsed();
    assert!((TIMEOUT / 2..5 * TIMEOUT).contains(&took), "{took:?}");
    drop(deaf);
}
