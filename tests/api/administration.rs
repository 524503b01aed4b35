//! Loading, reloading and unloading by the repository API.

use std::fs;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tempfile::TempDir;

use crate::client::{Answer, send, start};

/// A repository that a test may change, and a server of it.
fn served(models: &[(&str, &str)]) -> (TempDir, Router) {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in models {
        put(&folder, from, to);
    }
    let reference = format!("dir:{}", folder.path().display());
    let router = start(&["--models", &reference, "--admin", "on"]);
    (folder, router)
}

fn put(folder: &TempDir, from: &str, to: &str) {
    let target = folder.path().join(to);
    fs::create_dir_all(&target).unwrap();
    fs::copy(Path::new("tests/models").join(from), target.join("model.onnx")).unwrap();
}

const ONE: &str = "repository/versions/1/model.onnx";
const TWO: &str = "repository/versions/2/model.onnx";
const TEN: &str = "repository/versions/10/model.onnx";

async fn post(router: &Router, path: &str, body: &'static str) -> Answer {
    send(router.clone(), Request::post(path).body(Body::from(body)).unwrap()).await
}

/// What the newest version adds to zero, and its number.
async fn newest(router: &Router) -> (f64, String) {
    let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[0]}]}"#;
    let answer = post(router, "/v2/models/m/infer", body).await.json();
    (answer["outputs"][0]["data"][0].as_f64().unwrap(), answer["model_version"].as_str().unwrap().to_owned())
}

/// What this version adds to zero.
async fn version(router: &Router, version: &str) -> String {
    let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[0]}]}"#;
    let answer = post(router, &format!("/v2/models/m/versions/{version}/infer"), body).await.json();
    answer["outputs"][0]["data"][0].to_string()
}

async fn index(router: &Router) -> Vec<(String, String, String)> {
    let answer = post(router, "/v2/repository/index", "").await.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = answer.as_array().unwrap().iter();
    entries.map(|entry| (text(&entry["version"]), text(&entry["state"]), text(&entry["reason"]))).collect()
}

