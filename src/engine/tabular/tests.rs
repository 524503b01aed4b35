#![allow(clippy::cast_precision_loss)]

use std::time::Instant;

use super::kernels::{Dense, Operation};
use super::*;
use crate::engine::{Source, infer, load};

const DIGITS: &[u8] = include_bytes!("../../../models/digits/model.onnx");

fn digits(engine: Option<&str>) -> Arc<dyn Engine> {
    let engine = engine.map(str::to_owned);
    load(&Source { model: DIGITS.into(), engine, threads: 1, ..Source::default() }).unwrap()
}

/// As many rows of pixels, the same on every run.
fn pixels(rows: usize) -> Tensor {
    let values = (0..rows * 64).map(|index| ((index * 7919 + index / 64 * 31) % 17) as f32).collect();
    Tensor::new(Shape::new([rows, 64]), Data::Fp32(values)).unwrap()
}

fn floats(tensor: &Tensor) -> &[f32] {
    let Data::Fp32(values) = tensor.data() else { panic!("not FP32") };
    values
}

#[test]
fn a_small_dense_network_is_this_engines_and_agrees_with_rten() {
    let (ours, rten) = (digits(None), digits(Some("rten")));
    assert_eq!((ours.name(), rten.name()), ("tabular", "rten"));
    assert_eq!(ours.signature(), rten.signature());
    let run = |engine: &dyn Engine| infer(engine, vec![pixels(200)], &[0, 1], Spread::One).unwrap();
    let (ours, rten) = (run(&*ours), run(&*rten));
    assert_eq!(ours[0], rten[0]);
    assert_eq!(ours[1].shape(), rten[1].shape());
    for (ours, rten) in floats(&ours[1]).iter().zip(floats(&rten[1])) {
        assert!((ours - rten).abs() <= 1e-6, "{ours} {rten}");
    }
}

#[test]
fn a_rows_answer_does_not_depend_on_its_batch_to_the_bit() {
    let engine = digits(None);
    let all = infer(&*engine, vec![pixels(33)], &[1], Spread::One).unwrap();
    let Data::Fp32(values) = pixels(33).data().clone() else { panic!("not FP32") };
    for (row, (values, expected)) in values.chunks(64).zip(floats(&all[0]).chunks(10)).enumerate() {
        let one = Tensor::new(Shape::new([1, 64]), Data::Fp32(values.to_vec())).unwrap();
        let got = infer(&*engine, vec![one], &[1], Spread::One).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(floats(&got[0])), bits(expected), "row {row}");
    }
}

/// Training with weight decay leaves subnormal weights where an input is always zero; each made a multiplication a hundred times
/// slower.
#[test]
fn subnormal_weights_are_replaced_and_change_no_answer() {
    let (tiny, least) = (f32::from_bits(1), f32::MIN_POSITIVE);
    let layer = Dense::new(&[tiny, -tiny, 2.0, -3.0], vec![0.5, 0.5]);
    let run = |x: f32| match Operation::Dense(layer.clone()).run(&[x, 1.0], 1) {
        Value::Floats(sums) => sums,
        _ => panic!("not floats"),
    };
    assert_eq!(run(16.0), [2.5, -2.5]);
    assert_eq!(run(f32::INFINITY), [f32::INFINITY, f32::NEG_INFINITY]);
    assert_eq!(run(2.0 / least), [4.5, -4.5]);
}

#[test]
fn outputs_are_those_that_are_wanted_in_their_order() {
    let engine = digits(None);
    let got = infer(&*engine, vec![pixels(2)], &[1, 0], Spread::One).unwrap();
    assert_eq!((got[0].datatype(), got[1].datatype()), (Datatype::Fp32, Datatype::Int64));
    let empty = infer(&*engine, vec![pixels(0)], &[0, 1], Spread::One).unwrap();
    assert_eq!((empty[0].shape().sizes(), empty[1].shape().sizes()), (&[0][..], &[0, 10][..]));
}

#[test]
fn nan_goes_through_as_nan() {
    let engine = digits(None);
    let mut values = vec![0.0; 64];
    values[10] = f32::NAN;
    let input = Tensor::new(Shape::new([1, 64]), Data::Fp32(values)).unwrap();
    let got = infer(&*engine, vec![input], &[1], Spread::One).unwrap();
    assert!(floats(&got[0]).iter().all(|value| value.is_nan()));
}

#[test]
fn a_model_that_is_not_covered_says_why() {
    let model = include_bytes!("../../../tests/models/repository/by_zero/1/model.onnx");
    let source =
        Source { model: model.as_slice().into(), engine: Some("tabular".into()), ..Source::default() };
    assert_eq!(
        load(&source).err().unwrap().to_string(),
        "tabular does not cover the model: its input has not two dimensions"
    );
}

/// Two layers: 64 inputs, so many hidden units, 10 outputs.
fn wide(hidden: usize) -> Source {
    use crate::engine::onnx::*;
    use prost::Message;
    let matrix = |name: &str, rows: usize, columns: usize| Constant {
        name: name.into(),
        dims: vec![i64::try_from(rows).unwrap(), i64::try_from(columns).unwrap()],
        data_type: data_type::FLOAT,
        float_data: (0..rows * columns).map(|index| ((index % 13) as f32 - 6.0) / 64.0).collect(),
        ..Constant::default()
    };
    let value = |name: &str, columns: i64| {
        let size = |size| Dimension { dim_value: size, dim_param: None };
        let shape = Some(TensorShape { dim: vec![size(None), size(Some(columns))] });
        let tensor = Some(TensorType { elem_type: data_type::FLOAT, shape });
        ValueInfo { name: name.into(), r#type: Some(ValueType { tensor, sequence: None }) }
    };
    let node = |op: &str, inputs: &[&str], output: &str| Node {
        op_type: op.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Node::default()
    };
    let graph = Graph {
        node: vec![
            node("MatMul", &["x", "a"], "h"),
            node("Relu", &["h"], "r"),
            node("MatMul", &["r", "b"], "y"),
        ],
        initializer: vec![matrix("a", 64, hidden), matrix("b", hidden, 10)],
        input: vec![value("x", 64)],
        output: vec![value("y", 10)],
        ..Graph::default()
    };
    let opset = OperatorSet { domain: None, version: Some(17) };
    let model = Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![opset] };
    Source { model: model.encode_to_vec().into(), threads: 1, ..Source::default() }
}

#[test]
fn a_large_network_is_rtens() {
    assert_eq!(load(&wide(SMALL / 74)).unwrap().name(), "tabular");
    assert_eq!(load(&wide(SMALL / 74 + 1)).unwrap().name(), "rten");
}

#[test]
#[ignore = "a measurement: cargo test --release --lib tabular -- --ignored --nocapture"]
fn what_an_inference_costs_beside_rten() {
    for hidden in [48, 256, 1024, 2048, 4096, 16384] {
        for rows in [1, 32] {
            let time = |name: &str| {
                let engine = load(&Source { engine: Some(name.into()), ..wide(hidden) }).unwrap();
                let mut times: Vec<_> = (0..300)
                    .map(|_| {
                        let input = vec![pixels(rows)];
                        let started = Instant::now();
                        infer(&*engine, input, &[0], Spread::One).unwrap();
                        started.elapsed()
                    })
                    .collect();
                times.sort();
                times[times.len() / 2]
            };
            println!(
                "{} multiply-adds, {rows} rows: tabular {:?}, rten {:?}",
                hidden * 74,
                time("tabular"),
                time("rten")
            );
        }
    }
}
