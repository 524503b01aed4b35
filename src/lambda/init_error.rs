//! Why a start failed, told to Lambda.

use std::time::Duration;

use axum::http::{Method, Request, Uri};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{BoxError, Client};
use serde_json::json;

/// The start itself may take ten seconds; what cannot be told in two is left to the log.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells the runtime API (`AWS_LAMBDA_RUNTIME_API`, host and port) why this environment cannot serve. Invocations then
/// fail with `message`; without it they would say that the runtime exited, and no more.
///
/// `kind` is a category and a reason, such as `Runtime.BrokenStart`. The process should exit afterwards. A report that
/// does not get through within two seconds is logged and given up: the exit is the stronger sign.
///
/// Source: "Initialization error" in AWS's "Using the Lambda runtime API for custom runtimes".
pub async fn report_init_error(runtime_api: &str, kind: &str, message: &str) {
    if let Err(reason) = report_within(PATIENCE, runtime_api, kind, message).await {
        tracing::warn!(runtime_api, %reason, "the runtime API did not take the init error");
    }
}

async fn report_within(patience: Duration, api: &str, kind: &str, message: &str) -> Result<(), BoxError> {
    tokio::time::timeout(patience, post(api, kind, message)).await?
}

async fn post(runtime_api: &str, kind: &str, message: &str) -> Result<(), BoxError> {
    let endpoint = Uri::builder().scheme("http").authority(runtime_api).path_and_query("/").build()?;
    let body = json!({ "errorMessage": message, "errorType": kind, "stackTrace": [] });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/2018-06-01/runtime/init/error")
        .header("content-type", "application/json")
        .header("lambda-runtime-function-error-type", kind)
        .body(Body::from(body.to_string()))?;
    let answer = Client::builder().with_endpoint(endpoint).build()?.call(request).await?;
    if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string().into()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Takes one connection, reads until the body's last byte and answers `status`, if any.
    async fn told(status: Option<&str>) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap().to_string();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
            }
            if let Some(status) = status {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            (String::from_utf8(received).unwrap(), stream)
        };
        let patience = Duration::from_millis(if status.is_some() { 10_000 } else { 100 });
        let report = report_within(patience, &api, "Runtime.BrokenStart", "no \"model\"");
        let (outcome, (received, _stream)) = tokio::join!(report, server);
        (outcome.map_err(|reason| reason.to_string()), received)
    }

    #[tokio::test]
    async fn the_reason_is_posted() {
        let (outcome, received) = told(Some("202 Accepted")).await;
        assert_eq!(outcome, Ok(()));
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /2018-06-01/runtime/init/error HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nlambda-runtime-function-error-type: Runtime.BrokenStart\r\n"), "{head}");
        assert_eq!(
            body,
            r#"{"errorMessage":"no \"model\"","errorType":"Runtime.BrokenStart","stackTrace":[]}"#
        );
    }

    #[tokio::test]
    async fn a_runtime_api_that_does_not_listen_is_given_up() {
        assert_eq!(told(Some("403 Forbidden")).await.0, Err("403 Forbidden".to_owned()));
        assert_eq!(told(None).await.0, Err("deadline has elapsed".to_owned()));
        for nowhere in ["127.0.0.1:1", "no host", ""] {
            assert!(report_within(PATIENCE, nowhere, "Runtime.BrokenStart", "").await.is_err(), "{nowhere}");
        }
    }
}
