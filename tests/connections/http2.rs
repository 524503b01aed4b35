//! HTTP/2: a client, and what one connection may take.

use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::{MOMENT, PATIENCE};
use crate::house::House;

type Sender = http2::SendRequest<Empty<Bytes>>;
type Connection = JoinHandle<hyper::Result<()>>;

pub(crate) async fn http2(house: &House) -> (Sender, Connection) {
    connect(house, &http2::Builder::new(TokioExecutor::new())).await
}

async fn connect(house: &House, settings: &http2::Builder<TokioExecutor>) -> (Sender, Connection) {
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (sender, connection) = settings.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://x{path}")).body(Empty::new()).unwrap()
}

pub(crate) async fn get(sender: &mut Sender, path: &str) -> hyper::Result<(StatusCode, bool, Bytes)> {
    sender.ready().await?;
    let (parts, body) = sender.send_request(request(path)).await?.into_parts();
    Ok((parts.status, parts.headers.contains_key("connection"), body.collect().await?.to_bytes()))
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_connection_whatever_else_moves_on_it() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let house = House::open(&["--body-timeout=400ms"], PATIENCE).await;
    let mut settings = http2::Builder::new(TokioExecutor::new());
    // Room for a little of each answer: then the protocol takes all of it over.
    settings.initial_stream_window_size(1024);
    let (mut sender, connection) = connect(&house, &settings).await;
    let since = Instant::now();
    while since.elapsed() < 3 * TIMEOUT {
        get(&mut sender, "/v2/health/live").await.expect("all answers are taken");
    }

    let since = Instant::now();
    let stalled = sender.send_request(request("/big")).await.unwrap();
    while get(&mut sender, "/v2/health/live").await.is_ok() {
        assert!(since.elapsed() < 5 * TIMEOUT, "one answer waits for ever");
    }
    assert!(since.elapsed() >= TIMEOUT, "{:?}", since.elapsed());
    assert!(connection.await.unwrap().is_err());
    drop(stalled);
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_refused_and_its_connection_goes_on() {
    let house = House::open(&[], PATIENCE).await;
    let (mut sender, _connection) = http2(&house).await;
    let with = |length: usize| {
        let mut request = request("/v2/health/live");
        request.headers_mut().insert("x", "y".repeat(length).parse().unwrap());
        request
    };
    assert_eq!(sender.send_request(with(15_000)).await.unwrap().status(), StatusCode::OK);
    sender.ready().await.unwrap();
    let refused = sender.send_request(with(17_000)).await;
    assert!(
        refused.as_ref().is_ok_and(|answer| answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        "{refused:?}"
    );
    assert_eq!(get(&mut sender, "/v2/health/live").await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_works_on_a_hundred_requests_at_once() {
    let house = House::open(&[], PATIENCE).await;
    let (mut sender, _connection) = http2(&house).await;
    assert_eq!(get(&mut sender, "/v2/health/live").await.unwrap().0, StatusCode::OK);
    let requests: Vec<_> = (0..150).map(|_| tokio::spawn(sender.send_request(request("/held")))).collect();
    house.holds(100).await;
    tokio::time::sleep(MOMENT).await;
    house.holds(100).await;
    house.gate.add_permits(requests.len());
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}
