//! The function's process against a runtime API of the test's own: what it asks, what it tells, how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Longer than any start takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the function posted: the path, the type of the error if it is one, and the body.
#[derive(Debug)]
struct Posted {
    path: String,
    kind: Option<String>,
    body: Value,
}

/// Lambda's side.
struct Platform {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Bytes>,
    posted: mpsc::UnboundedReceiver<Posted>,
}

impl Platform {
    async fn start() -> Self {
        let (events, queue) = mpsc::unbounded_channel::<Bytes>();
        let (told, posted) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let next = move || async move {
            let event = queue.lock().await.recv().await.unwrap();
            let headers = [
                ("lambda-runtime-aws-request-id", "invocation-1"),
                ("lambda-runtime-deadline-ms", "9999999999999"),
            ];
            (headers, event)
        };
        let post_back = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let kind = headers
                .get("lambda-runtime-function-error-type")
                .map(|kind| kind.to_str().unwrap().to_owned());
            told.send(Posted {
                path: uri.path().to_owned(),
                kind,
                body: serde_json::from_slice(&body).unwrap(),
            })
            .unwrap();
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .fallback_service(Router::new().fallback(post_back));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, events, posted }
    }

    /// Starts the function with what Lambda sets, changed by `variables`; an empty value unsets.
    fn function(&self, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda"));
        command.env_clear().envs([
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "digits"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ]);
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    async fn posted(&mut self) -> Posted {
        tokio::time::timeout(PATIENCE, self.posted.recv()).await.unwrap().unwrap()
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn event(method: &str, path: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("events/function-url.json")).unwrap();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    event
}

async fn ended(child: Child) -> (i32, String, String) {
    let wait = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_model_is_there_before_the_first_event_is_asked_for() {
    let mut platform = Platform::start().await;
    let _function = Running(platform.function(&[]));
    platform.events.send(event("GET", "/v2/models/digits/ready").to_string().into()).unwrap();
    let posted = platform.posted().await;
    assert_eq!(posted.path, "/2018-06-01/runtime/invocation/invocation-1/response");
    assert_eq!(posted.body["statusCode"], 200);
    assert_eq!(posted.body["body"], r#"{"name":"digits","ready":true}"#);
    assert_eq!(posted.body["headers"]["x-request-id"], "invocation-1");
}

#[tokio::test]
async fn what_is_no_event_is_an_error_and_the_next_one_is_answered() {
    let mut platform = Platform::start().await;
    let _function = Running(platform.function(&[]));
    let mut no_base64 = event("POST", "/v2/models/digits/infer");
    no_base64["isBase64Encoded"] = true.into();
    no_base64["body"] = "no base64!".into();
    let odd: [&[u8]; 8] = [
        b"",
        b"{}",
        b"null",
        b"garbage",
        b"\xff",
        b"[[[[",
        br#"{"version":"1.0","httpMethod":"GET","path":"/v2"}"#,
        &[b'['; 5000],
    ];
    for odd in odd {
        platform.events.send(Bytes::from_static(odd.to_vec().leak())).unwrap();
        let posted = platform.posted().await;
        assert_eq!(posted.path, "/2018-06-01/runtime/invocation/invocation-1/error", "{posted:?}");
        assert_eq!(posted.kind.as_deref(), Some("unhandled"));
    }
    platform.events.send(no_base64.to_string().into()).unwrap();
    assert_eq!(platform.posted().await.body["statusCode"], 400);
    platform.events.send(event("GET", "/v2/health/live").to_string().into()).unwrap();
    assert_eq!(platform.posted().await.body["body"], r#"{"live":true}"#);
}

#[tokio::test]
async fn a_broken_start_is_posted_and_exits_1() {
    let mut platform = Platform::start().await;
    let function = platform.function(&[("TWOFOLD_MODELS", "dir:/nothing/here")]);
    let posted = platform.posted().await;
    assert_eq!(posted.path, "/2018-06-01/runtime/init/error");
    assert_eq!(posted.kind.as_deref(), Some("Runtime.BrokenStart"));
    let message = posted.body["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("TWOFOLD_MODELS: "), "{message}");
    assert_eq!(
        posted.body,
        json!({ "errorMessage": message, "errorType": "Runtime.BrokenStart", "stackTrace": [] })
    );
    let (code, log, _) = ended(function).await;
    assert_eq!(code, 1);
    assert!(log.contains("TWOFOLD_MODELS: "), "{log}");
}

#[tokio::test]
async fn a_refused_setting_is_posted_and_exits_64() {
    let mut platform = Platform::start().await;
    let function = platform.function(&[("TWOFOLD_NONSENSE", "1")]);
    let posted = platform.posted().await;
    assert_eq!(posted.path, "/2018-06-01/runtime/init/error");
    assert_eq!(posted.kind.as_deref(), Some("Runtime.RefusedSetting"));
    let (code, _, said) = ended(function).await;
    assert_eq!(posted.body["errorMessage"], said.trim_end());
    assert!(said.starts_with("TWOFOLD_NONSENSE: "), "{said}");
    assert_eq!(code, 64);
}

#[tokio::test]
async fn outside_lambda_it_says_so_and_exits_64() {
    let platform = Platform::start().await;
    for missing in [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    ] {
        let (code, _, said) = ended(platform.function(&[(missing, "")])).await;
        assert_eq!(code, 64, "{said}");
        assert_eq!(
            said,
            format!("{missing}: not set: this binary is started by AWS Lambda; elsewhere, start `server`\n")
        );
    }
    let (code, _, said) = ended(platform.function(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "many")])).await;
    assert_eq!(
        (code, said.as_str()),
        (64, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 'many' is refused: expected a number of MB\n")
    );
}

#[tokio::test]
async fn a_runtime_api_that_is_not_there_ends_the_process() {
    let platform = Platform::start().await;
    let (code, log, _) = ended(platform.function(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")])).await;
    assert_eq!(code, 1, "{log}");
}
