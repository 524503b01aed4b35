//! A request over a TCP connection of its own, header by header as it is written down.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::Answer;
use super::call::Call;

pub async fn send(address: SocketAddr, call: &Call) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(call.method).uri(&call.target);
    request = request.header("host", address.to_string());
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    if let Some(length) = content_length(call) {
        request = request.header("content-length", length);
    }
    let request = request.body(Full::new(Bytes::from(call.body.clone()))).unwrap();
    let response =
        sender.send_request(request).await.unwrap_or_else(|error| panic!("{}: {error}", call.name));
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    drop(sender);
    // A server that closes early is no fault of the answer.
    let _ = connection.await;
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    Answer::new(head.status.as_u16(), headers, body)
}

/// What a client says of the body's length: nothing where there is none, unless it posts.
pub fn content_length(call: &Call) -> Option<String> {
    let has_length = !call.body.is_empty() || matches!(call.method, "POST" | "PUT" | "PATCH");
    has_length.then(|| call.body.len().to_string())
}
