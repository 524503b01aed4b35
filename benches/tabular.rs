//! `cargo bench --bench tabular -- --models FOLDER --onnxruntime LIBRARY`: the tabular engine beside ONNX Runtime, on the models of
//! `models/zoo/speed.py`. Bytes in to bytes out on both sides, one thread each, in turns, in one process; medians of ratios.
//!
//! `models/zoo/race` writes the models, finds the library and starts it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]

mod rig;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor as OrtTensor, TensorElementType};
use rig::{Bars, median};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use twofold::engine::{self, Engine, Source, Spread};
use twofold::tensor::{Data, Datatype, Shape, Strings, Tensor};

/// What `rows.oip` says of an input.
#[derive(Deserialize)]
struct Spec {
    name: String,
    datatype: String,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
struct Rows {
    inputs: Vec<Spec>,
}

/// One input of a request: so many rows, as the bytes that a client sends.
struct Part {
    name: String,
    datatype: Datatype,
    sizes: Vec<usize>,
    bytes: Vec<u8>,
}

/// A model, and its rows by input.
struct Case {
    name: String,
    ours: Arc<dyn Engine>,
    theirs: Session,
    rows: Vec<(Spec, Vec<Vec<u8>>)>,
}

/// The bars for one row, and for more of them.
fn bars(case: &str) -> [f64; 3] {
    match case {
        "logistic" | "digits" | "parcels" => [0.5, 1.0, 1.0],
        _ => [0.5, 0.7, 0.7],
    }
}

fn read(path: &Path) -> Vec<(Spec, Vec<Vec<u8>>)> {
    let file = fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk::<4>().unwrap();
    let (json, mut raw) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let rows: Rows = serde_json::from_slice(json).unwrap();
    let mut take = |bytes: usize| {
        let (taken, rest) = raw.split_at(bytes);
        raw = rest;
        taken.to_vec()
    };
    let mut row = |spec: &Spec| -> Vec<u8> {
        let columns: usize = spec.shape[1..].iter().product();
        if spec.datatype != "BYTES" {
            return take(columns * 4);
        }
        (0..columns)
            .flat_map(|_| {
                let length = take(4);
                let text = take(u32::from_le_bytes(length[..].try_into().unwrap()) as usize);
                [length, text].concat()
            })
            .collect()
    };
    rows.inputs
        .into_iter()
        .map(|spec| {
            let rows = (0..spec.shape[0]).map(|_| row(&spec)).collect();
            (spec, rows)
        })
        .collect()
}

impl Case {
    fn load(folder: &Path, environment: &ort::environment::Environment) -> Self {
        let model = fs::read(folder.join("model.onnx")).unwrap();
        let theirs = Session::builder(environment)
            .and_then(|builder| Ok(builder.with_intra_threads(1)?.with_inter_threads(1)?))
            .and_then(|mut builder| builder.commit_from_memory(&model))
            .unwrap();
        let source =
            Source { model: model.into(), engine: Some("tabular".into()), threads: 1, ..Source::default() };
        let ours = engine::load(&source).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, ours, theirs, rows: read(&folder.join("rows.oip")) }
    }

    /// Requests of so many rows each, which together have all rows once.
    fn requests(&self, batch: usize) -> Vec<Vec<Part>> {
        let rows = self.rows[0].1.len();
        (0..rows / batch)
            .map(|request| {
                let part = |(spec, rows): &(Spec, Vec<Vec<u8>>)| Part {
                    name: spec.name.clone(),
                    datatype: Datatype::from_name(&spec.datatype).unwrap(),
                    sizes: [&[batch], &spec.shape[1..]].concat(),
                    bytes: rows[request * batch..(request + 1) * batch].concat(),
                };
                self.rows.iter().map(part).collect()
            })
            .collect()
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn strings(mut bytes: &[u8]) -> Vec<&str> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        texts.push(std::str::from_utf8(text).unwrap());
        bytes = rest;
    }
    texts
}

fn written<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    texts.flat_map(|text| [&u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat()).collect()
}

/// By our engine.
fn ours(engine: &dyn Engine, request: &[Part]) -> Vec<Vec<u8>> {
    let tensor = |part: &Part| {
        let data = match part.datatype {
            Datatype::Bytes => Data::Bytes(strings(&part.bytes).into_iter().collect::<Strings>()),
            _ => Data::Fp32(floats(&part.bytes)),
        };
        Tensor::new(Shape::new(part.sizes.as_slice()), data).unwrap()
    };
    let outputs = engine::infer(engine, request.iter().map(tensor).collect(), &[0, 1], Spread::One).unwrap();
    let bytes = |output: &Tensor| match output.data() {
        Data::Bytes(strings) => written(strings.iter()),
        data => data.bytes().unwrap().to_vec(),
    };
    outputs.iter().map(bytes).collect()
}

