//! The tabular engine against ONNX Runtime's answers, which `models/zoo` wrote down: the cases of tests/zoo in every run of the
//! tests; all of them, and the ONNX project's own node tests, where their folders are given (see [`every_case`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use twofold::engine::{self, Engine, Source, Spread};
use twofold::tensor::{Data, Datatype, Shape, Strings, Tensor};

/// What `rows.oip` says before its tensors.
#[derive(Deserialize)]
struct Case {
    /// What made the model; a node test has none.
    #[serde(default)]
    estimator: String,
    inputs: Vec<Spec>,
    outputs: Vec<Spec>,
    /// Rows at a time; one run with everything where it is not given, as in a node test.
    #[serde(default)]
    batches: Vec<usize>,
    #[serde(default)]
    missing: bool,
    rtol: Option<f64>,
    atol: Option<f64>,
}

#[derive(Deserialize)]
struct Spec {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    #[serde(default)]
    axis: usize,
    #[serde(default)]
    labels: Vec<serde_json::Value>,
}

/// Cases whose rows may differ, how many of them at most, and why. Twice as many as do here, for the same reason.
const KNOWN: [(&str, usize, &str); 15] = [
    ("bernoulli_nb_2_unbinarized", 4, CANCELS),
    ("kernel_pca_poly", 4, CANCELS),
    ("multi_task_lasso_outputs", 4, CANCELS),
    ("multinomial_nb_2_integers", 6, CANCELS),
    ("multinomial_nb_10_integers", 16, CANCELS),
    ("perceptron_10_raw_scores", 4, CANCELS),
    ("perceptron_10_string_zipmap", 4, CANCELS),
    ("plain_reducemean_float32", 4, CANCELS),
    ("plain_reducesum_float32", 4, CANCELS),
    ("plain_logsoftmax_float64", 42, "ONNX Runtime drops a NaN among doubles; the specification is silent"),
    ("hand_linear_classes_3_probit", 6, PROBIT),
    ("hand_linear_targets_1_probit", 6, PROBIT),
    ("hand_linear_targets_3_probit", 6, PROBIT),
    ("hand_tree_classes_3_probit", 212, PROBIT),
    ("hand_trees_probit_1", 12, PROBIT),
];

const CANCELS: &str =
    "large terms cancel each other, so that the order of a sum decides about digits that are compared";
const PROBIT: &str = "PROBIT's approximation loses digits around one half: the last bit of a score moves the fifth of its result";

/// Cases with rows whose label may be another because two scores are a tie, and how many of them at most.
const TIED: [(&str, usize); 0] = [];

/// The ONNX project's own tests of the engine's operators, or more: the newest package may have others.
const NODE_TESTS: usize = 540;

/// What a case showed.
#[derive(Clone, Debug, Default)]
struct Seen {
    estimator: String,
    cases: usize,
    rows: usize,
    /// Rows that differ, and how the first does.
    differing: usize,
    first: Option<String>,
    /// Rows that differ by less than ten times the bound, and in nothing but scores.
    slightly: usize,
    /// Of |a - b| / max(1, |b|).
    largest: f64,
    /// Rows whose label differs while its score and that of the label expected are both within the bound of the best.
    near_ties: usize,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.rows += other.rows;
        self.near_ties += other.near_ties;
        self.differing += other.differing;
        self.slightly += other.slightly;
        self.largest = self.largest.max(other.largest);
    }
}

fn read(folder: &Path) -> (Case, Vec<Tensor>, Vec<Tensor>) {
    let file = fs::read(folder.join("rows.oip")).unwrap();
    let (length, rest) = file.split_first_chunk::<4>().unwrap();
    let (json, mut raw) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let case: Case = serde_json::from_slice(json).unwrap();
    let mut tensors = |specs: &[Spec]| specs.iter().map(|spec| tensor(spec, &mut raw)).collect::<Vec<_>>();
    let (inputs, outputs) = (tensors(&case.inputs), tensors(&case.outputs));
    assert!(raw.is_empty(), "{}: bytes are left", folder.display());
    (case, inputs, outputs)
}

