use serde_json::json;

use crate::client::get;

#[tokio::test]
async fn the_server_says_what_it_is_and_what_it_speaks() {
    for path in ["/v2", "/v2/"] {
        let answer = get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"name":"twofold","version":"{}","extensions":["binary_tensor_data","model_configuration","model_repository","statistics"]}}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}

#[tokio::test]
async fn a_model_says_what_it_takes_and_gives() {
    for path in ["/v2/models/digits", "/v2/models/digits/versions/1"] {
        let answer = get(path).await;
        assert_eq!(answer.status, 200);
        let mut json = answer.json();
        let description = json["parameters"]["description"].take();
        assert!(description.as_str().is_some_and(|text| !text.is_empty()));
        let labels: Vec<_> = (0..10).map(|digit| digit.to_string()).collect();
        assert_eq!(
            json,
            json!({
                "name": "digits",
                "versions": ["1"],
                "platform": "tabular_onnx",
                "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 64]}],
                "outputs": [
                    {"name": "label", "datatype": "INT64", "shape": [-1]},
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10], "parameters": {"labels": labels}},
                ],
                "parameters": {"description": null},
            })
        );
    }
}

#[tokio::test]
async fn versions_are_in_the_order_of_their_numbers() {
    assert_eq!(get("/v2/models/versions").await.json()["versions"], json!(["1", "2", "10"]));
}

#[tokio::test]
async fn a_configuration_has_the_form_that_triton_gives_it() {
    for path in ["/v2/models/digits/config", "/v2/models/digits/versions/1/config"] {
        let labels: Vec<_> = (0..10).map(|digit| digit.to_string()).collect();
        assert_eq!(
            get(path).await.json(),
            json!({
                "name": "digits",
                "platform": "tabular_onnx",
                "backend": "tabular",
                "version_policy": {"all": {}},
                "max_batch_size": 0,
                "input": [{"name": "input", "data_type": "TYPE_FP32", "dims": [-1, 64]}],
                "output": [
                    {"name": "label", "data_type": "TYPE_INT64", "dims": [-1]},
                    {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [-1, 10], "labels": labels},
                ],
            })
        );
    }
}
