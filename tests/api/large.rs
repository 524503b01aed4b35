//! Large bodies are worked on elsewhere: what else the thread has to do does not wait for them.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::client::{Answer, router, send};

/// The answer, and whether it needed the only thread for large bodies, which was kept busy until then.
fn ask(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (Answer, bool) {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, busy) = mpsc::channel::<()>();
        let thread = spawn_blocking(move || busy.recv());
        let mut answer = Box::pin(send(router(), request));
        let early = timeout(Duration::from_millis(200), &mut answer).await;
        drop(release);
        let _ = thread.await;
        match early {
            Ok(answer) => (answer, false),
            Err(_) => (answer.await, true),
        }
    })
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

const PATH: &str = "/v2/models/identity_fp32/infer";

#[test]
fn a_large_body_is_read_elsewhere_and_a_small_one_at_once() {
    for path in [PATH, "/v2/repository/index"] {
        for (size, elsewhere) in [(1 << 10, false), (60 << 10, false), (70 << 10, true), (6 << 20, true)] {
            let (answer, free) = ask(path, &[], vec![b'['; size]);
            assert_eq!((answer.status, free), (400, elsewhere), "{path}, {size}: {}", answer.text());
        }
    }
}

#[test]
fn a_body_that_becomes_large_is_inflated_elsewhere() {
    for (size, elsewhere) in [(60 << 10, false), (70 << 10, true), (6 << 20, true), ((6 << 20) + 1, true)] {
        let body = gzip(&vec![b'['; size]);
        assert!(body.len() < 64 << 10);
        let (answer, free) = ask(PATH, &[("content-encoding", "gzip")], body);
        let status = if size > 6 << 20 { 413 } else { 400 };
        assert_eq!((answer.status, free), (status, elsewhere), "{size}: {}", answer.text());
    }
}

#[test]
fn a_large_answer_is_written_elsewhere() {
    for (elements, elsewhere) in [(16_000, false), (17_000, true)] {
        let json = format!(
            r#"{{"inputs":[{{"name":"x","shape":[{elements}],"datatype":"FP32","parameters":{{"binary_data_size":{}}}}}]}}"#,
            4 * elements
        );
        let body = [json.as_bytes(), &vec![0; 4 * elements]].concat();
        let length = json.len().to_string();
        let (answer, free) = ask(PATH, &[("inference-header-content-length", &length)], body);
        assert_eq!((answer.status, free), (200, elsewhere), "{elements}");
        assert_eq!(answer.json()["outputs"][0]["data"].as_array().unwrap().len(), elements);
    }
}