fn tensor(spec: &Spec, raw: &mut &[u8]) -> Tensor {
    let count: usize = spec.shape.iter().product();
    let mut take = |bytes: usize| {
        let (taken, rest) = raw.split_at(bytes);
        *raw = rest;
        taken
    };
    let data = match Datatype::from_name(&spec.datatype).unwrap() {
        Datatype::Bool => Data::Bool(take(count).iter().map(|&byte| byte != 0).collect()),
        Datatype::Fp32 => {
            Data::Fp32(take(count * 4).as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
        }
        Datatype::Fp64 => {
            Data::Fp64(take(count * 8).as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
        }
        Datatype::Int32 => {
            Data::Int32(take(count * 4).as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)).collect())
        }
        Datatype::Int64 => {
            Data::Int64(take(count * 8).as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect())
        }
        Datatype::Bytes => {
            let mut strings = Strings::default();
            for _ in 0..count {
                let length = u32::from_le_bytes(take(4).try_into().unwrap());
                assert!(strings.push(take(length as usize)));
            }
            Data::Bytes(strings)
        }
        other => panic!("{other}"),
    };
    Tensor::new(Shape::new(spec.shape.clone()), data).unwrap()
}

/// Some neighbouring slices of a tensor along an axis.
fn part(tensor: &Tensor, axis: usize, from: usize, to: usize) -> Tensor {
    let sizes = tensor.shape().sizes();
    let before: usize = sizes[..axis].iter().product();
    let behind: usize = sizes[axis + 1..].iter().product();
    let size = sizes[axis];
    let places: Vec<usize> =
        (0..before).flat_map(|row| (row * size + from) * behind..(row * size + to) * behind).collect();
    let data = match tensor.data() {
        Data::Bool(values) => Data::Bool(places.iter().map(|&at| values[at]).collect()),
        Data::Fp32(values) => Data::Fp32(places.iter().map(|&at| values[at]).collect()),
        Data::Fp64(values) => Data::Fp64(places.iter().map(|&at| values[at]).collect()),
        Data::Int32(values) => Data::Int32(places.iter().map(|&at| values[at]).collect()),
        Data::Int64(values) => Data::Int64(places.iter().map(|&at| values[at]).collect()),
        Data::Bytes(strings) => Data::Bytes(places.iter().map(|&at| strings.get(at).unwrap()).collect()),
        other => panic!("{}", other.datatype()),
    };
    let mut sizes = sizes.to_vec();
    sizes[axis] = to - from;
    Tensor::new(Shape::new(sizes), data).unwrap()
}

fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor.data() {
        Data::Fp32(values) => Some(values.iter().map(|&value| value.into()).collect()),
        Data::Fp64(values) => Some(values.clone()),
        _ => None,
    }
}

/// The bits of a tensor's elements: NaN is equal to itself, and zeros are told apart.
fn bits(tensor: &Tensor) -> Vec<u8> {
    match tensor.data() {
        Data::Bytes(strings) => strings.iter().flat_map(|text| [text, b"\0"].concat()).collect(),
        data => data.bytes().unwrap().to_vec(),
    }
}

