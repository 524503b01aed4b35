use axum::Router;
use axum::body::Body;
use axum::http::Request;

use crate::client::{Answer, send, start};

async fn get(router: &Router, path: &str) -> Answer {
    send(router.clone(), Request::get(path).body(Body::empty()).unwrap()).await
}

/// The value of a series.
fn series(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn requests_are_counted_by_route_and_models_by_name() {
    let router = start(&[]);
    for path in
        ["/v2/models/digits", "/v2/models/nobody", "/nowhere/at/all", "/v2/health/ready", "/v2/health/live"]
    {
        get(&router, path).await;
    }
    let infer = Request::post("/v2/models/digits/infer").body(Body::from("{}")).unwrap();
    assert_eq!(send(router.clone(), infer).await.status, 400);

    let answer = get(&router, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let count = |route: &str, code: u16| {
        series(
            text,
            &format!("twofold_http_request_duration_seconds_count{{route=\"{route}\",code=\"{code}\"}}"),
        )
    };
    assert_eq!(count("/v2/models/{model}", 200), Some(1.0), "{text}");
    assert_eq!(count("/v2/models/{model}", 404), Some(1.0));
    assert_eq!(count("/v2/models/{model}/infer", 400), Some(1.0));
    assert_eq!(count("unmatched", 404), Some(1.0));
    assert_eq!(
        series(text, "twofold_inference_requests_total{model=\"digits\",version=\"1\",outcome=\"refused\"}"),
        Some(1.0),
        "{text}"
    );
    assert_eq!(series(text, "twofold_models_loaded"), Some(1.0));
    assert_eq!(series(text, "twofold_requests_in_flight"), Some(0.0));
    assert!(text.contains(&format!(
        "twofold_build_info{{version=\"{}\",home=\"local\"}} 1",
        env!("CARGO_PKG_VERSION")
    )));
    for absent in ["nobody", "nowhere", "health", "/metrics"] {
        assert!(!text.contains(absent), "{absent} is in {text}");
    }
}

/// Every metric's name, kind, help and labels, the bound of a bucket aside.
fn declared(text: &str) -> Vec<(String, String, String, Vec<String>)> {
    let lines: Vec<_> = text.lines().collect();
    let of = |line: &str, word: &str| line.strip_prefix(word).map(str::to_owned);
    let helps = lines.iter().enumerate().filter_map(|(at, line)| Some((at, of(line, "# HELP ")?)));
    helps
        .map(|(at, help)| {
            let (name, help) = help.split_once(' ').unwrap();
            let kind = of(lines[at + 1], &format!("# TYPE {name} ")).unwrap();
            let name = match &*kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            };
            let sample = lines[at..].iter().skip(1).find(|line| !line.starts_with("# ")).unwrap();
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            let names = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            let labels = names.filter(|label| label != "le").collect();
            (name, kind, help.trim_end_matches('.').to_owned(), labels)
        })
        .collect()
}

#[tokio::test]
async fn the_readme_has_every_metric_as_it_is_declared() {
    let router = start(&[]);
    let infer = Request::post("/v2/models/digits/infer").body(Body::from("{}")).unwrap();
    send(router.clone(), infer).await;
    let text = get(&router, "/metrics").await;
    let readme = std::fs::read_to_string("README.md").unwrap();
    let table: Vec<_> = readme.lines().filter(|line| line.starts_with("| `twofold_")).collect();
    let expected: Vec<_> = declared(text.text())
        .into_iter()
        .map(|(name, kind, help, mut labels)| {
            // Only a package that came from a registry has one.
            if let Some(version) = labels.iter().position(|label| label == "version").filter(|at| *at > 0) {
                labels.insert(version + 1, "digest".to_owned());
            }
            let labels = if labels.is_empty() { String::new() } else { format!("; {}", labels.join(", ")) };
            format!("| `{name}` | {kind}{labels} | {help} |")
        })
        .collect();
    assert_eq!(table, expected);
}
