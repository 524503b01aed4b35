//! The built server while its models are still being loaded.

use std::net::TcpListener;
use std::time::Duration;

use crate::client::{Client, LIVE};
use crate::process::Process;

const READY: &str = "GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n";
const INFER: &str = "POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

/// A server whose second model is in a registry that takes the question and never answers.
fn waiting() -> (TcpListener, Process) {
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let models =
        format!("--models=embedded:digits,late=oci://{}/late@{digest}", registry.local_addr().unwrap());
    let server = Process::start(&[&models, "--drain=0s"], None);
    (registry, server)
}

#[tokio::test]
async fn a_long_start_is_alive_and_not_ready() {
    let (_registry, server) = waiting();
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.ask(LIVE).await.status, 200);
    let ready = client.ask(READY).await;
    assert_eq!((ready.status, &*ready.body), (503, r#"{"ready":false}"#));
    let answer = client.ask(INFER).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (503, r#"{"error":"model 'digits' is not ready: models are still being loaded"}"#)
    );
}

#[tokio::test]
async fn a_signal_ends_a_long_start() {
    // At any time: before anything is served, and after.
    for pause in [Duration::ZERO, Duration::from_millis(1200)] {
        let (_registry, mut server) = waiting();
        tokio::time::sleep(pause).await;
        server.signal("TERM");
        assert_eq!(server.ended(), 0, "{}", server.log());
    }
}

#[tokio::test]
async fn a_long_start_that_fails_ends_the_server() {
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = registry.local_addr().unwrap();
    let models = format!("--models=late=oci://{address}/late@sha256:{}", "0".repeat(64));
    let mut server = Process::start(&[&models], None);
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.ask(READY).await.status, 503);
    // Every try is refused from now on.
    drop(registry);
    assert_eq!(server.ended(), 1);
    let log = server.log();
    assert!(log.contains("TWOFOLD_MODELS: no model is ready"), "{log}");
}
