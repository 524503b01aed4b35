//! `cargo bench --bench codec`: reading and writing bodies, against `serde_json` into `Vec<f32>` on the same bytes, and raw
//! tensors against copying memory. One process, interleaved rounds, medians of ratios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use rig::{Bars, median};
use serde::{Deserialize, Serialize};
use twofold::protocol::{Answer, Request};
use twofold::tensor::{Data, Shape, Tensor};

/// What a client's body is to serde.
#[derive(Deserialize, Serialize)]
struct Body {
    inputs: Vec<Input>,
}

#[derive(Deserialize, Serialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Vec<f32>,
}

/// Bytes of different bodies, as far as bodies are smaller.
const BODIES: usize = 1 << 20;

/// Numbers as clients send them.
#[derive(Clone, Copy)]
enum Numbers {
    /// Shortest decimals of FP32.
    Single,
    /// What Python's json writes of an FP64 that is an FP32 widened: up to 17 digits.
    Widened,
    /// Whole numbers, as pixels.
    Pixels,
}

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..count).map(|_| next() * 2.0 - 1.0).collect()
}

fn body(numbers: Numbers, seed: u64, bytes: usize) -> String {
    let text = |value: f32| match numbers {
        Numbers::Single => format!("{value:?}"),
        Numbers::Widened => format!("{:?}", f64::from(value)),
        Numbers::Pixels => format!("{}", (value.abs() * 255.0).round()),
    };
    let (mut data, mut count) = (String::new(), 0);
    for value in values(seed, bytes / 2) {
        if data.len() + 100 >= bytes && count > 0 {
            break;
        }
        data.push_str(if count > 0 { "," } else { "" });
        data.push_str(&text(value));
        count += 1;
    }
    format!(r#"{{"inputs":[{{"name":"x","shape":[{count}],"datatype":"FP32","data":[{data}]}}]}}"#)
}

/// The median ratio of the reference's time to ours: above 1 = ours is faster.
fn ratio<A, B>(bytes: usize, mut ours: impl FnMut() -> A, mut reference: impl FnMut() -> B) -> f64 {
    let repeats = (2_000_000 / bytes).max(1);
    let rounds = (0..31).map(|_| {
        let started = Instant::now();
        (0..repeats).for_each(|_| drop(black_box(ours())));
        let ours = started.elapsed();
        let started = Instant::now();
        (0..repeats).for_each(|_| drop(black_box(reference())));
        started.elapsed().as_secs_f64() / ours.as_secs_f64()
    });
    median(rounds.collect::<Vec<_>>())
}

fn main() -> ExitCode {
    let mut bars = Bars::default();
    for (size, bytes) in [("1 KB", 1 << 10), ("100 KB", 100 << 10), ("5 MB", 5 << 20)] {
        for (kind, numbers) in [
            ("FP32", Numbers::Single),
            ("FP32 as Python widens it", Numbers::Widened),
            ("pixels", Numbers::Pixels),
        ] {
            // Each time another body: one that comes again and again is learnt by the processor's branch predictor.
            let bodies: Vec<_> =
                (1..=BODIES.div_ceil(bytes) as u64).map(|seed| body(numbers, seed, bytes)).collect();
            for body in &bodies {
                let ours = Request::parse(body.as_bytes(), None).unwrap();
                let theirs: Body = serde_json::from_str(body).unwrap();
                assert_eq!(ours.inputs[0].1.data(), &Data::Fp32(theirs.inputs[0].data.clone()));
            }
            let (mut ours, mut theirs) = (bodies.iter().cycle(), bodies.iter().cycle());
            let faster = ratio(
                bytes,
                || Request::parse(black_box(ours.next().unwrap().as_bytes()), None).unwrap(),
                || serde_json::from_slice::<Body>(black_box(theirs.next().unwrap().as_bytes())).unwrap(),
            );
            bars.at_least(&format!("parse, {size}, {kind}: times as fast as serde_json"), faster, 1.5);
        }
        let data = values(1, bytes / 12);
        let tensor = Tensor::new(Shape::new([data.len()]), Data::Fp32(data.clone())).unwrap();
        let json = Answer { model: "m", version: "1", id: None, outputs: vec![("x", tensor, false)] };
        let theirs = Body {
            inputs: vec![Input {
                name: "x".into(),
                shape: vec![data.len()],
                datatype: "FP32".into(),
                data: data.clone(),
            }],
        };
        let faster = ratio(
            bytes,
            || black_box(&json).encode().unwrap(),
            || serde_json::to_vec(black_box(&theirs)).unwrap(),
        );
        bars.at_least(&format!("write, {size}, FP32: times as fast as serde_json"), faster, 1.0);

        let data = values(1, bytes / 4);
        let tensor = Tensor::new(Shape::new([data.len()]), Data::Fp32(data)).unwrap();
        let raw = Answer { model: "m", version: "1", id: None, outputs: vec![("x", tensor.clone(), true)] };
        let encoded = raw.encode().unwrap();
        let request = String::from_utf8(encoded.body[..encoded.json.unwrap()].to_vec())
            .unwrap()
            .replace("outputs", "inputs");
        let request_body = [request.as_bytes(), tensor.data().bytes().unwrap()].concat();
        let copy = || tensor.data().bytes().unwrap().to_vec();
        let read =
            ratio(bytes, || Request::parse(black_box(&request_body), Some(request.len())).unwrap(), copy);
        let written = ratio(bytes, || black_box(&raw).encode().unwrap(), copy);
        println!("raw, {size}: reading takes {:.2} of a copy, writing {:.2}", 1.0 / read, 1.0 / written);
        // A kilobyte is copied in the time of a few instructions: what is left is the JSON around it.
        if bytes > 1 << 10 {
            bars.at_most(&format!("raw, {size}: reading against a copy"), 1.0 / read, 1.5);
            bars.at_most(&format!("raw, {size}: writing against a copy"), 1.0 / written, 1.5);
        }
    }
    bars.verdict()
}
