use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::client::{Answer, send, start};

async fn get(router: &Router, path: &str) -> Answer {
    send(router.clone(), Request::get(path).body(Body::empty()).unwrap()).await
}

async fn infer(router: &Router, body: &str) -> u16 {
    send(router.clone(), Request::post("/v2/models/digits/infer").body(body.to_owned().into()).unwrap())
        .await
        .status
}

fn rows(rows: usize) -> String {
    let data = vec!["0"; 64 * rows].join(",");
    format!(r#"{{"inputs":[{{"name":"input","shape":[{rows},64],"datatype":"FP32","data":[{data}]}}]}}"#)
}

#[tokio::test]
async fn requests_are_counted_by_outcome_and_timed_by_part() {
    let router = start(&[]);
    let before = get(&router, "/v2/models/digits/stats").await.json();
    assert_eq!(before["model_stats"][0]["last_inference"], 0);

    assert_eq!(infer(&router, &rows(1)).await, 200);
    assert_eq!(infer(&router, &rows(3)).await, 200);
    assert_eq!(infer(&router, "{}").await, 400);

    for path in ["/v2/models/digits/stats", "/v2/models/digits/versions/1/stats", "/v2/models/stats"] {
        let json = get(&router, path).await.json();
        let models = json["model_stats"].as_array().unwrap();
        assert_eq!(models.len(), 1);
        let stats = &models[0];
        assert_eq!((&stats["name"], &stats["version"]), (&"digits".into(), &"1".into()));
        assert_eq!((&stats["inference_count"], &stats["execution_count"]), (&4.into(), &2.into()));
        assert!(stats["last_inference"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(stats["batch_stats"], serde_json::json!([]));
        let parts = &stats["inference_stats"];
        let count = |part: &str| parts[part]["count"].as_u64().unwrap();
        let ns = |part: &str| parts[part]["ns"].as_u64().unwrap();
        assert_eq!((count("success"), count("fail")), (2, 1));
        for part in ["compute_input", "compute_infer", "compute_output"] {
            assert_eq!(count(part), 2, "{part}");
            assert!(ns(part) > 0, "{part}");
        }
        let computed = ns("compute_input") + ns("compute_infer") + ns("compute_output");
        assert!(ns("success") >= computed, "{parts}");
        assert!(ns("fail") > 0);
        assert_eq!((count("cache_hit"), count("cache_miss")), (0, 0));
    }
}

#[tokio::test]
async fn a_model_that_there_is_not_has_no_statistics() {
    let router = start(&[]);
    assert_eq!(get(&router, "/v2/models/nobody/stats").await.error(), (404, "no model 'nobody'".into()));
    assert_eq!(get(&router, "/v2/models/digits/versions/2/stats").await.status, 404);
    let all: Value = get(&router, "/v2/models/stats").await.json();
    assert_eq!(all["model_stats"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_that_is_not_ready_has_none() {
    let router = crate::client::start(&["--models", "embedded:digits,dir:tests/models/partly_broken"]);
    for path in ["/v2/models/truncated/stats", "/v2/models/truncated/versions/1/stats"] {
        let answer = crate::client::send(
            router.clone(),
            axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap(),
        );
        assert_eq!(answer.await.status, 503, "{path}");
    }
}
