//! Models that were damaged: whatever an ONNX file says, loading it is an answer or an error with a reason, never a panic, a hang or
//! all of the memory, and so is running what was loaded, whatever it is asked.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::forms;
use crate::engine::onnx::{Attribute, Constant, Model};
use crate::engine::tabular::NAME;
use crate::engine::{Engine, InferErrorKind, Source, Spread, infer, load};
use crate::tensor::{Data, Datatype, Shape, Tensor, TensorSpec};

/// Numbers at the edges of what fields and sizes hold.
const EDGES: [i64; 14] =
    [0, 1, -1, 2, 3, 7, 255, 1 << 20, i32::MAX as i64, 1 << 31, 1 << 40, 1 << 62, i64::MAX, i64::MIN];

/// A load's budget is a second or so where nothing optimises, on a machine of one's own.
const LONGEST: Duration = Duration::from_secs(20);

/// In KiB, of all tests of this process together.
const MOST_MEMORY: u64 = 2 << 20;

/// Splitmix64: one number after the other from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).unwrap()
    }

    fn of<'a, T>(&mut self, several: &'a mut [T]) -> Option<&'a mut T> {
        let place = self.below(several.len());
        several.get_mut(place)
    }

    fn edge(&mut self) -> i64 {
        EDGES[self.below(EDGES.len())]
    }
}

/// One list: an element changed, doubled, swapped or dropped, or the end cut off.
fn damage_list<T: Clone>(list: &mut Vec<T>, dice: &mut Dice, change: impl FnOnce(&mut T, &mut Dice)) {
    if list.is_empty() {
        return;
    }
    let place = dice.below(list.len());
    match dice.below(6) {
        0 => list.truncate(place),
        1 => {
            let again = list[place].clone();
            list.push(again);
        }
        2 => {
            let other = dice.below(list.len());
            list.swap(place, other);
        }
        3 => {
            list.remove(place);
        }
        _ => change(&mut list[place], dice),
    }
}

fn damage_float(value: &mut f32, dice: &mut Dice) {
    let edges = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::from_bits(1)];
    *value = edges[dice.below(edges.len())];
}

fn damage_bytes(bytes: &mut Bytes, dice: &mut Dice) {
    let mut changed = bytes.to_vec();
    damage_list(&mut changed, dice, |byte, dice| *byte = u8::try_from(dice.below(256)).unwrap());
    *bytes = changed.into();
}

fn damage_constant(constant: &mut Constant, dice: &mut Dice) {
    match dice.below(7) {
        0 => damage_list(&mut constant.dims, dice, |size, dice| *size = dice.edge()),
        1 => constant.dims.push(dice.edge()),
        2 => constant.data_type = i32::try_from(dice.below(18)).unwrap(),
        3 => damage_list(&mut constant.float_data, dice, damage_float),
        4 => damage_list(&mut constant.int64_data, dice, |value, dice| *value = dice.edge()),
        5 => damage_list(&mut constant.string_data, dice, damage_bytes),
        _ => {
            let mut raw = constant.raw_data.take().unwrap_or_default();
            damage_bytes(&mut raw, dice);
            constant.raw_data = Some(raw);
        }
    }
}

fn damage_attribute(attribute: &mut Attribute, dice: &mut Dice) {
    match dice.below(8) {
        0 => attribute.name.push('s'),
        1 => attribute.i = Some(dice.edge()),
        2 => attribute.s = None,
        3 if attribute.t.is_some() => attribute.t.iter_mut().for_each(|tensor| damage_constant(tensor, dice)),
        3 | 4 => damage_list(&mut attribute.floats, dice, damage_float),
        5 => {
            let mut strings = attribute.strings.iter().cloned().collect();
            damage_list(&mut strings, dice, damage_bytes);
            attribute.strings = strings.into_iter().collect();
        }
        _ => {
            let length = attribute.ints.len();
            let inside = i64::try_from(dice.below(length)).unwrap();
            let near = dice.below(2) == 0;
            // A number that is another node's or feature's, or none at all.
            let mut integers = attribute.ints.iter().collect();
            damage_list(&mut integers, dice, |value, dice| *value = if near { inside } else { dice.edge() });
            attribute.ints = integers.into_iter().collect();
        }
    }
}