fn run(engine: &dyn Engine, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, String> {
    let all: Vec<usize> = (0..engine.signature().outputs.len()).collect();
    engine::infer(engine, inputs, &all, Spread::One).map_err(|error| error.to_string())
}

/// Whether what was made has the shape that the signature declares.
fn declared(engine: &dyn Engine, made: &[Tensor]) -> Result<(), String> {
    for (spec, made) in engine.signature().outputs.iter().zip(made) {
        let sizes = made.shape().sizes();
        let fits = |(&declared, &size): (&i64, &usize)| declared < 0 || usize::try_from(declared) == Ok(size);
        if spec.shape.len() != sizes.len() || !spec.shape.iter().zip(sizes).all(fits) {
            return Err(format!("{} is declared as {:?} and made as {sizes:?}", spec.name, spec.shape));
        }
    }
    Ok(())
}

fn check(folder: &Path) -> Result<Seen, String> {
    let (case, inputs, outputs) = read(folder);
    let model = fs::read(folder.join("model.onnx")).unwrap();
    let source =
        Source { model: model.into(), engine: Some("tabular".into()), threads: 1, ..Source::default() };
    let engine = engine::load(&source).map_err(|error| format!("load: {error}"))?;
    let signature = engine.signature();
    for (spec, expected) in signature.outputs.iter().zip(&case.outputs) {
        if spec.name != expected.name {
            return Err(format!("output {} is called {}", expected.name, spec.name));
        }
        let text =
            |label: &serde_json::Value| label.as_str().map_or_else(|| label.to_string(), str::to_owned);
        let labels: Vec<String> = expected.labels.iter().map(text).collect();
        if !labels.is_empty() && spec.labels != labels {
            return Err(format!("labels are {:?}", spec.labels));
        }
    }
    let labels = signature.outputs.iter().map(|spec| &spec.labels).find(|labels| !labels.is_empty());
    let labels: Vec<String> = labels.cloned().unwrap_or_default();
    let mut seen = Seen { estimator: case.estimator.clone(), cases: 1, ..Seen::default() };
    if case.batches.is_empty() {
        let got = run(&*engine, inputs.clone())?;
        declared(&*engine, &got)?;
        compare(&case, &labels, &inputs, &got, &outputs, &mut seen)?;
        return Ok(seen);
    }
    let mut start = 0;
    for &batch in &case.batches {
        let rows = |tensors: &[Tensor], specs: &[Spec]| -> Vec<Tensor> {
            let axes = specs.iter().map(|spec| spec.axis);
            tensors.iter().zip(axes).map(|(tensor, axis)| part(tensor, axis, start, start + batch)).collect()
        };
        let (given, expected) = (rows(&inputs, &case.inputs), rows(&outputs, &case.outputs));
        let got = run(&*engine, given.clone()).map_err(|reason| format!("batch of {batch}: {reason}"))?;
        declared(&*engine, &got).map_err(|reason| format!("batch of {batch}: {reason}"))?;
        compare(&case, &labels, &given, &got, &expected, &mut seen)
            .map_err(|reason| format!("batch of {batch}: {reason}"))?;
        // A row's answer is the same to the bit when it comes alone.
        if batch > 1 && case.outputs.iter().all(|output| output.axis == 0) {
            for row in (0..batch).step_by(1.max(batch / 7)) {
                let one = given.iter().map(|tensor| part(tensor, 0, row, row + 1)).collect();
                let alone = run(&*engine, one).map_err(|reason| format!("row {row} alone: {reason}"))?;
                for (alone, all) in alone.iter().zip(&got) {
                    if bits(alone) != bits(&part(all, 0, row, row + 1)) {
                        return Err(format!("row {row} of {batch} answers otherwise when it comes alone"));
                    }
                }
            }
        }
        start += batch;
    }
    Ok(seen)
}

/// A row of a tensor whose rows are along some axis; all of a tensor without dimensions.
fn row_of(tensor: &Tensor, axis: usize, row: usize) -> Tensor {
    if tensor.shape().rank() == 0 { tensor.clone() } else { part(tensor, axis, row, row + 1) }
}

fn compare(
    case: &Case,
    labels: &[String],
    inputs: &[Tensor],
    got: &[Tensor],
    expected: &[Tensor],
    seen: &mut Seen,
) -> Result<(), String> {
    let (rtol, atol) = (case.rtol.unwrap_or(1e-5), case.atol.unwrap_or(1e-5));
    let is_matrix = |(_, tensor): &(&Spec, &Tensor)| tensor.shape().rank() == 2 && floats(tensor).is_some();
    let scores = case.outputs.iter().zip(expected).find(is_matrix);
    let lost: Vec<bool> = nan_rows(inputs);
    seen.rows += expected.first().and_then(|tensor| tensor.shape().sizes().first()).copied().unwrap_or(1);
    let mut differing: BTreeMap<usize, String> = BTreeMap::new();
    let mut slightly = BTreeSet::new();
    for ((spec, got), expected) in case.outputs.iter().zip(got).zip(expected) {
        let name = &spec.name;
        if (got.datatype(), got.shape()) != (expected.datatype(), expected.shape()) {
            return Err(format!(
                "{name} is {} {}, expected {} {}",
                got.datatype(),
                got.shape(),
                expected.datatype(),
                expected.shape()
            ));
        }
        let sizes = expected.shape().sizes();
        let rows = sizes.get(spec.axis).copied().unwrap_or(1);
        if let (Some(got), Some(expected)) = (floats(got), floats(expected)) {
            let behind: usize = sizes.iter().skip(spec.axis + 1).product();
            for (at, (a, b)) in got.into_iter().zip(expected).enumerate() {
                // The same number, or both NaN.
                if a.partial_cmp(&b) == Some(std::cmp::Ordering::Equal) || (a.is_nan() && b.is_nan()) {
                    continue;
                }
                let row = at / behind.max(1) % rows;
                // Both sides of the project's own bound for cases, the package's for node tests.
                let bound = if case.rtol.is_some() { atol + rtol * b.abs() } else { rtol * b.abs().max(1.0) };
                if (a - b).abs() <= bound {
                    seen.largest = seen.largest.max((a - b).abs() / b.abs().max(1.0));
                } else if (a - b).abs() <= 10.0 * bound {
                    slightly.insert(row);
                } else {
                    differing.entry(row).or_insert_with(|| format!("{name}[{at}] is {a}, expected {b}"));
                }
            }
            continue;
        }
        for row in 0..rows {
            let (got, expected) = (row_of(got, spec.axis, row), row_of(expected, spec.axis, row));
            if bits(&got) == bits(&expected) {
                continue;
            }
            let own = scores.and_then(|(spec, scores)| {
                let rows = scores.shape().sizes().get(spec.axis).copied().unwrap_or(0);
                (row < rows).then(|| floats(&row_of(scores, spec.axis, row)).unwrap())
            });
            let is_tied = own.as_ref().is_some_and(|own| {
                [&got, &expected].into_iter().all(|label| is_among_the_best(label, labels, own))
            });
            if is_tied {
                seen.near_ties += 1;
            } else if !(lost.get(row) == Some(&true) && !case.missing && case.rtol.is_none()) {
                let difference =
                    format!("{name}, row {row} is {got:?}, expected {expected:?}, scores {own:?}");
                differing.entry(row).or_insert(difference);
            }
        }
    }
    seen.differing += differing.len();
    seen.slightly += slightly.iter().filter(|row| !differing.contains_key(row)).count();
    seen.first = seen.first.take().or_else(|| differing.into_values().next());
    Ok(())
}

/// Rows with NaN: where that does not stand for a missing value, which label wins is nobody's promise. Infinities are numbers.
fn nan_rows(inputs: &[Tensor]) -> Vec<bool> {
    let rows = inputs.first().and_then(|input| input.shape().sizes().first()).copied().unwrap_or(0);
    (0..rows)
        .map(|row| {
            inputs.iter().any(|input| {
                input.shape().sizes().first() == Some(&rows)
                    && floats(&part(input, 0, row, row + 1))
                        .is_some_and(|values| values.iter().any(|value| value.is_nan()))
            })
        })
        .collect()
}

/// Whether a label is one whose score is the row's best or within the bound of it. Of one score for two classes both are, where
/// it is on the threshold between them.
fn is_among_the_best(label: &Tensor, labels: &[String], scores: &[f64]) -> bool {
    let text = match label.data() {
        Data::Int64(values) => values.first().map(i64::to_string),
        Data::Bytes(strings) => strings.get(0).map(|text| String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let place = labels.iter().position(|label| Some(label) == text.as_ref());
    match (place, scores) {
        (Some(_), [only]) => only.abs() <= 1e-5 || (only - 0.5).abs() <= 1e-5,
        (Some(place), scores) if scores.len() == labels.len() => {
            let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            best - scores[place] <= 1e-5 * best.abs().max(1.0)
        }
        _ => false,
    }
}

/// Checks every case of a folder and prints what they showed. Gives the failures by name, and what each case showed.
fn check_all(root: &Path) -> (Vec<String>, Vec<Seen>) {
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("rows.oip").exists())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no cases in {}", root.display());
    let (mut all, mut failures, mut every) = (Seen::default(), Vec::new(), Vec::new());
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let known = KNOWN.iter().find(|(case, ..)| *case == name);
        let permitted = known.map_or(0, |&(_, rows, _)| rows);
        let seen = check(folder).and_then(|seen| {
            let tied = TIED.iter().find(|(case, _)| *case == name).map_or(0, |&(_, rows)| rows);
            let few = seen.differing <= permitted && seen.slightly <= permitted && seen.near_ties <= tied;
            let first = || seen.first.clone().unwrap_or_default();
            let Seen { differing, slightly, near_ties, .. } = seen;
            if few {
                Ok(seen)
            } else {
                let counts =
                    format!("{differing} rows differ, {slightly} slightly, {near_ties} in a tied label");
                Err(format!("{counts}: {}", first()))
            }
        });
        match seen {
            Ok(seen) => {
                if seen.differing + seen.slightly > 0 {
                    let reason = known.map_or("this processor", |(_, _, reason)| *reason);
                    let Seen { differing, slightly, rows, .. } = seen;
                    println!("{name}: {differing} of {rows} rows differ, {slightly} slightly: {reason}");
                }
                all.add(&seen);
                every.push(seen);
            }
            Err(reason) => {
                let brief: String = reason.chars().take(300).collect();
                failures.push(format!("{name}: {brief}"));
            }
        }
    }
    println!(
        "{}: {} of {} cases agree; {} rows, largest difference {:.1e}, {} near-ties",
        root.display(),
        folders.len() - failures.len(),
        folders.len(),
        all.rows,
        all.largest,
        all.near_ties
    );
    (failures, every)
}

/// What the cases of each estimator showed, as a table of Markdown.
fn table(every: &[Seen]) -> Vec<String> {
    let mut estimators: BTreeMap<&str, Seen> = BTreeMap::new();
    for seen in every.iter().filter(|seen| !seen.estimator.is_empty()) {
        estimators.entry(&seen.estimator).or_default().add(seen);
    }
    let line = |(estimator, seen): (&&str, &Seen)| {
        let Seen { cases, rows, largest, near_ties, differing, slightly, .. } = seen;
        let differing = differing + slightly;
        format!("| {estimator} | {cases} | {rows} | {largest:.1e} | {near_ties} | {differing} |")
    };
    estimators.iter().map(line).collect()
}

/// The first two columns, which do not depend on the processor that the models were trained by.
fn names(table: &[String]) -> Vec<&str> {
    table.iter().map(|line| line.match_indices('|').nth(2).map_or("", |(end, _)| &line[..end])).collect()
}

#[test]
fn the_committed_cases_agree_with_onnx_runtime() {
    let (failures, _) = check_all(Path::new("tests/zoo"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Prints a number for each committed case that its answers' bits decide.
#[test]
#[ignore = "says nothing by itself: models/zoo/bits compares what two builds print"]
fn bits_of_the_committed_cases() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir("tests/zoo").unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.join("model.onnx").exists()) {
        let model = fs::read(folder.join("model.onnx")).unwrap().into();
        let engine = Some("tabular".to_owned());
        let engine = engine::load(&Source { model, engine, threads: 1, ..Source::default() }).unwrap();
        let answers = run(&*engine, read(folder).1).unwrap();
        let mut hasher = DefaultHasher::new();
        for answer in &answers {
            bits(answer).hash(&mut hasher);
        }
        println!("bits {} {:016x}", folder.display(), hasher.finish());
    }
}

/// Every case in the folders that `ZOO` names, separated by colons.
#[test]
#[ignore = "needs the folders that models/zoo/make.py and nodes.py write: models/zoo/compare makes and names them"]
fn every_case() {
    #[allow(clippy::disallowed_methods)] // the test's own
    let folders = std::env::var("ZOO").expect("ZOO names the folders of cases");
    let (mut failures, mut every) = (Vec::new(), Vec::new());
    for folder in folders.split(':') {
        let (own, seen) = check_all(Path::new(folder));
        failures.extend(own);
        every.extend(seen);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let nodes = every.iter().filter(|seen| seen.estimator.is_empty()).count();
    assert!(nodes >= NODE_TESTS, "{nodes} node tests");
    let table = table(&every);
    println!("{}", table.join("\n"));
    let told: Vec<String> =
        fs::read_to_string("models/zoo/TABLE.md").unwrap().lines().map(str::to_owned).collect();
    let told = &told[told.iter().position(|line| line.starts_with("| ---")).unwrap() + 1..];
    assert_eq!(
        names(told),
        names(&table),
        "models/zoo/TABLE.md is another: models/zoo/compare --table writes it"
    );
}
