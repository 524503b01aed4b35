//! The embedded model against scikit-learn's own answers.

use serde_json::Value;

use crate::client::post;

#[tokio::test]
async fn digits_answers_as_scikit_learn_does() {
    let expected: Value = serde_json::from_str(include_str!("../../models/digits/expected.json")).unwrap();
    let rows = expected["inputs"].as_array().unwrap();
    assert!(rows.len() >= 64);
    let body = serde_json::json!({
        "inputs": [{"name": "input", "shape": [rows.len(), 64], "datatype": "FP32", "data": rows}]
    });
    let answer = post("/v2/models/digits/infer", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["outputs"][0]["data"], expected["labels"]);

    let got = answer["outputs"][1]["data"].as_array().unwrap();
    let wanted = expected["probabilities"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    let mut largest = 0.0_f64;
    for (got, wanted) in got.iter().zip(wanted) {
        largest = largest.max((got.as_f64().unwrap() - wanted.as_f64().unwrap()).abs());
    }
    assert_eq!(got.len(), rows.len() * 10);
    println!("digits: {} rows, largest difference {largest:e}", rows.len());
    assert!(largest <= 1e-6, "{largest}");
}
