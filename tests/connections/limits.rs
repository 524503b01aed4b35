//! What a connection may hold, and how many of them there may be.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::{Answer, Client, LIVE, MOMENT, PATIENCE};
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
    let long = format!("GET /v2 HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(16_000));
    assert_eq!(client.ask(&long).await.status, 200);
    // It does not come to its end: what is there is too much.
    client.send(format!("GET /v2 HTTP/1.1\r\nx: {}", "y".repeat(17_000))).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 431);
    client.ended().await;

    let mut client = house.connect().await;
    let headers = "x: y\r\n".repeat(101);
    assert_eq!(client.ask(&format!("GET /v2 HTTP/1.1\r\n{headers}\r\n")).await.status, 431);
}

/// Sends all of a body of 1 MiB but its last byte, with or without a word about its length. Gives the answer, if one comes
/// nevertheless.
async fn nearly_complete(house: &House, number: usize) -> (Client, Option<Answer>) {
    let mut client = house.connect().await;
    let (head, size) = match number % 2 {
        0 => ("content-length: 1048576", ""),
        _ => ("transfer-encoding: chunked", "100000\r\n"),
    };
    client.send(format!("POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{size}")).await;
    // Who is refused may be closed before all of it is sent.
    let _ = client.stream.write_all(&vec![b' '; (1 << 20) - 1]).await;
    let answer = tokio::time::timeout(MOMENT, client.answer()).await.ok().flatten();
    (client, answer)
}

#[tokio::test]
async fn bodies_that_are_not_sent_to_their_end_take_no_more_than_all_bodies_may() {
    let house = House::open(&["--body-limit=1MiB", "--body-memory=4MiB"], PATIENCE).await;
    for _ in 0..2 {
        let mut open = Vec::new();
        for number in 0..4 {
            let (client, answer) = nearly_complete(&house, number).await;
            assert_eq!(answer, None, "there is room");
            open.push(client);
        }
        for number in 0..4 {
            let (_, answer) = nearly_complete(&house, number).await;
            let answer = answer.expect("there is no room");
            assert_eq!(answer.status, 429, "{answer:?}");
            assert!(answer.head.contains("\r\nretry-after: 1\r\n"), "{answer:?}");
            assert_eq!(
                answer.body,
                r#"{"error":"the bodies of all requests take 4194300 bytes, TWOFOLD_BODY_MEMORY allows 4194304; try again in 1 s"}"#
            );
        }
        assert_eq!(house.connect().await.ask(LIVE).await.status, 200);
        // Half of them are sent to their end and answered, the others are broken off: all is given back.
        for (number, mut client) in open.into_iter().enumerate().take(2) {
            client.send(if number % 2 == 0 { " " } else { " \r\n0\r\n\r\n" }).await;
            assert_eq!(client.answer().await.unwrap().status, 400, "it is no JSON");
        }
    }
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

/// How many requests to the index ended with each status, as `(code, count)`.
async fn counted(house: &House) -> Vec<(String, u64)> {
    let metrics = house.connect().await.ask("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let series = r#"twofold_http_request_duration_seconds_count{route="/v2/repository/index",code=""#;
    let counts = metrics.body.lines().filter_map(|line| line.strip_prefix(series)?.split_once("\"} "));
    counts.map(|(code, count)| (code.to_owned(), count.parse().unwrap())).collect()
}

#[tokio::test]
async fn an_upload_that_is_broken_off_counts_as_hung_up_and_a_malformed_one_as_malformed() {
    const HEAD: &str = "POST /v2/repository/index HTTP/1.1\r\nhost: x\r\n";
    let house = House::open(&[], PATIENCE).await;
    for (number, begun) in [
        "content-length: 10\r\n\r\n{",
        "transfer-encoding: chunked\r\n\r\n5\r\n{}",
        "content-length: 10\r\n\r\n",
    ]
    .into_iter()
    .flat_map(|begun| [(false, begun), (true, begun)])
    .enumerate()
    {
        let (is_reset, begun) = begun;
        let mut client = house.connect().await;
        client.send(format!("{HEAD}{begun}")).await;
        if is_reset {
            client.stream.set_zero_linger().unwrap();
        }
        drop(client);
        let expected = [("499".to_owned(), number as u64 + 1)];
        let reached = async {
            while counted(&house).await != expected {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{begun:?}, reset: {is_reset}: {:?}", counted(&house).await);
    }
    let mut client = house.connect().await;
    let answer = client.ask(&format!("{HEAD}transfer-encoding: chunked\r\n\r\nno size\r\n")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.starts_with(r#"{"error":"the body cannot be read: "#), "{}", answer.body);
    assert_eq!(counted(&house).await, [("400".to_owned(), 1), ("499".to_owned(), 6)]);
}
