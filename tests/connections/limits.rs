//! What a connection may hold, and how many of them there may be.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::{LIVE, PATIENCE};
use crate::house::{BIG, HELD, House, LARGE};

#[tokio::test]
async fn connections_beyond_the_bound_wait_until_another_is_closed() {
    let house = House::open(&["--connections=2"], PATIENCE).await;
    let (mut first, mut second, mut third) =
        (house.connect().await, house.connect().await, house.connect().await);
    assert_eq!(first.ask(LIVE).await.status, 200);
    assert_eq!(second.ask(LIVE).await.status, 200);
    third.send(LIVE).await;
    assert!(third.is_silent().await, "three are open");
    assert_eq!(first.ask(LIVE).await.status, 200);
    drop(first);
    assert_eq!(third.answer().await.unwrap().status, 200);
    assert_eq!(second.ask(LIVE).await.status, 200);
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_refused() {
    let house = House::open(&[], PATIENCE).await;
    let mut client = house.connect().await;
    client.send(format!("GET /v2 HTTP/1.1\r\nx: {}", "y".repeat(80_000))).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 431);
    client.ended().await;

    let mut client = house.connect().await;
    let headers = "x: y\r\n".repeat(101);
    assert_eq!(client.ask(&format!("GET /v2 HTTP/1.1\r\n{headers}\r\n")).await.status, 431);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let house = House::open(&[], PATIENCE).await;
    for head in ["content-length: 100000000", "transfer-encoding: chunked"] {
        let mut client = house.connect().await;
        client.send(format!("POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n")).await;
        // Far more than the buffers of both sides hold together; the end of one chunk never comes.
        client.send("5F5E100\r\n").await;
        let (part, mut sent) = (vec![b'1'; 1 << 20], 0);
        while sent < 64 << 20 && client.stream.write_all(&part).await.is_ok() {
            sent += 1 << 20;
        }
        assert_eq!(sent, 64 << 20, "the server stopped reading before the client stopped sending");
        let answer = client.answer().await.expect("the refusal was lost");
        assert_eq!(answer.status, 413, "{answer:?}");
    }
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let house = House::open(&[], PATIENCE).await;
    let body = r#"{"ready":true}"#;
    let index = format!(
        "POST /v2/repository/index HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for request in [LIVE, &index, LARGE] {
        let mut client = house.connect().await;
        client.send(request).await;
        client.stream.shutdown().await.unwrap();
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        if request == LARGE {
            assert_eq!(answer.body.len(), BIG);
        }
        client.ended().await;
    }

    // Also where the answer takes some time.
    let mut client = house.connect().await;
    client.send(HELD).await;
    house.holds(1).await;
    client.stream.shutdown().await.unwrap();
    assert!(client.is_silent().await);
    house.gate.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "held");
    client.ended().await;
}

#[tokio::test]
async fn a_client_that_is_gone_costs_nothing_more() {
    let house = House::open(&[], PATIENCE).await;
    let mut closed = house.connect().await;
    closed.send(HELD).await;
    house.holds(1).await;
    drop(closed);
    house.holds(0).await;

    let mut reset = house.connect().await;
    reset.send(HELD).await;
    house.holds(1).await;
    reset.stream.set_zero_linger().unwrap();
    drop(reset);
    tokio::time::timeout(Duration::from_millis(900), house.holds(0)).await.expect("a reset is no doubt");
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let house = House::open(&[], PATIENCE).await;
    let mut client = house.connect().await;
    client.send("POST /v2/repository/index HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
    client.stream.shutdown().await.unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.body.starts_with(r#"{"error":"the body ended early: "#), "{}", answer.body);
    client.ended().await;
}
