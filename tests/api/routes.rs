use axum::body::Body;
use axum::http::{Method, Request};

use crate::client::{get, post, router, send};

#[tokio::test]
async fn a_path_that_there_is_not_is_404() {
    assert_eq!(get("/").await.error(), (404, "no such path: '/'".into()));
    assert_eq!(get("/v1/models/digits").await.error(), (404, "no such path: '/v1/models/digits'".into()));
    assert_eq!(get("/v2/models").await.error(), (404, "no such path: '/v2/models'".into()));
    let long = format!("/{}", "x".repeat(100));
    assert_eq!(get(&long).await.error(), (404, format!("no such path: '/{}…'", "x".repeat(63))));
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_405_and_says_which_it_has() {
    let cases = [
        (Method::POST, "/v2/health/live", "GET,HEAD"),
        (Method::DELETE, "/v2/models/digits", "GET,HEAD"),
        (Method::GET, "/v2/models/digits/infer", "POST"),
        (Method::GET, "/v2/models/digits/versions/1/infer", "POST"),
        (Method::GET, "/v2/repository/index", "POST"),
        (Method::PUT, "/metrics", "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).unwrap();
        let answer = send(router(), request).await;
        assert_eq!(answer.error(), (405, format!("'{path}' does not take '{method}'")));
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_400() {
    let (status, message) = get("/v2/models/%ff/ready").await.error();
    assert_eq!(status, 400);
    assert!(message.starts_with("path: "), "{message}");
    assert_eq!(post("/v2/models/%ff/infer", "{}").await.status, 400);
}

#[tokio::test]
async fn a_name_is_decoded_once() {
    assert_eq!(get("/v2/models/%64igits/ready").await.status, 200);
    assert_eq!(get("/v2/models/%2564igits/ready").await.error(), (404, "no model '%64igits'".into()));
    assert_eq!(get("/v2/models/a%2Fb/ready").await.error(), (404, "no model 'a/b'".into()));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let request = Request::head("/v2/models/digits").body(Body::empty()).unwrap();
    let answer = send(router(), request).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}
