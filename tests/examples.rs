//! The models that ship as examples, against ONNX Runtime's answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::sync::OnceLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;
use twofold::app::App;
use twofold::config::Config;

async fn infer(model: &str, inputs: Value) -> (u16, Value) {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    let router = ROUTER.get_or_init(|| {
        let arguments = ["server", "--models", "dir:models/cnn,dir:models/encoder,dir:models/parcels"];
        App::start(&Config::parse(arguments, []).unwrap()).unwrap().router()
    });
    let body = json!({"inputs": inputs}).to_string();
    let request = Request::post(format!("/v2/models/{model}/infer")).body(Body::from(body)).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

fn expected(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// All numbers in nested lists.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// The shape of nested lists.
fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(values) => [vec![values.len()], values.first().map(shape).unwrap_or_default()].concat(),
        _ => vec![],
    }
}

fn assert_close(answer: &Value, expected: &Value) {
    let output = &answer["outputs"][0];
    assert_eq!(output["shape"], json!(shape(expected)), "{answer}");
    for (got, expected) in flat(&output["data"]).iter().zip(flat(expected)) {
        assert!((got - expected).abs() <= 1e-5, "{got} {expected}");
    }
}

fn input(name: &str, datatype: &str, data: &Value) -> Value {
    json!({"name": name, "datatype": datatype, "shape": shape(data), "data": data})
}

#[tokio::test]
async fn the_cnn_answers_as_onnx_runtime_does() {
    let expected = expected("models/cnn/expected.json");
    let (status, answer) = infer("cnn", json!([input("image", "FP32", &expected["image"])])).await;
    assert_eq!(status, 200, "{answer}");
    assert_close(&answer, &expected["probabilities"]);
}

#[tokio::test]
async fn the_encoder_answers_as_onnx_runtime_does_at_any_length() {
    let cases = expected("models/encoder/expected.json");
    assert_eq!(cases.as_array().unwrap().len(), 4);
    for case in cases.as_array().unwrap() {
        let inputs = json!([
            input("attention_mask", "INT64", &case["attention_mask"]),
            input("input_ids", "INT64", &case["input_ids"])
        ]);
        let (status, answer) = infer("encoder", inputs).await;
        assert_eq!(status, 200, "{answer}");
        assert_close(&answer, &case["sentence_embedding"]);
    }
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_refused_by_name() {
    let ids = json!([[1, 2, 3]]);
    let cases = [
        (
            json!([input("input_ids", "FP32", &ids), input("attention_mask", "INT64", &ids)]),
            "input 'input_ids': expected INT64, got FP32",
        ),
        (
            json!([input("input_ids", "INT64", &ids), input("attention_mask", "INT64", &json!([[1, 1]]))]),
            "input 'attention_mask': expected 3 for 'sequence' as in input 'input_ids', got 2",
        ),
        (
            json!([
                input("input_ids", "INT64", &json!([[1, 4_294_967_296_i64, 3]])),
                input("attention_mask", "INT64", &ids)
            ]),
            "input 'input_ids': element 1 is 4294967296, beyond the 32 bits in which this model's engine computes INT64",
        ),
        (
            json!([input("input_ids", "INT64", &ids)]),
            "input 'attention_mask': missing; expected INT64 [-1,-1]",
        ),
    ];
    for (inputs, message) in cases {
        assert_eq!(infer("encoder", inputs).await, (400, json!({"error": message})));
    }
}

/// scikit-learn's own answers, which the ONNX file was not made from.
#[tokio::test]
async fn parcels_are_late_as_scikit_learn_says() {
    let expected = expected("models/parcels/expected.json");
    let columns =
        expected["inputs"].as_object().unwrap().iter().map(|(name, column)| {
            input(name, if column[0][0].is_string() { "BYTES" } else { "FP32" }, column)
        });
    let (status, answer) = infer("parcels", columns.collect()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["outputs"][0]["data"], expected["labels"]);
    let probabilities = flat(&answer["outputs"][1]["data"]);
    for (got, expected) in probabilities.iter().zip(flat(&expected["probabilities"])) {
        assert!((got - expected).abs() <= 1e-5, "{got} {expected}");
    }
}

/// The README's request, and the answer that it shows.
#[tokio::test]
async fn the_readme_shows_what_parcels_answers() {
    let readme = fs::read_to_string("README.md").unwrap();
    let (_, rest) = readme.split_once("curl -s localhost:8080/v2/models/parcels/infer -d '").unwrap();
    let (request, rest) = rest.split_once('\'').unwrap();
    let (_, rest) = rest.split_once("```json\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let request: Value = serde_json::from_str(request).unwrap();
    let (status, answer) = infer("parcels", request["inputs"].clone()).await;
    assert_eq!((status, answer), (200, serde_json::from_str(shown).unwrap()));
}