fn damage(model: &mut Model, dice: &mut Dice) {
    let versions = &mut model.opset_import;
    let Some(graph) = &mut model.graph else { return };
    let names: Vec<String> =
        graph.node.iter().flat_map(|node| [&node.input, &node.output]).flatten().cloned().collect();
    let operators: Vec<(String, String)> =
        graph.node.iter().map(|node| (node.domain.clone(), node.op_type.clone())).collect();
    let name = names.get(dice.below(names.len())).cloned().unwrap_or_default();
    match dice.below(14) {
        0 => damage_list(&mut graph.node, dice, |node, _| node.attribute.clear()),
        1 => damage_list(&mut graph.initializer, dice, damage_constant),
        2 => damage_list(&mut graph.input, dice, |input, _| input.r#type = None),
        3 => damage_list(&mut graph.output, dice, |output, _| output.name.push('?')),
        4 => damage_list(versions, dice, |set, dice| set.version = Some(dice.edge())),
        5 => {
            if let Some(node) = dice.of(&mut graph.node) {
                damage_list(&mut node.input, dice, |input, _| *input = name);
            }
        }
        6 => {
            if let Some(node) = dice.of(&mut graph.node) {
                damage_list(&mut node.output, dice, |output, _| *output = name);
            }
        }
        7 => {
            let (domain, operator) = operators.get(dice.below(operators.len())).cloned().unwrap_or_default();
            if let Some(node) = dice.of(&mut graph.node) {
                (node.domain, node.op_type) = (domain, operator);
            }
        }
        8 => {
            let declared = if dice.below(2) == 0 { &mut graph.input } else { &mut graph.output };
            let value = dice.of(declared).and_then(|value| value.r#type.as_mut()?.tensor.as_mut());
            if let Some(tensor) = value {
                tensor.elem_type = i32::try_from(dice.below(18)).unwrap();
                if let Some(shape) = &mut tensor.shape {
                    damage_list(&mut shape.dim, dice, |size, dice| size.dim_value = Some(dice.edge()));
                }
            }
        }
        _ => {
            if let Some(node) = dice.of(&mut graph.node) {
                damage_list(&mut node.attribute, dice, damage_attribute);
            }
        }
    }
}

/// Inputs of two rows, with so few elements that they are quickly made.
fn inputs(engine: &dyn Engine, mut fill: impl FnMut(Datatype, usize) -> Data) -> Option<Vec<Tensor>> {
    let of = |spec: &TensorSpec| {
        let sizes: Vec<usize> = spec.shape.iter().map(|&size| usize::try_from(size).unwrap_or(2)).collect();
        let elements = Shape::new(sizes.clone()).elements().filter(|&elements| elements < 1 << 20)?;
        Tensor::new(Shape::new(sizes), fill(spec.datatype, elements)).ok()
    };
    engine.signature().inputs.iter().map(of).collect()
}

/// What requests bring and what none should: numbers in between and at the edges, words that are numbers and that are not.
#[allow(clippy::cast_possible_truncation)] // edges of whatever width
fn strange(datatype: Datatype, elements: usize, dice: &mut Dice) -> Data {
    const REALS: [f64; 12] = [
        0.5,
        -1.0,
        3.0,
        250.0,
        1e-3,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        3.4e38,
        5e-324,
    ];
    let words = ["", "0", "7", "-1.5", "nan", "1e400", "cat 1", "ß", "\u{0}", &"long ".repeat(50)];
    let mut real = || REALS[dice.below(REALS.len())];
    match datatype {
        Datatype::Fp32 => Data::Fp32((0..elements).map(|_| real() as f32).collect()),
        Datatype::Fp64 => Data::Fp64((0..elements).map(|_| real()).collect()),
        Datatype::Int64 => Data::Int64((0..elements).map(|_| dice.edge()).collect()),
        Datatype::Int32 => Data::Int32((0..elements).map(|_| dice.edge() as i32).collect()),
        Datatype::Bool => Data::Bool((0..elements).map(|_| dice.below(2) == 0).collect()),
        Datatype::Bytes => Data::Bytes((0..elements).map(|_| words[dice.below(words.len())]).collect()),
        other => Data::zeros(other, elements),
    }
}

/// The most memory that this process has had, in KiB, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Those of the zoo and the examples, and single nodes.
fn models() -> Vec<(String, Bytes)> {
    let folders = fs::read_dir("tests/zoo").unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|folder| folder.join("model.onnx").exists()).collect();
    folders.extend(["models/digits".into(), "models/parcels".into()]);
    folders.sort();
    let files = folders
        .iter()
        .map(|folder| (folder.display().to_string(), fs::read(folder.join("model.onnx")).unwrap().into()));
    files.chain(forms::every().iter().map(|form| (form.name(), form.source(true).model))).collect()
}

#[test]
fn no_damage_to_a_model_makes_the_engine_panic() {
    let models = models();
    assert!(models.len() >= 150, "{} models", models.len());
    let (loaded, refused, failed) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let slowest = Cell::new(Duration::ZERO);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let damages = (0..models.len(), any::<u64>(), 1..4_usize, any::<bool>());
    let outcome = runner.run(&damages, |(which, seed, times, in_bytes)| {
        let (name, file) = &models[which];
        let mut dice = Dice(seed);
        // One in eight as a file that was cut off or changed anywhere.
        let file: Bytes = if in_bytes && seed % 4 == 0 {
            let mut file = file.clone();
            (0..times).for_each(|_| damage_bytes(&mut file, &mut dice));
            file
        } else {
            let mut model = Model::decode(file.clone()).unwrap();
            (0..times).for_each(|_| damage(&mut model, &mut dice));
            model.encode_to_vec().into()
        };
        let started = Instant::now();
        match load(&Source { model: file, engine: Some(NAME.into()), threads: 1, ..Source::default() }) {
            Err(error) => {
                let said = error.to_string();
                prop_assert!(!said.contains("panicked") && !said.is_empty(), "{name}: {said}");
                refused.set(refused.get() + 1);
            }
            Ok(engine) => {
                loaded.set(loaded.get() + 1);
                let all: Vec<usize> = (0..engine.signature().outputs.len()).collect();
                let zeros = inputs(&*engine, Data::zeros);
                let others = inputs(&*engine, |datatype, elements| strange(datatype, elements, &mut dice));
                for inputs in zeros.into_iter().chain(others) {
                    if let Err(error) = infer(&*engine, inputs, &all, Spread::One) {
                        prop_assert_ne!(error.kind(), InferErrorKind::Panicked, "{}: {}", name, error);
                        failed.set(failed.get() + 1);
                    }
                }
            }
        }
        prop_assert!(started.elapsed() < LONGEST, "{name} took {:?}", started.elapsed());
        slowest.set(slowest.get().max(started.elapsed()));
        Ok(())
    });
    let (loaded, refused, failed, slowest) = (loaded.get(), refused.get(), failed.get(), slowest.get());
    println!(
        "{loaded} mutants loaded, {failed} runs failed, {refused} refused; the slowest took {slowest:?}"
    );
    println!("the most memory was {:?} KiB", peak());
    outcome.unwrap();
    assert!(peak().is_none_or(|peak| peak < MOST_MEMORY), "{:?} KiB", peak());
    // A test whose damage is all too little or too much says nothing.
    assert!(loaded > 1_000 && refused > 1_000, "{loaded} loaded, {refused} refused");
}
