use crate::client::{Answer, post_with};

const LENGTH: &str = "inference-header-content-length";

async fn infer(path: &str, json: &str, raw: &[u8]) -> Answer {
    let body = [json.as_bytes(), raw].concat();
    post_with(path, &[(LENGTH, &json.len().to_string())], body).await
}

/// The JSON and the raw tensors of an answer.
fn split(answer: &Answer) -> (serde_json::Value, Vec<u8>) {
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{answer:?}");
    let length: usize = answer.header(LENGTH).unwrap().parse().unwrap();
    let (json, raw) = answer.body.split_at(length);
    (serde_json::from_slice(json).unwrap(), raw.to_vec())
}

fn fp32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const X: &str =
    r#"{"inputs":[{"name":"x","shape":[3],"datatype":"FP32","parameters":{"binary_data_size":12}}]"#;

#[tokio::test]
async fn raw_tensors_come_and_leave_to_the_bit() {
    let raw = fp32(&[f32::from_bits(0x7fc0_1234), f32::NEG_INFINITY, -0.0]);
    let json = format!(r#"{X},"parameters":{{"binary_data_output":true}}}}"#);
    let answer = infer("/v2/models/identity_fp32/infer", &json, &raw).await;
    let (json, came) = split(&answer);
    assert_eq!(came, raw);
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 12);
    assert_eq!(json["outputs"][0].get("data"), None);
}

#[tokio::test]
async fn raw_input_with_json_output_is_json() {
    let answer = infer("/v2/models/identity_fp32/infer", &format!("{X}}}"), &fp32(&[1.0, 2.5, -3.0])).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header(LENGTH), None);
    assert!(answer.text().ends_with(r#""data":[1.0,2.5,-3.0]}]}"#), "{}", answer.text());
}

#[tokio::test]
async fn an_outputs_own_wish_beats_the_requests() {
    let zeros = fp32(&[0.0; 64]);
    let json = r#"{"inputs":[{"name":"input","shape":[1,64],"datatype":"FP32","parameters":{"binary_data_size":256}}],
        "parameters":{"binary_data_output":true},
        "outputs":[{"name":"label","parameters":{"binary_data":false}},{"name":"probabilities"}]}"#;
    let (answer, raw) = split(&infer("/v2/models/digits/infer", json, &zeros).await);
    assert_eq!(answer["outputs"][0]["data"].as_array().unwrap().len(), 1);
    assert_eq!(answer["outputs"][1]["parameters"]["binary_data_size"], 40);
    assert_eq!(raw.len(), 40);

    let json = json.replace("true", "false").replace(r#""binary_data":false"#, r#""binary_data":true"#);
    let (answer, raw) = split(&infer("/v2/models/digits/infer", &json, &zeros).await);
    assert_eq!(answer["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(answer["outputs"][1]["data"].as_array().unwrap().len(), 10);
    assert_eq!(raw.len(), 8);
}

#[tokio::test]
async fn a_length_of_zero_means_that_the_body_is_one_tensor() {
    let raw = fp32(&[0.0; 128]);
    let answer = post_with("/v2/models/digits/infer", &[(LENGTH, "0")], raw).await;
    let (json, raw) = split(&answer);
    assert_eq!(json["outputs"][0]["shape"], serde_json::json!([2]));
    assert_eq!(raw.len(), 2 * 8 + 2 * 10 * 4);
    let answer = post_with("/v2/models/digits/infer", &[(LENGTH, "0")], vec![0; 255]).await;
    assert_eq!(answer.error(), (400, "input 'input': FP32 [0,64] takes 0 bytes, got 255".into()));
    let answer = post_with("/v2/models/add/infer", &[(LENGTH, "0")], vec![0; 12]).await;
    assert_eq!(
        answer.error(),
        (400, "a body without JSON is for a model with one input; this one has 2".into())
    );
}

#[tokio::test]
async fn lengths_that_do_not_add_up_are_400() {
    let path = "/v2/models/identity_fp32/infer";
    let whole = format!("{X}}}");
    assert_eq!(
        infer(path, &whole, &[0; 11]).await.error(),
        (400, "input 'x': binary_data_size is 12, but 11 bytes are left behind the JSON".into())
    );
    assert_eq!(
        infer(path, &whole, &[0; 13]).await.error(),
        (400, "1 bytes behind the JSON belong to no input: expected the sum of binary_data_size".into())
    );
    assert_eq!(
        infer(path, &whole.replace("[3]", "[2]"), &[0; 12]).await.error(),
        (400, "input 'x': FP32 [2] takes 8 bytes, got 12".into())
    );
    for length in ["-1", "x", "", "1.5", "99999999999999999999"] {
        assert_eq!(
            post_with(path, &[(LENGTH, length)], whole.clone()).await.error(),
            (
                400,
                format!(
                    "Inference-Header-Content-Length: expected the length of the JSON in bytes, got '{length}'"
                )
            )
        );
    }
    assert_eq!(
        post_with(path, &[(LENGTH, "9999")], whole.clone()).await.error(),
        (400, format!("Inference-Header-Content-Length is 9999, but the body has {} bytes", whole.len()))
    );
}
