use crate::client::{get, post};

fn row(value: &str) -> String {
    vec![value; 64].join(",")
}

/// A request for digits with one row of zeros and these further fields.
fn zeros(fields: &str) -> String {
    format!(
        r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{}]}}]{fields}}}"#,
        row("0")
    )
}

#[tokio::test]
async fn the_answer_names_the_model_its_version_and_every_output() {
    for path in ["/v2/models/digits/infer", "/v2/models/digits/versions/1/infer"] {
        let answer = post(path, zeros("")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{answer:?}"
        );
        assert_eq!(answer.header("inference-header-content-length"), None);
        let json = answer.json();
        assert_eq!((&json["model_name"], &json["model_version"]), (&"digits".into(), &"1".into()));
        assert_eq!(json.get("id"), None, "an id is never invented");
        let outputs = json["outputs"].as_array().unwrap();
        let forms: Vec<_> = outputs
            .iter()
            .map(|output| (output["name"].as_str(), output["datatype"].as_str(), output["shape"].to_string()))
            .collect();
        assert_eq!(
            forms,
            [
                (Some("label"), Some("INT64"), "[1]".to_owned()),
                (Some("probabilities"), Some("FP32"), "[1,10]".to_owned())
            ]
        );
    }
}

#[tokio::test]
async fn an_id_is_echoed() {
    let answer = post("/v2/models/digits/infer", zeros(r#","id":"a \"b\"""#)).await;
    assert_eq!(answer.json()["id"], "a \"b\"");
}

#[tokio::test]
async fn outputs_select_and_order() {
    let names = |text: serde_json::Value| -> Vec<String> {
        let outputs = text["outputs"].as_array().unwrap().clone();
        outputs.iter().map(|output| output["name"].as_str().unwrap().to_owned()).collect()
    };
    let path = "/v2/models/digits/infer";
    let only = post(path, zeros(r#","outputs":[{"name":"probabilities"}]"#)).await;
    assert_eq!(names(only.json()), ["probabilities"]);
    let both = post(path, zeros(r#","outputs":[{"name":"probabilities"},{"name":"label"}]"#)).await;
    assert_eq!(names(both.json()), ["probabilities", "label"]);
    for none in [r#","outputs":[]"#, r#","outputs":null"#] {
        assert_eq!(names(post(path, zeros(none)).await.json()), ["label", "probabilities"]);
    }
}

#[tokio::test]
async fn an_answer_does_not_depend_on_the_form_of_the_request() {
    let nested = format!(
        r#"{{"unknown":{{"a":[1]}},"inputs":[{{"data":[[{}]],"datatype":"FP32","shape":[1,64],"name":"input","more":null}}]}}"#,
        row("0.0e0")
    );
    let path = "/v2/models/digits/infer";
    assert_eq!(post(path, nested).await.body, post(path, zeros("")).await.body);
}

#[tokio::test]
async fn an_empty_batch_has_an_empty_answer() {
    let body = r#"{"inputs":[{"name":"input","shape":[0,64],"datatype":"FP32","data":[]}]}"#;
    let answer = post("/v2/models/digits/infer", body).await;
    assert_eq!(
        (answer.status, answer.text()),
        (
            200,
            r#"{"model_name":"digits","model_version":"1","outputs":[{"name":"label","datatype":"INT64","shape":[0],"data":[]},{"name":"probabilities","datatype":"FP32","shape":[0,10],"data":[]}]}"#
        )
    );
}

#[tokio::test]
async fn the_newest_version_answers_unless_another_is_asked_for() {
    let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[0]}]}"#;
    for (path, version, value) in [
        ("/v2/models/versions/infer", "10", 10.0),
        ("/v2/models/versions/versions/2/infer", "2", 2.0),
        ("/v2/models/versions/versions/1/infer", "1", 1.0),
    ] {
        let json = post(path, body).await.json();
        assert_eq!(json["model_version"], version);
        assert_eq!(json["outputs"][0]["data"][0], value);
    }
}

#[tokio::test]
async fn nonfinite_numbers_are_taken_as_python_writes_them_and_leave_as_null() {
    let body =
        r#"{"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[NaN, Infinity, -Infinity, null]}]}"#;
    let answer = post("/v2/models/identity_fp32/infer", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().ends_with(r#""data":[null,null,null,null]}]}"#), "{}", answer.text());
}

#[tokio::test]
async fn what_is_not_the_models_is_400_by_name() {
    let input = |fields: &str| format!(r#"{{"inputs":[{{{fields}}}]}}"#);
    let cases = [
        ("{", "malformed JSON at byte 1: expected a string, got its end".to_owned()),
        ("", "malformed JSON at byte 0: expected an inference request, an object, got its end".to_owned()),
        ("{}", "'inputs' is missing: expected an array of input tensors".to_owned()),
        (r#"{"inputs":[]}"#, "input 'input': missing; expected FP32 [-1,64]".to_owned()),
        (r#"{"inputs":{}}"#, "malformed JSON at byte 10: expected 'inputs', an array, got '{'".to_owned()),
        (r#"{"inputs":[],"inputs":[]}"#, "'inputs' is given twice".to_owned()),
        (r#"{"inputs":[]} x"#, "malformed JSON at byte 14: expected the end of the JSON, got 'x'".to_owned()),
    ];
    for (body, message) in cases {
        assert_eq!(post("/v2/models/digits/infer", body).await.error(), (400, message));
    }
    let cases = [
        (
            input(r#""name":"input","shape":[1,3],"datatype":"FP32","data":[1,2,3]"#),
            "input 'input': expected [-1,64], got [1,3]",
        ),
        (
            input(r#""name":"input","shape":[1,3],"datatype":"INT64","data":[1,2,3]"#),
            "input 'input': expected FP32 [-1,64], got INT64 [1,3]",
        ),
        (
            input(r#""name":"pixels","shape":[1],"datatype":"FP32","data":[1]"#),
            "input 'pixels': the model has no such input; it takes 'input'",
        ),
        (
            zeros(r#","outputs":[{"name":"nothing"}]"#),
            "output 'nothing': the model has no such output; it gives 'label', 'probabilities'",
        ),
        (zeros(r#","outputs":[{"name":"label"},{"name":"label"}]"#), "output 'label': asked for twice"),
        (
            zeros(r#","outputs":[{"name":"label","parameters":{"classification":3}}]"#),
            "output 'label': classification is not offered: ask for the tensor itself",
        ),
        (zeros(r#","id":7"#), "malformed JSON at byte 204: expected a string, got '7'"),
    ];
    for (body, message) in cases {
        assert_eq!(post("/v2/models/digits/infer", body).await.error(), (400, message.to_owned()));
    }
}

#[tokio::test]
async fn an_unknown_model_is_404_whatever_the_body() {
    assert_eq!(post("/v2/models/nobody/infer", "{").await.error(), (404, "no model 'nobody'".into()));
    assert_eq!(
        post("/v2/models/digits/versions/2/infer", "{").await.error(),
        (404, "model 'digits' has no version '2'; it has 1".into())
    );
    assert_eq!(get("/v2/models/nobody").await.error(), (404, "no model 'nobody'".into()));
}
