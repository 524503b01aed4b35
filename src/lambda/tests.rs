//! Events in, payloads out, through a router of the test's own.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::Context;
use serde_json::{Value, json};

use super::*;

async fn echo_target(request: Request) -> String {
    request.uri().to_string()
}

fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "host": "id.lambda-url.eu-central-1.on.aws", "x-forwarded-proto": "https" },
        "requestContext": {
            "stage": "$default", "domainName": "id.lambda-url.eu-central-1.on.aws",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1" },
        },
        "isBase64Encoded": false,
    })
}

async fn invoke(router: Router, event: Value) -> Value {
    let payload = serde_json::from_value::<LambdaRequest>(event).unwrap();
    let mut context = Context::default();
    context.request_id = "invocation".to_owned();
    let answer = Function::new(router).call(LambdaEvent::new(payload, context)).await.unwrap();
    serde_json::from_str(answer.get()).unwrap()
}

async fn target_of(stage: &str, path: &str, query: &str) -> String {
    let mut event = event("GET", path);
    event["requestContext"]["stage"] = stage.into();
    event["rawQueryString"] = query.into();
    let answer = invoke(Router::new().fallback(echo_target), event).await;
    answer["body"].as_str().unwrap().to_owned()
}

/// One answer for everything: `headers`, then `body`.
fn fixed(status: u16, headers: &[(&'static str, &[u8])], body: impl Into<Body>) -> Router {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let response = std::sync::Arc::new(std::sync::Mutex::new(Some(response)));
    Router::new().fallback(move || async move { response.lock().unwrap().take().unwrap() })
}

fn body_of(answer: &Value) -> Vec<u8> {
    let body = answer["body"].as_str().unwrap_or_default();
    if answer["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() }
}

#[tokio::test]
async fn the_path_is_the_clients_own() {
    for path in [
        "/",
        "//",
        "/v2//models",
        "/v2/models/a%2Fb/infer",
        "/v2/models/%C3%A9",
        "/v2/models/x/../y",
        "/v2/./models",
        "/v2/models/%2e%2e/x",
        "/v2/",
        "/v2/models/a+b",
        "/v2/models/a:b@c",
        "/%",
        "/%zz",
        "/a{b}",
    ] {
        assert_eq!(target_of("$default", path, "").await, path);
    }
    assert_eq!(target_of("$default", "/v2", "a=1&b=%20&c=x/../y").await, "/v2?a=1&b=%20&c=x/../y");
}

#[tokio::test]
async fn a_decoded_path_is_encoded_again() {
    for (decoded, path) in [
        ("", "/"),
        ("/v2/models/a b", "/v2/models/a%20b"),
        ("/v2/models/a?b", "/v2/models/a%3Fb"),
        ("/v2/models/a#b", "/v2/models/a%23b"),
        ("/v2/models/\u{7f}", "/v2/models/%7F"),
    ] {
        assert_eq!(target_of("$default", decoded, "q=1").await, format!("{path}?q=1"));
    }
}

#[tokio::test]
async fn a_named_stage_is_no_part_of_the_path() {
    for (stage, sent, path) in [
        ("prod", "/prod/v2/health/live", "/v2/health/live"),
        ("prod", "/prod", "/"),
        ("prod", "/prod/", "/"),
        ("prod", "/v2/health/live", "/v2/health/live"),
        ("prod", "/production/v2", "/production/v2"),
        ("$default", "/prod/v2", "/prod/v2"),
        ("v2", "/v2/v2", "/v2"),
    ] {
        assert_eq!(target_of(stage, sent, "").await, path, "stage {stage}, path {sent}");
    }
}

#[tokio::test]
async fn binary_bodies_survive() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let texts: [(&[u8], &[u8]); 7] = [
        (b"application/json", &every_byte),
        (b"application/octet-stream", b"text"),
        (b"text/plain; charset=iso-8859-1", b"\xe9"),
        (b"application/json", b"\xef\xbb\xbf{}"),
        (b"application/json", b"\xff\xfe{\0}\0"),
        (b"application/problem+json; charset=\"UTF-8\"", "é\0\n\"\\".as_bytes()),
        (b"text/plain", b"\0\0\0\0"),
    ];
    for (content_type, body) in texts {
        let answer =
            invoke(fixed(200, &[("content-type", content_type)], body.to_vec()), event("GET", "/")).await;
        assert_eq!(body_of(&answer), body, "{answer}");
        assert_eq!(answer["headers"]["content-length"], body.len().to_string());
    }
}

#[tokio::test]
async fn json_is_text_and_what_is_compressed_is_not() {
    let json: (&str, &[u8]) = ("content-type", b"application/json");
    let answer = invoke(fixed(200, &[json], "{\"a\":1}"), event("GET", "/")).await;
    assert_eq!((&answer["isBase64Encoded"], &answer["body"]), (&json!(false), &json!("{\"a\":1}")));
    let answer = invoke(fixed(200, &[json, ("content-encoding", b"gzip")], "{}"), event("GET", "/")).await;
    assert_eq!((&answer["isBase64Encoded"], &answer["body"]), (&json!(true), &json!("e30=")));
}

#[tokio::test]
async fn a_body_without_a_type_is_octets() {
    let answer = invoke(fixed(200, &[], vec![0xff, 0xfe]), event("GET", "/")).await;
    assert_eq!(answer["headers"]["content-type"], "application/octet-stream");
    assert_eq!(body_of(&answer), [0xff, 0xfe]);
    let answer = invoke(fixed(200, &[], ""), event("GET", "/")).await;
    assert_eq!(answer["headers"], json!({ "content-length": "0" }));
    assert_eq!(answer["body"], Value::Null);
}

#[tokio::test]
async fn what_has_no_body_on_the_wire_has_none_here() {
    let answer = invoke(Router::new().route("/", get(|| async { "text" })), event("HEAD", "/")).await;
    assert_eq!((&answer["body"], &answer["headers"]["content-length"]), (&Value::Null, &json!("4")));
    let answer = invoke(fixed(404, &[], "nothing here"), event("HEAD", "/")).await;
    assert_eq!((&answer["body"], &answer["headers"]["content-length"]), (&Value::Null, &json!("12")));
    for status in [204, 304] {
        let answer = invoke(fixed(status, &[], "text"), event("GET", "/")).await;
        assert_eq!(
            (&answer["statusCode"], &answer["body"], &answer["headers"]),
            (&json!(status), &Value::Null, &json!({}))
        );
    }
}

#[tokio::test]
async fn headers_leave_as_json_can_say_them() {
    let headers: [(&str, &[u8]); 5] = [
        ("vary", b"accept"),
        ("vary", b"origin"),
        ("x-odd", b"\xe9"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
    ];
    let answer = invoke(fixed(200, &headers, "x"), event("GET", "/")).await;
    assert_eq!(answer["headers"]["vary"], "accept, origin");
    assert_eq!(answer["headers"]["x-odd"], "\u{fffd}");
    assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
}

#[tokio::test]
async fn the_request_id_is_the_clients_or_the_invocations() {
    let router = || {
        Router::new().fallback(|h: HeaderMap| async move { h["x-request-id"].to_str().unwrap().to_owned() })
    };
    assert_eq!(invoke(router(), event("GET", "/")).await["body"], "invocation");
    let mut given = event("GET", "/");
    given["headers"]["x-request-id"] = "mine".into();
    assert_eq!(invoke(router(), given).await["body"], "mine");
}

#[tokio::test]
async fn request_bodies_arrive_as_they_were() {
    let router =
        || Router::new().route("/", post(|body: axum::body::Bytes| async move { STANDARD.encode(body) }));
    for (body, base64, bytes) in
        [("AP+A", true, &b"\0\xff\x80"[..]), ("AP+A", false, &b"AP+A"[..]), ("é\n", false, "é\n".as_bytes())]
    {
        let mut event = event("POST", "/");
        event["body"] = body.into();
        event["isBase64Encoded"] = base64.into();
        assert_eq!(invoke(router(), event).await["body"], STANDARD.encode(bytes));
    }
}

#[tokio::test]
async fn the_host_is_whatever_it_is() {
    let router = || {
        Router::new()
            .fallback(|headers: HeaderMap| async move { headers["host"].to_str().unwrap().to_owned() })
    };
    for host in ["example.org", "no host", "[", "1.2.3.4.5", ""] {
        let mut event = event("GET", "/");
        event["headers"]["host"] = host.into();
        event["headers"]["x-forwarded-proto"] = "1".into();
        event["requestContext"]["domainName"] = host.into();
        assert_eq!(invoke(router(), event).await["body"].as_str().unwrap_or_default(), host);
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_is_a_400() {
    let mut events = [event("POST", "/"), event("GET", "/"), event("GET", "/")];
    events[0]["body"] = "not base64!".into();
    events[0]["isBase64Encoded"] = true.into();
    events[1]["rawQueryString"] = "a b".into();
    events[2]["rawPath"] = "/x".repeat(40_000).into();
    let reasons = ["the body is not base64", "invalid uri character", "uri too long"];
    for (event, reason) in events.into_iter().zip(reasons) {
        let answer = invoke(Router::new().fallback(echo_target), event).await;
        assert_eq!(answer["statusCode"], 400);
        assert_eq!(
            answer["body"],
            json!({ "error": format!("the event cannot be read as an HTTP request: {reason}") }).to_string()
        );
        assert_eq!(answer["headers"]["x-request-id"], "invocation");
    }
}

/// The largest body that fits is answered, one byte more is refused; as text, as text of escapes, and as base64.
#[tokio::test]
async fn an_answer_beyond_the_limit_is_a_413_that_says_so() {
    for (content_type, byte, per_byte) in [
        ("application/json", b'a', (1, 1)),
        ("application/octet-stream", 0, (4, 3)),
        ("text/plain", b'"', (4, 3)),
    ] {
        let answer = |length: usize| {
            let headers = [("content-type", content_type.as_bytes())];
            let router = fixed(200, &headers, vec![byte; length]);
            async move {
                let payload = serde_json::from_value::<LambdaRequest>(event("GET", "/")).unwrap();
                Function::new(router).call(LambdaEvent::new(payload, Context::default())).await.unwrap()
            }
        };
        let envelope = answer(3_999_999).await.get().len() - 3_999_999 * per_byte.0 / per_byte.1;
        // The length in content-length keeps its seven digits, so that the envelope keeps its size.
        let largest = (payload::LIMIT - envelope) / per_byte.0 * per_byte.1;
        let fits = answer(largest).await;
        assert!(fits.get().contains("\"statusCode\":200"), "{content_type}: {largest} should fit");
        assert!(fits.get().len() > payload::LIMIT - per_byte.0, "{content_type}: {}", fits.get().len());
        let refused: Value = serde_json::from_str(answer(largest + 3).await.get()).unwrap();
        assert_eq!(refused["statusCode"], 413);
        let error: Value = serde_json::from_str(refused["body"].as_str().unwrap()).unwrap();
        let error = error["error"].as_str().unwrap();
        assert!(error.starts_with("the answer takes 62915"), "{error}");
        assert!(error.contains("allows 6291556: ask for fewer rows or fewer outputs"), "{error}");
    }
}

struct BrokenOff;

impl http_body::Body for BrokenOff {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into())))
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_500() {
    let answer =
        invoke(fixed(200, &[("content-encoding", b"gzip")], Body::new(BrokenOff)), event("GET", "/")).await;
    assert_eq!(
        (&answer["statusCode"], &answer["body"]),
        (&json!(500), &json!(r#"{"error":"internal error"}"#))
    );
    assert_eq!(answer["headers"], json!({ "content-type": "application/json", "content-length": "26" }));
}
