//! Inference that should succeed, in every form that clients send, and headers that should not matter.

use serde_json::{Value, json};

use super::call::{Call, gzip};
use super::random::Random;

pub fn calls(random: &mut Random) -> Vec<Call> {
    let mut calls = of_json(random);
    calls.extend(of_raw_tensors(random));
    calls.extend(compressed(random));
    calls.extend(odd_headers(random));
    calls
}

fn row() -> Value {
    json!({ "inputs": [{ "name": "input", "shape": [1, 64], "datatype": "FP32", "data": vec![0; 64] }] })
}

/// A JSON body for `rows` of `values`, nested or flat.
fn request(values: &[f32], rows: usize, is_nested: bool) -> Value {
    let data = if is_nested { json!(values.chunks(64).collect::<Vec<_>>()) } else { json!(values) };
    json!({ "inputs": [{ "name": "input", "shape": [rows, 64], "datatype": "FP32", "data": data }] })
}

fn of_json(random: &mut Random) -> Vec<Call> {
    let outputs = [
        json!(null),
        json!([]),
        json!([{ "name": "label" }]),
        json!([{ "name": "probabilities" }, { "name": "label" }]),
        json!([{ "name": "probabilities", "parameters": { "binary_data": false } }]),
        json!([{ "name": "probabilities", "parameters": { "classification": 3 } }]),
    ];
    let types = [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/octet-stream",
        "application/xml",
        "a/b;c",
        "no type",
    ];
    (0..160)
        .map(|i| {
            let rows = 1 + random.below(4);
            let values = random.digits(rows);
            let mut body = request(&values, rows, i % 2 == 0);
            if i % 3 == 0 {
                body["id"] = format!("request-{i} é \"quoted\"").into();
            }
            let wanted = random.of(&outputs);
            if !wanted.is_null() {
                body["outputs"] = wanted.clone();
            }
            let path =
                if i % 5 == 0 { "/v2/models/digits/versions/1/infer" } else { "/v2/models/digits/infer" };
            let call = Call::post(
                format!("json {i}"),
                path,
                if i % 7 == 0 { format!("{body:#}") } else { body.to_string() },
            );
            match types[i % types.len()] {
                "" => call,
                given => call.header("content-type", given),
            }
        })
        .collect()
}

/// A body of the binary tensor extension, with the length of its JSON.
fn binary(values: &[f32], rows: usize, outputs: &Value) -> (Vec<u8>, usize) {
    let mut head = json!({ "inputs": [{
        "name": "input", "shape": [rows, 64], "datatype": "FP32", "parameters": { "binary_data_size": values.len() * 4 },
    }] });
    for (key, value) in outputs.as_object().unwrap() {
        head[key] = value.clone();
    }
    let mut body = head.to_string().into_bytes();
    let length = body.len();
    body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    (body, length)
}

/// What a client may ask of the outputs: JSON, raw, or some of each.
fn wishes() -> [Value; 5] {
    [
        json!({}),
        json!({ "parameters": { "binary_data_output": true } }),
        json!({ "outputs": [{ "name": "label", "parameters": { "binary_data": true } }, { "name": "probabilities" }] }),
        json!({ "parameters": { "binary_data_output": true }, "outputs": [{ "name": "label", "parameters": { "binary_data": false } }, { "name": "probabilities" }] }),
        json!({ "outputs": [{ "name": "probabilities", "parameters": { "binary_data": true } }] }),
    ]
}