/// By ONNX Runtime.
fn theirs(session: &mut Session, request: &[Part]) -> Vec<Vec<u8>> {
    let tensor = |part: &Part| -> SessionInputValue<'_> {
        match part.datatype {
            Datatype::Bytes => {
                let texts: Vec<String> = strings(&part.bytes).into_iter().map(str::to_owned).collect();
                OrtTensor::from_string_array((part.sizes.as_slice(), texts.as_slice())).unwrap().into()
            }
            _ => OrtTensor::from_array((part.sizes.as_slice(), floats(&part.bytes))).unwrap().into(),
        }
    };
    let inputs: Vec<_> = request.iter().map(|part| (part.name.as_str(), tensor(part))).collect();
    let outputs = session.run(inputs).unwrap();
    (0..2)
        .map(|index| {
            let output = &outputs[index];
            match *output.dtype().tensor_type().as_ref().unwrap() {
                TensorElementType::Int64 => {
                    let (_, values) = output.try_extract_tensor::<i64>().unwrap();
                    values.iter().flat_map(|value| value.to_le_bytes()).collect()
                }
                TensorElementType::Float32 => {
                    let (_, values) = output.try_extract_tensor::<f32>().unwrap();
                    values.iter().flat_map(|value| value.to_le_bytes()).collect()
                }
                TensorElementType::String => {
                    let (_, texts) = output.try_extract_strings().unwrap();
                    written(texts.iter().map(String::as_bytes))
                }
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

/// The time of one request, as a mean over a run through all of them that takes a few milliseconds.
fn time(requests: &[Vec<Part>], mut run: impl FnMut(&[Part]) -> Vec<Vec<u8>>) -> f64 {
    let started = Instant::now();
    let mut times = 0_u32;
    while started.elapsed() < Duration::from_millis(4) {
        for request in requests {
            black_box(run(black_box(request)));
            times += 1;
        }
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn agree(case: &mut Case) {
    for request in case.requests(1000) {
        let (ours, theirs) = (ours(&*case.ours, &request), theirs(&mut case.theirs, &request));
        assert_eq!(ours[0], theirs[0], "{}: labels", case.name);
        for (a, b) in floats(&ours[1]).into_iter().zip(floats(&theirs[1])) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{}: {a} {b}", case.name);
        }
    }
}

/// The bytes of the large forest as it is walked: 16 for a test, 4 for a leaf, 38 full trees of 15 levels.
const PACKED: f64 = 38.0 * (32_767.0 * 16.0 + 32_768.0 * 4.0);

/// Resident memory in bytes that is no file's: the code that loads is paged in with the first model, and is none of it.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Loading a forest of 100 MB, beside reading the file and hashing it; and what stays in memory of it.
fn large(folder: &Path, bars: &mut Bars) {
    let path = folder.join("model.onnx");
    let read = || {
        let started = Instant::now();
        let file = fs::read(&path).unwrap();
        black_box(Sha256::digest(&file));
        (file, started.elapsed().as_secs_f64())
    };
    let load = |file: Vec<u8>| {
        let engine = Some("tabular".into());
        engine::load(&Source { model: file.into(), engine, threads: 1, ..Source::default() }).unwrap()
    };
    let before = resident();
    let engine = load(read().0);
    let held = resident() - before;
    drop(engine);
    let rounds: Vec<(f64, f64)> = (0..7)
        .map(|_| {
            let (file, reading) = read();
            let started = Instant::now();
            let engine = black_box(load(file));
            let loading = started.elapsed().as_secs_f64();
            drop(engine);
            (reading, loading)
        })
        .collect();
    let reading = median(rounds.iter().map(|(reading, _)| *reading));
    let loading = median(rounds.iter().map(|(_, loading)| *loading));
    println!("large: read and hashed in {:.0} ms, loaded in {:.0} ms", reading * 1e3, loading * 1e3);
    bars.at_most(
        "large, loaded, of reading and hashing",
        median(rounds.iter().map(|(reading, loading)| (reading + loading) / reading)),
        2.0,
    );
    println!("large: {:.1} MiB held, {:.1} MiB packed", held / 1_048_576.0, PACKED / 1_048_576.0);
    bars.at_most("large, memory held, of the packed nodes", held / PACKED, 1.2);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).map(PathBuf::from)
    };
    let (Some(models), Some(library)) = (given("--models"), given("--onnxruntime")) else {
        eprintln!(
            "NOT RUN: this bench needs --models FOLDER and --onnxruntime LIBRARY; models/zoo/race gives both"
        );
        return ExitCode::FAILURE;
    };
    let environment = ort::init_from(library).unwrap().build().unwrap();
    let mut folders: Vec<_> = fs::read_dir(&models).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut bars_met = Bars::default();
    // First, while the process is small.
    large(&models.join("large"), &mut bars_met);
    folders.retain(|folder| !folder.ends_with("large"));
    println!("microseconds a request: tabular / ONNX Runtime = ratio");
    for folder in folders {
        let mut case = Case::load(&folder, &environment);
        agree(&mut case);
        for (batch, bar) in [1, 32, 1000].into_iter().zip(bars(&case.name)) {
            let requests = case.requests(batch);
            let rounds: Vec<(f64, f64)> = (0..31)
                .map(|round| {
                    // Who goes first takes turns too.
                    let own = || time(&requests, |request| ours(&*case.ours, request));
                    if round % 2 == 0 {
                        let own = own();
                        (own, time(&requests, |request| theirs(&mut case.theirs, request)))
                    } else {
                        let other = time(&requests, |request| theirs(&mut case.theirs, request));
                        (own(), other)
                    }
                })
                .collect();
            let own = median(rounds.iter().map(|(own, _)| *own));
            let other = median(rounds.iter().map(|(_, other)| *other));
            let ratio = median(rounds.iter().map(|(own, other)| own / other));
            println!("{}, {batch} rows: {own:.2} / {other:.2}", case.name);
            bars_met.at_most(&format!("{}, {batch} rows", case.name), ratio, bar);
        }
    }
    bars_met.verdict()
}
