use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::client::{post, send, start};

#[tokio::test]
async fn the_index_lists_every_version_with_an_empty_body_or_an_empty_object() {
    for body in ["", "{}", " {\"ready\": false} ", r#"{"other":[1,{"a":null}]}"#] {
        let answer = post("/v2/repository/index", body).await;
        assert_eq!(answer.status, 200, "{body}");
        let json = answer.json();
        let versions: Vec<_> = json
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["name"] == "versions")
            .map(|entry| entry["version"].as_str().unwrap())
            .collect();
        assert_eq!(versions, ["1", "2", "10"]);
        assert!(
            json.as_array()
                .unwrap()
                .contains(&json!({"name": "digits", "version": "1", "state": "READY", "reason": ""}))
        );
    }
}

#[tokio::test]
async fn a_broken_model_is_unavailable_with_its_reason_and_takes_no_other_down() {
    let router = start(&["--models", "dir:tests/models/partly_broken"]);
    let index = |body: &'static str| {
        send(router.clone(), Request::post("/v2/repository/index").body(Body::from(body)).unwrap())
    };
    let all = index("").await.json();
    let entry = |name: &str| -> Value {
        all.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap_or(&Value::Null).clone()
    };
    assert_eq!(entry("good")["state"], "READY");
    for (name, reason) in [
        ("truncated", "model.onnx"),
        ("unsupported", "TreeEnsembleClassifier"),
        ("unsupported", "MadeUp"),
        ("not_onnx", "model.onnx"),
        ("unknown_key", "colour"),
    ] {
        assert_eq!(entry(name)["state"], "UNAVAILABLE", "{name}");
        assert!(
            entry(name)["reason"].as_str().unwrap().contains(reason),
            "{name}: {}",
            entry(name)["reason"]
        );
    }
    let ready = index(r#"{"ready":true}"#).await.json();
    assert_eq!(ready.as_array().unwrap().len(), 1, "{ready}");
}

#[tokio::test]
async fn an_index_request_that_is_no_object_is_400() {
    assert_eq!(
        post("/v2/repository/index", "[]").await.error(),
        (400, "malformed JSON at byte 0: expected an index request, an object, got '['".into())
    );
    assert_eq!(
        post("/v2/repository/index", r#"{"ready":1}"#).await.error(),
        (400, "malformed JSON at byte 9: expected true or false, got '1'".into())
    );
}

#[tokio::test]
async fn loading_and_unloading_are_switched_off() {
    assert_eq!(
        post("/v2/repository/models/digits/load", "").await.error(),
        (403, "loading by the API is switched off; TWOFOLD_ADMIN=on switches it on".into())
    );
    assert_eq!(
        post("/v2/repository/models/digits/unload", "{}").await.error(),
        (403, "unloading by the API is switched off; TWOFOLD_ADMIN=on switches it on".into())
    );
}
