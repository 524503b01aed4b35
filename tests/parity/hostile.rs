//! Bodies that mean harm, by name, and good ones with something broken in them.

use serde_json::json;

use super::call::{Call, gzip};
use super::random::Random;

/// A request that is answered.
fn good() -> String {
    let row = format!("[0.5,1e1,null,{}]", vec!["16"; 61].join(","));
    let input = format!(r#"{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{row}]}}"#);
    format!(r#"{{"id":"good","inputs":[{input}],"outputs":[{{"name":"label"}}]}}"#)
}

pub fn calls(random: &mut Random) -> Vec<Call> {
    let mut calls = vec![Call::infer("good", good()).json()];
    calls.extend(bodies());
    calls.extend(cut_short());
    calls.extend(mutated(random));
    calls
}

/// One body per way to lie.
#[allow(clippy::too_many_lines)] // It is a list.
fn bodies() -> Vec<Call> {
    let input = |shape: &str, datatype: &str, data: &str| {
        format!(r#"{{"inputs":[{{"name":"input","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#)
    };
    let zeros = format!("[{}]", vec!["0"; 64].join(","));
    let number = |number: &str| input("[1,64]", "FP32", &zeros.replacen('0', number, 1));
    let mut calls: Vec<Call> = [
        ("empty", String::new()),
        ("blank", " \n\t ".to_owned()),
        ("no json", "garbage".to_owned()),
        ("null", "null".to_owned()),
        ("array", "[]".to_owned()),
        ("string", "\"inputs\"".to_owned()),
        ("number", "1".to_owned()),
        ("no inputs", "{}".to_owned()),
        ("empty inputs", r#"{"inputs":[]}"#.to_owned()),
        ("null inputs", r#"{"inputs":null}"#.to_owned()),
        ("inputs no array", r#"{"inputs":{}}"#.to_owned()),
        ("input no object", r#"{"inputs":[1]}"#.to_owned()),
        ("input empty", r#"{"inputs":[{}]}"#.to_owned()),
        ("two documents", input("[1,64]", "FP32", &zeros).repeat(2)),
        ("byte order mark", format!("\u{feff}{}", input("[1,64]", "FP32", &zeros))),
        ("wrong name", input("[1,64]", "FP32", &zeros).replace("input\"", "other\"")),
        ("shape of 2^62", input("[4611686018427387904,4]", "FP32", "[]")),
        ("shape overflows", input("[4294967296,4294967296]", "FP32", "[]")),
        ("shape overflows to 0", input("[9223372036854775807,2,9223372036854775807]", "FP32", "[]")),
        ("shape beyond 2^63", input("[9223372036854775808]", "FP32", "[]")),
        ("shape negative", input("[-1,64]", "FP32", &zeros)),
        ("shape fraction", input("[1.5,64]", "FP32", &zeros)),
        ("shape empty", input("[]", "FP32", "[1]")),
        ("shape null", input("null", "FP32", &zeros)),
        ("shape of text", input("\"1,64\"", "FP32", &zeros)),
        ("shape of zero rows", input("[0,64]", "FP32", "[]")),
        ("shape of zero columns", input("[64,0]", "FP32", "[]")),
        ("shape turned", input("[64,1]", "FP32", &zeros)),
        ("shape of one dimension", input("[64]", "FP32", &zeros)),
        ("shape of many dimensions", input(&format!("[{}]", vec!["1"; 10_000].join(",")), "FP32", "[1]")),
        ("too little data", input("[2,64]", "FP32", &zeros)),
        ("too much data", input("[1,63]", "FP32", &zeros)),
        ("ragged data", input("[2,2]", "FP32", "[[1,2,3],[4]]")),
        ("deep data", input("[1,1]", "FP32", "[[[[1]]]]")),
        ("data of text", input("[1,1]", "FP32", "[\"1\"]")),
        ("data of truth", input("[1,1]", "FP32", "[true]")),
        ("data null", input("[1,64]", "FP32", "null")),
        ("data no array", input("[1,1]", "FP32", "1")),
        ("datatype unknown", input("[1,64]", "FP31", &zeros)),
        ("datatype in small letters", input("[1,64]", "fp32", &zeros)),
        ("datatype of another", input("[1,64]", "INT64", &zeros)),
        ("datatype double", input("[1,64]", "FP64", &zeros)),
        ("datatype bytes", input("[1,1]", "BYTES", "[\"é\"]")),
        ("larger than FP32", number("1e39")),
        ("larger than FP64", number("1e999")),
        ("smaller than FP32", number("1e-60")),
        ("many digits", number(&format!("0.{}", "3".repeat(100_000)))),
        ("NaN", number("NaN")),
        ("Infinity", number("-Infinity")),
        ("null number", number("null")),
        ("leading zero", number("00")),
        ("hexadecimal", number("0x10")),
        ("plus", number("+1")),
        ("nested 200,000 deep", "[".repeat(200_000)),
        ("data nested 200,000 deep", input("[1,64]", "FP32", &"[".repeat(200_000))),
        ("objects nested 100,000 deep", "{\"a\":".repeat(100_000)),
        (
            "unknown field nested 100,000 deep",
            format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("unfinished string", r#"{"inputs":[{"name":"inp"#.to_owned()),
        ("lone surrogate", r#"{"id":"\ud800","inputs":[]}"#.to_owned()),
        ("control character", "{\"id\":\"\u{1}\",\"inputs\":[]}".to_owned()),
        ("id no string", r#"{"id":5,"inputs":[]}"#.to_owned()),
        ("id long", json!({ "id": "x".repeat(100_000), "inputs": [] }).to_string()),
        (
            "unknown output",
            input("[1,64]", "FP32", &zeros).replace("]}]}", "]}],\"outputs\":[{\"name\":\"nothing\"}]}"),
        ),
        (
            "output twice",
            input("[1,64]", "FP32", &zeros)
                .replace("]}]}", "]}],\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}]}"),
        ),
        (
            "input twice",
            format!(
                r#"{{"inputs":[{0},{0}]}}"#,
                &input("[1,64]", "FP32", &zeros)[11..].trim_end_matches("]}")
            ),
        ),
        (
            "10,000 inputs",
            format!(
                r#"{{"inputs":[{}]}}"#,
                vec![r#"{"name":"x","shape":[0],"datatype":"FP32","data":[]}"#; 10_000].join(",")
            ),
        ),
    ]
    .into_iter()
    .map(|(name, body)| Call::infer(name, body).json())
    .collect();
    calls.push(Call::infer("not utf-8", b"{\"id\":\"\xff\xfe\",\"inputs\":[]}".to_vec()).json());
    calls.push(Call::infer("every byte", (0..=255).collect::<Vec<u8>>()));
    calls.extend(sizes());
    calls.extend(compressed());
    calls
}

/// Lengths in the binary extension that are not those of the body.
fn sizes() -> impl Iterator<Item = Call> {
    let sizes =
        ["257", "255", "0", "-1", "4611686018427387904", "18446744073709551615", "1e3", "\"256\"", "null"];
    sizes.into_iter().map(|size| {
        let head = format!(
            r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}]}}"#
        );
        let length = head.len().to_string();
        let body = [head.as_bytes(), &[0; 256]].concat();
        Call::infer(format!("binary_data_size {size}"), body).header("inference-header-content-length", length)
    })
}

fn compressed() -> Vec<Call> {
    let plain = good();
    let good = gzip(plain.as_bytes());
    let mut broken = good.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    let cut = good[..good.len() - 9].to_vec();
    let garbage_behind = [&good[..], b"garbage"].concat();
    let mut calls = Vec::new();
    for encoding in ["gzip", "deflate"] {
        let bodies = [
            ("not compressed", plain.clone().into_bytes()),
            ("broken", broken.clone()),
            ("cut short", cut.clone()),
            ("empty", Vec::new()),
            ("garbage behind", garbage_behind.clone()),
        ];
        for (name, body) in bodies {
            calls.push(Call::infer(format!("{encoding}, {name}"), body).header("content-encoding", encoding));
        }
    }
    calls.push(Call::infer("20 MB in 20 KB", vec![b' '; 20_000_000]).gzip());
    calls.push(Call::infer("20 MB in 20 KB", vec![b'['; 20_000_000]).deflate());
    calls
}

/// A good request that ends too early, at every third byte.
fn cut_short() -> impl Iterator<Item = Call> {
    (3..good().len()).step_by(3).map(|end| Call::infer(format!("cut at {end}"), &good()[..end]).json())
}

/// A good request with some bytes replaced.
fn mutated(random: &mut Random) -> Vec<Call> {
    let mut calls = Vec::new();
    while calls.len() < 80 {
        let i = calls.len();
        let mut body = good().into_bytes();
        for _ in 0..=i % 3 {
            let at = random.below(body.len());
            body[at] = if i % 2 == 0 { *random.of(br#"{}[]",:0-.eE\ntf"#) } else { random.next() as u8 };
        }
        if body != good().as_bytes() {
            calls.push(Call::infer(format!("mutation {i}"), body).json());
        }
    }
    calls
}

/// More than the limit of both homes; Lambda itself would refuse them before the function is asked.
pub fn too_large() -> [Call; 3] {
    let zeros = vec![b' '; 6 * 1024 * 1024 + 1];
    [
        Call::infer("one byte too large", zeros.clone()).json(),
        Call::post("too large for the index", "/v2/repository/index", zeros.clone()),
        Call::post("too large for nobody", "/v2/models/nothing/infer", zeros),
    ]
}