fn of_raw_tensors(random: &mut Random) -> Vec<Call> {
    let wishes = wishes();
    let mut calls: Vec<Call> = (0..100)
        .map(|i| {
            let rows = 1 + random.below(6);
            let values = if i % 4 == 0 { random.bits(rows) } else { random.digits(rows) };
            let (body, length) = binary(&values, rows, random.of(&wishes));
            let call = Call::infer(format!("binary {i}"), body)
                .header("inference-header-content-length", length.to_string());
            if i % 3 == 0 { call.header("content-type", "application/octet-stream") } else { call }
        })
        .collect();
    for rows in [0, 1, 2, 5] {
        let raw: Vec<u8> = random.digits(rows).iter().flat_map(|value| value.to_le_bytes()).collect();
        calls.push(
            Call::infer(format!("raw, {rows} rows"), raw).header("inference-header-content-length", "0"),
        );
    }
    calls.push(Call::infer("raw, half a row", vec![0; 130]).header("inference-header-content-length", "0"));
    for wish in &wishes {
        let mut body = row();
        for (key, value) in wish.as_object().unwrap() {
            body[key] = value.clone();
        }
        calls.push(Call::infer("json in, binary out", body.to_string()).json());
    }
    calls
}

fn compressed(random: &mut Random) -> Vec<Call> {
    let wishes = wishes();
    let mut calls = Vec::new();
    for i in 0..30 {
        let rows = 1 + random.below(5);
        let values = random.digits(rows);
        let call = if i % 2 == 0 {
            Call::infer(format!("compressed json {i}"), request(&values, rows, i % 4 == 0).to_string())
        } else {
            let (body, length) = binary(&values, rows, random.of(&wishes));
            Call::infer(format!("compressed binary {i}"), body)
                .header("inference-header-content-length", length.to_string())
        };
        calls.extend([call.clone().gzip(), call.clone().deflate(), call.gzip().json()]);
    }
    calls
}

fn odd_headers(random: &mut Random) -> Vec<Call> {
    let body = row().to_string();
    let infer = |name: &str| Call::infer(name, body.clone());
    let mut calls = Vec::new();
    let long = "i".repeat(5_000);
    for id in [
        "mine",
        "0f8c1b9e-7d52-4a8e-9a6f-2d1f6f0b3c4d",
        "",
        " spaced out ",
        "\"quoted\" \\ {json}",
        "a,b;c=d",
        &"i".repeat(200),
        &long,
    ] {
        calls.push(infer("request id").header("x-request-id", id));
        calls.push(Call::get("request id", "/v2/models/nothing").header("x-request-id", id));
    }
    let exact = body.len().to_string();
    let beyond = (body.len() + 1).to_string();
    for length in [
        "",
        "0",
        "1",
        "-1",
        "+1",
        "1.0",
        "1e2",
        "0x10",
        " 7 ",
        "garbage",
        "18446744073709551615",
        "18446744073709551616",
        &exact,
        &beyond,
    ] {
        calls.push(infer("header length").header("inference-header-content-length", length));
    }
    let (binary, length) = binary(&random.digits(1), 1, &json!({}));
    for off in [-2_isize, -1, 1, 255, 256, 257] {
        let length = length.checked_add_signed(off).unwrap().to_string();
        let call = Call::infer(format!("header length off by {off}"), binary.clone());
        calls.push(call.header("inference-header-content-length", length));
    }
    for encoding in
        ["br", "zstd", "compress", "identity", "", "GZIP", "x-gzip", "gzip, gzip", "gzip,deflate", "garbage"]
    {
        calls.push(infer("unread encoding").header("content-encoding", encoding));
        calls.push(Call::infer("encoding", gzip(body.as_bytes())).header("content-encoding", encoding));
    }
    for accept in ["application/octet-stream", "text/html", "*/*", "garbage", ""] {
        calls.push(infer("accept").header("accept", accept));
    }
    for encoding in ["gzip", "deflate", "br", "identity;q=0"] {
        calls.push(infer("accept encoding").header("accept-encoding", encoding));
    }
    calls.push(infer("cookie").header("cookie", "a=1; b=2"));
    calls.push(infer("authorization").header("authorization", "Bearer garbage"));
    calls.push(infer("origin").header("origin", "https://example.org"));
    calls.push(infer("form").header("content-type", "application/x-www-form-urlencoded"));
    calls.push(infer("multipart").header("content-type", "multipart/form-data; boundary=x"));
    calls.push(Call::get("a body to read", "/v2/health/live").body("{}").json());
    calls
}
