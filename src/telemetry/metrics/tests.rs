use std::time::Duration;

use super::*;

/// The samples of a metric, buckets and sums aside.
fn samples(metrics: &Metrics, name: &str) -> Vec<String> {
    let of_metric =
        |line: &&str| line.starts_with(name) && !line.contains("_bucket") && !line.contains("_sum");
    metrics.encode().lines().filter(of_metric).map(str::to_owned).collect()
}

#[test]
fn a_fresh_process_declares_every_metric() {
    let expected = r#"# HELP twofold_http_request_duration_seconds Time from a request's head to its answer, by matched route and status; 499 = the client hung up.
# TYPE twofold_http_request_duration_seconds histogram
# UNIT twofold_http_request_duration_seconds seconds
# HELP twofold_requests_in_flight Requests not yet answered.
# TYPE twofold_requests_in_flight gauge
twofold_requests_in_flight 0
# HELP twofold_inference_duration_seconds Time that a model computed, per request.
# TYPE twofold_inference_duration_seconds histogram
# UNIT twofold_inference_duration_seconds seconds
# HELP twofold_queue_duration_seconds Time that a request waited for a compute thread, where it needed one; also where it waited in vain.
# TYPE twofold_queue_duration_seconds histogram
# UNIT twofold_queue_duration_seconds seconds
# HELP twofold_requests_waiting Requests that wait for a compute thread now.
# TYPE twofold_requests_waiting gauge
# HELP twofold_inference_requests Requests that reached a model, by what became of them: success, refused (their own fault: 400), overload (429), deadline (504), abandoned (the client hung up: 499) or failed (500).
# TYPE twofold_inference_requests counter
# HELP twofold_models_loaded Models loaded now.
# TYPE twofold_models_loaded gauge
twofold_models_loaded 0
# HELP twofold_build What runs, and where.
# TYPE twofold_build info
twofold_build_info{version="VERSION",home="lambda"} 1
# EOF
"#;
    assert_eq!(Metrics::new(Home::Lambda).encode(), expected.replace("VERSION", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_request_is_in_flight_until_it_is_finished() {
    let metrics = Metrics::new(Home::Local);
    let infer = "/v2/models/{model}/infer";
    let first = metrics.start_request(infer);
    let second = metrics.clone().start_request(infer);
    assert_eq!(samples(&metrics, "twofold_requests_in_flight"), ["twofold_requests_in_flight 2"]);
    first.finish(200);
    second.finish(400);
    metrics.start_request(infer).finish(200);
    metrics.start_request(UNMATCHED).finish(404);
    assert_eq!(samples(&metrics, "twofold_requests_in_flight"), ["twofold_requests_in_flight 0"]);
    assert_eq!(
        samples(&metrics, "twofold_http_request"),
        [
            r#"twofold_http_request_duration_seconds_count{route="/v2/models/{model}/infer",code="200"} 2"#,
            r#"twofold_http_request_duration_seconds_count{route="/v2/models/{model}/infer",code="400"} 1"#,
            r#"twofold_http_request_duration_seconds_count{route="unmatched",code="404"} 1"#,
        ]
    );
}

#[test]
fn a_client_that_hung_up_is_counted() {
    let metrics = Metrics::new(Home::Local);
    drop(metrics.start_request("/v2"));
    assert_eq!(
        samples(&metrics, "twofold_http_request"),
        [r#"twofold_http_request_duration_seconds_count{route="/v2",code="499"} 1"#]
    );
    assert_eq!(samples(&metrics, "twofold_requests_in_flight"), ["twofold_requests_in_flight 0"]);
}

#[test]
fn durations_fall_into_the_bucket_that_holds_them() {
    let metrics = Metrics::new(Home::Local);
    let model = metrics.model("digits", "1", None);
    let compute = model.compute();
    for nanos in [0, 9_999, 10_000, 10_001, 2_500_000, 30_000_000_000, 30_000_000_001] {
        compute.observe(Duration::from_nanos(nanos));
    }
    assert_eq!(compute.count(), 7);
    assert_eq!(compute.total(), Duration::from_nanos(60_002_530_001));
    let text = metrics.encode();
    let histogram: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("twofold_inference_duration_seconds_")).collect();
    let labels = r#"model="digits",version="1""#;
    let mut expected = vec![format!("sum{{{labels}}} 60.002530001"), format!("count{{{labels}}} 7")];
    for (bound, count) in [
        ("0.00001", 3),
        ("0.000025", 4),
        ("0.00005", 4),
        ("0.0001", 4),
        ("0.00025", 4),
        ("0.0005", 4),
        ("0.001", 4),
        ("0.0025", 5),
        ("0.005", 5),
        ("0.01", 5),
        ("0.025", 5),
        ("0.05", 5),
        ("0.1", 5),
        ("0.25", 5),
        ("0.5", 5),
        ("1.0", 5),
        ("2.5", 5),
        ("5.0", 5),
        ("10.0", 5),
        ("30.0", 6),
        ("+Inf", 7),
    ] {
        expected.push(format!(r#"bucket{{le="{bound}",{labels}}} {count}"#));
    }
    assert_eq!(histogram, expected);
}

#[test]
fn a_models_series_live_as_long_as_the_model() {
    let metrics = Metrics::new(Home::Local);
    let old = metrics.model("digits", "1", None);
    let other = metrics.model("digits", "2", None);
    old.count(Outcome::Success);
    other.count(Outcome::Failed);
    assert_eq!(samples(&metrics, "twofold_models_loaded"), ["twofold_models_loaded 2"]);

    // A reload: the new one is there before the old one is gone, and goes on counting.
    let new = metrics.model("digits", "1", None);
    drop(old);
    new.count(Outcome::Success);
    new.count(Outcome::Refused);
    assert_eq!((new.counted(Outcome::Success), new.counted(Outcome::Refused)), (2, 1));
    assert_eq!(samples(&metrics, "twofold_models_loaded"), ["twofold_models_loaded 2"]);
    let of_first = [
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="success"} 2"#,
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="refused"} 1"#,
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="overload"} 0"#,
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="deadline"} 0"#,
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="abandoned"} 0"#,
        r#"twofold_inference_requests_total{model="digits",version="1",outcome="failed"} 0"#,
    ];
    assert_eq!(samples(&metrics, "twofold_inference_requests")[..6], of_first);
    assert_eq!(
        samples(&metrics, "twofold_inference_requests")[11..],
        [r#"twofold_inference_requests_total{model="digits",version="2",outcome="failed"} 1"#]
    );

    drop(other);
    assert_eq!(samples(&metrics, "twofold_inference_requests"), of_first);
    drop(new);
    assert_eq!(samples(&metrics, "twofold_inference_"), [""; 0]);
    assert_eq!(samples(&metrics, "twofold_models_loaded"), ["twofold_models_loaded 0"]);
    assert_eq!(metrics.model("digits", "1", None).counted(Outcome::Success), 0);
}

#[test]
fn a_packages_digest_tells_its_series_apart() {
    let metrics = Metrics::new(Home::Local);
    let old = metrics.model("iris", "1", Some("sha256:aa"));
    old.count(Outcome::Success);
    let new = metrics.model("iris", "1", Some("sha256:bb"));
    assert_eq!(new.counted(Outcome::Success), 0);
    drop(old);
    assert_eq!(
        samples(&metrics, "twofold_inference_requests")[0],
        r#"twofold_inference_requests_total{model="iris",version="1",digest="sha256:bb",outcome="success"} 0"#
    );
}