fn entry(version: &str, state: &str, reason: &str) -> (String, String, String) {
    (version.to_owned(), state.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn loading_picks_up_new_versions_and_drops_those_that_are_gone() {
    let (folder, router) = served(&[(ONE, "m/1")]);
    assert_eq!(newest(&router).await, (1.0, "1".into()));
    put(&folder, TEN, "m/10");
    fs::remove_dir_all(folder.path().join("m/1")).unwrap();
    assert_eq!(newest(&router).await, (1.0, "1".into()), "nothing changes by itself");

    let loaded = post(&router, "/v2/repository/models/m/load", "").await;
    assert_eq!((loaded.status, loaded.body.len()), (200, 0), "{}", loaded.text());
    assert_eq!(newest(&router).await, (10.0, "10".into()));
    assert_eq!(index(&router).await, [entry("10", "READY", "")]);
}

#[tokio::test]
async fn a_load_that_fails_changes_nothing_of_what_is_served() {
    let (folder, router) = served(&[(ONE, "m/1"), (TWO, "m/2")]);
    fs::write(folder.path().join("m/2/model.onnx"), "no longer a model").unwrap();
    put(&folder, TEN, "m/1");
    let (status, message) = post(&router, "/v2/repository/models/m/load", "{}").await.error();
    assert_eq!(status, 400);
    assert!(
        message
            .starts_with("model 'm' could not be loaded: version 2: model.onnx is not a whole ONNX file: ")
    );
    assert_eq!(newest(&router).await, (2.0, "2".into()));
    assert_eq!(version(&router, "1").await, "1.0", "the new version 1, without the new version 2");
    assert_eq!(index(&router).await, [entry("1", "READY", ""), entry("2", "READY", "")]);
}

#[tokio::test]
async fn versions_that_a_failed_load_would_have_added_say_why_they_are_not_there() {
    let (folder, router) = served(&[(ONE, "m/1")]);
    put(&folder, TWO, "m/2");
    put(&folder, TEN, "m/10");
    fs::write(folder.path().join("m/10/model.onnx"), "not a model").unwrap();
    fs::remove_dir_all(folder.path().join("m/1")).unwrap();
    let (status, message) = post(&router, "/v2/repository/models/m/load", "").await.error();
    assert_eq!(status, 400);
    let reason = message.strip_prefix("model 'm' could not be loaded: version 10: ").unwrap().to_owned();
    assert_eq!(newest(&router).await, (1.0, "1".into()));
    let expected = [
        entry("1", "READY", ""),
        entry("2", "UNAVAILABLE", "not loaded, since version 10 could not be"),
        entry("10", "UNAVAILABLE", &reason),
    ];
    assert_eq!(index(&router).await, expected);

    // One that is out of service is left there, and one that is healed comes with the others.
    assert_eq!(post(&router, "/v2/repository/models/m/unload", "").await.status, 200);
    assert_eq!(post(&router, "/v2/repository/models/m/load", "").await.status, 400);
    assert_eq!(index(&router).await[0], entry("1", "UNAVAILABLE", "unloaded"));
    assert_eq!(index(&router).await[1..], expected[1..]);
    put(&folder, TEN, "m/10");
    assert_eq!(post(&router, "/v2/repository/models/m/load", "").await.status, 200);
    assert_eq!(index(&router).await, [entry("2", "READY", ""), entry("10", "READY", "")]);
}

#[tokio::test]
async fn a_model_whose_reference_cannot_be_read_serves_on() {
    let (folder, router) = served(&[(ONE, "m/1")]);
    fs::remove_dir_all(folder.path()).unwrap();
    let (status, message) = post(&router, "/v2/repository/models/m/load", "").await.error();
    assert_eq!(status, 400, "{message}");
    assert!(message.starts_with("model 'm' could not be loaded: dir:"), "{message}");
    assert_eq!(newest(&router).await, (1.0, "1".into()));
}

#[tokio::test]
async fn an_unloaded_model_is_unavailable_until_it_is_loaded_again() {
    let (_folder, router) = served(&[(ONE, "m/1"), (TWO, "other/1")]);
    let unloaded =
        post(&router, "/v2/repository/models/m/unload", r#"{"parameters":{"unload_dependents":false}}"#);
    assert_eq!(unloaded.await.status, 200);
    let refused = post(&router, "/v2/models/m/infer", "{}").await;
    assert_eq!(refused.error(), (503, "model 'm' version 1 is not ready: unloaded".into()));
    assert_eq!(index(&router).await[0], entry("1", "UNAVAILABLE", "unloaded"));
    let metrics = send(router.clone(), Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert!(metrics.text().contains("twofold_models_loaded 1\n"), "{}", metrics.text());
    assert!(!metrics.text().contains("model=\"m\""), "{}", metrics.text());

    assert_eq!(post(&router, "/v2/repository/models/m/load", "").await.status, 200);
    assert_eq!(newest(&router).await, (1.0, "1".into()));
}

#[tokio::test]
async fn what_there_is_not_is_404_and_what_is_not_offered_400() {
    let (_folder, router) = served(&[(ONE, "m/1")]);
    assert_eq!(
        post(&router, "/v2/repository/models/nobody/load", "").await.error(),
        (404, "no reference holds a model 'nobody'".into())
    );
    assert_eq!(
        post(&router, "/v2/repository/models/nobody/unload", "").await.error(),
        (404, "no model 'nobody'".into())
    );
    for parameter in ["config", "file:1/model.onnx"] {
        let body = format!(r#"{{"parameters":{{"{parameter}":"x"}}}}"#);
        assert_eq!(
            post(&router, "/v2/repository/models/m/load", body.leak()).await.error(),
            (400, format!("parameter '{parameter}' is not offered: a model is what its package says"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_while_a_model_is_loaded_and_unloaded() {
    let (_folder, router) = served(&[(ONE, "m/1")]);
    let requests = tokio::spawn({
        let router = router.clone();
        async move {
            let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[0]}]}"#;
            let mut answered = [0, 0];
            for _ in 0..2000 {
                match post(&router, "/v2/models/m/infer", body).await.status {
                    200 => answered[0] += 1,
                    503 => answered[1] += 1,
                    other => panic!("{other}"),
                }
                tokio::task::yield_now().await;
            }
            answered
        }
    });
    for _ in 0..50 {
        assert_eq!(post(&router, "/v2/repository/models/m/load", "").await.status, 200);
    }
    let answered = requests.await.unwrap();
    assert_eq!(answered, [2000, 0], "a reload refused requests");
}
