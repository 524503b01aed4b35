//! Bodies that mean harm: a 4xx, a text that says why, and nothing else happens.

use std::cell::Cell;
use std::env;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::client::{post, post_with};

const PATH: &str = "/v2/models/identity_fp32/infer";

#[tokio::test]
async fn the_hostile_examples_are_400_by_name() {
    let deep = "[".repeat(200_000);
    let input = |fields: &str| format!(r#"{{"inputs":[{{"name":"x","datatype":"FP32",{fields}}}]}}"#);
    let cases = [
        (
            input(r#""shape":[4611686018427387904],"data":[1]"#),
            "input 'x': shape [4611686018427387904] has 4611686018427387904 elements, got 1".to_owned(),
        ),
        (
            input(r#""shape":[4294967296,4294967296],"data":[1]"#),
            "input 'x': shape [4294967296,4294967296] has more elements than memory has bytes".to_owned(),
        ),
        (
            input(r#""shape":[99999999999999999999],"data":[1]"#),
            "input 'x': a size in 'shape': expected a whole number from 0 up, got '99999999999999999999'"
                .to_owned(),
        ),
        (
            input(&format!(r#""shape":[1],"data":{deep}"#)),
            "input 'x': malformed JSON at byte 61: expected an FP32 element, a number, got '['".to_owned(),
        ),
        (
            input(&format!(r#""shape":[{}],"data":[1]"#, vec!["1"; 65].join(","))),
            "input 'x': 'shape' has more than 64 dimensions".to_owned(),
        ),
        (format!(r#"{{"a":{deep}"#), "JSON nested deeper than 128 levels".to_owned()),
        (
            r#"{"a":"\ud800"}"#.to_owned(),
            "malformed JSON at byte 12: expected the second half of a surrogate pair, got '\"'".to_owned(),
        ),
    ];
    for (body, message) in cases {
        assert_eq!(post(PATH, body).await.error(), (400, message));
    }
    let json =
        input(r#""shape":[4611686018427387904],"parameters":{"binary_data_size":18446744073709551615}"#);
    let length = json.len().to_string();
    assert_eq!(
        post_with(PATH, &[("inference-header-content-length", &length)], json).await.error(),
        (
            400,
            "input 'x': binary_data_size is 18446744073709551615, but 0 bytes are left behind the JSON"
                .into()
        )
    );
    assert_eq!(
        post(PATH, b"\xff\xfe{}".to_vec()).await.error(),
        (400, "malformed JSON at byte 0: expected an inference request, an object, got byte 0xff".into())
    );
}

/// A valid request, into which a case cuts, writes and repeats.
const VALID: &str = r#"{"id":"1","inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","parameters":{},"data":[[[1,-2.5e3,0],[NaN,null,7]]]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}],"parameters":{"binary_data_output":true}}"#;

#[derive(Debug, Clone)]
enum Edit {
    Cut(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize, u8),
    Replace(usize, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..VALID.len();
    let tokens = prop_oneof![
        vec(any::<u8>(), 1..8),
        prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "null",
            "true",
            "NaN",
            "-Infinity",
            "1e999",
            "-",
            "0x",
            "\\u",
            "\\",
            "9223372036854775807",
            "18446744073709551616",
            "-1",
            "0",
            "4611686018427387904",
            "\"data\":",
            "\"shape\":",
            "\"binary_data_size\":",
            "\"datatype\":\"BYTES\"",
            "\"UINT64\"",
            "\"FP16\"",
            "[[[[",
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (at.clone(), 1_usize..40).prop_map(|(at, length)| Edit::Cut(at, length)),
        (at.clone(), tokens).prop_map(|(at, token)| Edit::Insert(at, token)),
        (at.clone(), 1_usize..40, 1_u8..20).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at, b'0'..=b'9').prop_map(|(at, byte)| Edit::Replace(at, byte)),
    ]
}

fn apply(body: &mut Vec<u8>, edit: &Edit) {
    let length = body.len();
    match edit {
        Edit::Cut(at, count) => drop(body.drain((*at).min(length)..(at + count).min(length))),
        Edit::Insert(at, bytes) => {
            body.splice((*at).min(length)..(*at).min(length), bytes.iter().copied());
        }
        Edit::Repeat(at, count, times) => {
            let part = body[(*at).min(length)..(at + count).min(length)].repeat(usize::from(*times));
            body.splice((*at).min(length)..(*at).min(length), part);
        }
        Edit::Replace(at, byte) => {
            if let Some(place) = body.get_mut(*at) {
                *place = *byte;
            }
        }
    }
}

/// As many as the issue asks of CI; fewer would do at the desk: `PROPTEST_CASES=1000 cargo test`.
#[expect(
    clippy::disallowed_methods,
    reason = "proptest's own variable, which proptest itself reads in other tests"
)]
fn cases() -> u32 {
    env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(20_000)
}

#[test]
fn no_body_brings_anything_but_an_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let strategy = (
        vec(edit(), 1..4),
        prop::option::weighted(0.2, 0_usize..300),
        prop::option::weighted(0.1, "gzip|deflate"),
    );
    let (answered, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |(edits, length, encoding)| {
        let mut body = VALID.as_bytes().to_vec();
        for edit in &edits {
            apply(&mut body, edit);
        }
        let length = length.map(|length| length.to_string());
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(length.as_deref().map(|length| ("inference-header-content-length", length)));
        headers.extend(encoding.as_deref().map(|encoding| ("content-encoding", encoding)));
        let answer = runtime.block_on(post_with("/v2/models/matrix/infer", &headers, body));
        if answer.status == 200 {
            answered.set(answered.get() + 1);
        } else {
            refused.set(refused.get() + 1);
            let (status, message) = answer.error();
            prop_assert_eq!(status, 400);
            prop_assert!(!message.is_empty() && message.len() < 400, "{}", message);
        }
        Ok(())
    });
    result.unwrap();
    let (answered, refused) = (answered.get(), refused.get());
    println!("hostile bodies: {answered} answered, {refused} refused");
    assert!(
        answered > 0 && refused > answered,
        "{answered} answered, {refused} refused: the cases are too tame"
    );
}
