//! Paths and methods: those that there are, those that there are not, and ways to write them.

use super::call::Call;

pub fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    calls.extend(documents());
    calls.extend(wrong_methods());
    calls.extend(unknown());
    calls.extend(odd());
    calls.extend(repository());
    calls
}

/// Every path of the contract that is read, with the ways to write it.
const DOCUMENTS: [&str; 10] = [
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/digits",
    "/v2/models/digits/ready",
    "/v2/models/digits/config",
    "/v2/models/digits/versions/1",
    "/v2/models/digits/versions/1/ready",
    "/v2/models/digits/versions/1/config",
    "/openapi.yaml",
];

const STATISTICS: [&str; 3] =
    ["/v2/models/stats", "/v2/models/digits/stats", "/v2/models/digits/versions/1/stats"];

fn documents() -> impl Iterator<Item = Call> {
    DOCUMENTS.iter().flat_map(|path| {
        [
            Call::get("document", *path),
            Call::get("trailing slash", format!("{path}/")),
            Call::get("query", format!("{path}?a=1&b=%20&b=/../x")),
            Call::new("head", "HEAD", *path),
        ]
    })
}

fn wrong_methods() -> impl Iterator<Item = Call> {
    let read = DOCUMENTS.iter().chain(&STATISTICS).chain(&["/metrics"]);
    let read = read.flat_map(|path| ["POST", "PUT", "DELETE", "OPTIONS"].map(|method| (method, *path)));
    let posted = [
        "/v2/models/digits/infer",
        "/v2/models/digits/versions/1/infer",
        "/v2/repository/index",
        "/v2/repository/models/digits/load",
    ];
    let posted = posted
        .into_iter()
        .flat_map(|path| ["GET", "HEAD", "PUT", "PATCH", "TRACE", "BREW"].map(|method| (method, path)));
    read.chain(posted).map(|(method, path)| Call::new("wrong method", method, path))
}

fn unknown() -> impl Iterator<Item = Call> {
    let read = [
        "/",
        "/nothing",
        "/v1/models",
        "/v3",
        "/v2/nothing",
        "/v2/models",
        "/v2/models/nothing",
        "/v2/models/nothing/ready",
        "/v2/models/nothing/config",
        "/v2/models/nothing/stats",
        "/v2/models/digits/versions/2",
        "/v2/models/digits/versions/2/ready",
        "/v2/models/digits/versions/0",
        "/v2/models/digits/versions/one",
        "/v2/models/digits/versions/-1",
        "/v2/models/digits/versions/99999999999999999999",
        "/v2/models/digits/versions",
        "/v2/models/digits/versions/01",
        "/v2/models/Digits",
        "/favicon.ico",
        "/v2/health",
        "/metrics/",
    ];
    let posted = [
        "/v2/models/nothing/infer",
        "/v2/models/digits/versions/2/infer",
        "/v2/models/digits/versions/x/infer",
        "/v2/models/nothing/versions/1/infer",
        "/v2/models/digits/generate",
        "/v2/repository",
        "/v2/repository/models/digits/reload",
    ];
    let row = r#"{"inputs":[]}"#;
    read.into_iter()
        .map(|path| Call::get("unknown", path))
        .chain(posted.into_iter().map(move |path| Call::post("unknown", path, row).json()))
}

fn odd() -> impl Iterator<Item = Call> {
    [
        "/v2/models/%64igits",
        "/v2/models/dig%69ts/ready",
        "/v2/models/dig%2Fits",
        "/v2/models/%2e%2e/digits",
        "/v2/models/../models/digits",
        "/v2/./health/live",
        "/v2//health/live",
        "//v2/health/live",
        "/v2/health/live//",
        "/v2/models//ready",
        "/v2/models/%C3%A9",
        "/v2/models/%FF",
        "/v2/models/%00",
        "/v2/models/%",
        "/v2/models/%zz",
        "/v2/models/digits%20",
        "/v2/models/a+b",
        "/v2/models/a:b@c;d",
        "/v2/models/digits%3Fa=1",
        "/v2/models/digits%23a",
        "/V2/health/live",
        "/%76%32/health/live",
        "/v2%2Fhealth%2Flive",
        "/v2/models/%F0%9F%94%A2/ready",
        "/v2/models/'\"/ready",
        "/v2/models/{m}/ready",
        "/v2/models/*",
        "/v2/models/a|b",
        "/v2/health/live?",
        "/v2/health/live??",
        "/v2/health/live?a=%ff&=&&",
        "/v2/models/<script>alert(1)</script>",
    ]
    .into_iter()
    .filter(|path| path.parse::<axum::http::uri::PathAndQuery>().is_ok())
    .map(|path| Call::get("odd path", path))
    .chain([4_000, 8_000].map(|length| Call::get("long path", format!("/v2/models/{}", "m".repeat(length)))))
}

fn repository() -> Vec<Call> {
    let mut calls: Vec<Call> = [
        "",
        "{}",
        "{\"ready\":true}",
        "{\"ready\":false}",
        "null",
        "[]",
        "garbage",
        "{\"ready\":\"yes\"}",
        "{\"unknown\":1}",
    ]
    .map(|body| Call::post(format!("index {body:?}"), "/v2/repository/index", body))
    .into();
    calls.push(Call::post("index as json", "/v2/repository/index", "{}").json());
    for path in ["digits/load", "digits/unload", "nothing/load", "nothing/unload"] {
        for body in ["", "{}", "{\"parameters\":{\"unload_dependents\":true}}", "garbage"] {
            calls.push(Call::post(
                format!("switched off {body:?}"),
                format!("/v2/repository/models/{path}"),
                body,
            ));
        }
    }
    calls
}

/// What counts and times, so that only its form can be compared.
pub fn counting() -> impl Iterator<Item = Call> {
    STATISTICS
        .iter()
        .map(|path| Call::get("statistics", *path).counts())
        .chain([Call::get("metrics", "/metrics").counts(), Call::new("metrics", "HEAD", "/metrics").counts()])
}
