use crate::client::{get, send, start};
use axum::body::Body;
use axum::http::Request;
use twofold::{app::App, config::Config};

#[tokio::test]
async fn the_process_is_live_and_ready() {
    let live = get("/v2/health/live").await;
    assert_eq!((live.status, live.text()), (200, r#"{"live":true}"#));
    let ready = get("/v2/health/ready").await;
    assert_eq!((ready.status, ready.text()), (200, r#"{"ready":true}"#));
    assert_eq!(ready.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_is_live_but_not_ready_and_still_answers() {
    let app = App::start(&Config::parse(["server"], []).unwrap()).unwrap();
    app.withdraw();
    let get = |path: &str| send(app.router(), Request::get(path).body(Body::empty()).unwrap());
    let ready = get("/v2/health/ready").await;
    assert_eq!((ready.status, ready.text()), (503, r#"{"ready":false}"#));
    let live = get("/v2/health/live").await;
    assert_eq!((live.status, live.text()), (200, r#"{"live":true}"#));
    assert_eq!(get("/v2/models/digits").await.status, 200);
}

#[tokio::test]
async fn a_model_is_ready_by_name_and_by_version() {
    for path in ["/v2/models/digits/ready", "/v2/models/digits/versions/1/ready"] {
        let ready = get(path).await;
        assert_eq!((ready.status, ready.text()), (200, r#"{"name":"digits","ready":true}"#));
    }
}

#[tokio::test]
async fn a_model_that_could_not_be_loaded_is_not_ready() {
    let router = start(&["--models", "embedded:digits,dir:tests/models/partly_broken"]);
    let get = |path: &str| send(router.clone(), Request::get(path).body(Body::empty()).unwrap());
    let ready = get("/v2/models/truncated/ready").await;
    assert_eq!((ready.status, ready.text()), (503, r#"{"name":"truncated","ready":false}"#));
    let (status, message) = get("/v2/models/truncated").await.error();
    assert_eq!(status, 503);
    assert!(message.starts_with("model 'truncated' version 1 is not ready: "), "{message}");
}

#[tokio::test]
async fn what_there_is_not_is_404_by_name() {
    assert_eq!(get("/v2/models/nobody/ready").await.error(), (404, "no model 'nobody'".into()));
    for version in ["9", "01", "latest", "-1", "18446744073709551616"] {
        assert_eq!(
            get(&format!("/v2/models/digits/versions/{version}/ready")).await.error(),
            (404, format!("model 'digits' has no version '{version}'; it has 1"))
        );
    }
}
