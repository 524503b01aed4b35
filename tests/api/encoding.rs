use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::client::{get, post, post_with, send, start};

const PATH: &str = "/v2/models/identity_fp32/infer";
const BODY: &str = r#"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]}"#;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let plain = post(PATH, BODY).await;
    assert_eq!(plain.status, 200, "{}", plain.text());
    let cases = [
        ("gzip", gzip(BODY.as_bytes())),
        ("GZIP", gzip(BODY.as_bytes())),
        ("x-gzip", gzip(BODY.as_bytes())),
        ("deflate", zlib(BODY.as_bytes())),
        ("deflate", bare_deflate(BODY.as_bytes())),
        ("identity", BODY.into()),
    ];
    for (encoding, body) in cases {
        let answer = post_with(PATH, &[("content-encoding", encoding)], body).await;
        assert_eq!((answer.status, &answer.body), (200, &plain.body), "{encoding}");
    }
}

#[tokio::test]
async fn the_length_of_the_json_counts_inflated_bytes() {
    let json =
        r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}"#;
    let body = gzip(&[json.as_bytes(), &1.5_f32.to_le_bytes()].concat());
    let length = json.len().to_string();
    let headers = [("content-encoding", "gzip"), ("inference-header-content-length", &*length)];
    let answer = post_with(PATH, &headers, body).await;
    assert!(answer.text().ends_with(r#""data":[1.5]}]}"#), "{}", answer.text());
}

#[tokio::test]
async fn another_encoding_is_400() {
    for encoding in ["br", "zstd", "gzip, gzip"] {
        let answer = post_with(PATH, &[("content-encoding", encoding)], BODY).await;
        assert_eq!(
            answer.error(),
            (400, format!("Content-Encoding: expected gzip or deflate, got '{encoding}'"))
        );
    }
    let twice = [("content-encoding", "gzip"), ("content-encoding", "gzip")];
    assert_eq!(
        post_with(PATH, &twice, BODY).await.error(),
        (400, "Content-Encoding: expected gzip or deflate, got 'gzip' and more".into())
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_400() {
    let truncated = &gzip(BODY.as_bytes())[..20];
    for (encoding, body) in [("gzip", BODY.as_bytes()), ("gzip", truncated), ("deflate", BODY.as_bytes())] {
        let (status, message) =
            post_with(PATH, &[("content-encoding", encoding)], body.to_vec()).await.error();
        assert_eq!(status, 400);
        assert!(message.starts_with(&format!("the body is not {encoding}: ")), "{message}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_before_and_after_inflation() {
    let router = start(&["--body-limit", "1KiB"]);
    let post = |headers: &[(&str, &str)], body: Vec<u8>| {
        let mut request = axum::http::Request::post("/v2/models/digits/infer");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(router.clone(), request.body(body.into()).unwrap())
    };
    let fits = post(&[], vec![b' '; 1024]).await;
    assert_eq!(fits.status, 400);
    assert_eq!(
        post(&[], vec![b' '; 1025]).await.error(),
        (413, "the body has more bytes than the limit of 1024".into())
    );
    assert_eq!(
        post(&[("content-length", "1025")], vec![]).await.error(),
        (413, "the body has 1025 bytes, the limit is 1024".into())
    );
    assert_eq!(
        post(&[("content-encoding", "gzip")], gzip(&vec![b' '; 1_000_000])).await.error(),
        (413, "the body has more bytes than the limit of 1024 when inflated".into())
    );
}

#[tokio::test]
async fn the_default_limit_takes_the_largest_body_that_lambda_would() {
    let answer = post("/v2/models/digits/infer", vec![b' '; 6 << 20]).await;
    assert_eq!(answer.status, 400);
    let answer = post("/v2/models/digits/infer", vec![b' '; (6 << 20) + 1]).await;
    assert_eq!(answer.error(), (413, "the body has more bytes than the limit of 6291456".into()));
    assert_eq!(get("/v2/health/live").await.status, 200);
}
