#![allow(clippy::cast_precision_loss)]

mod budget;
mod faults;
mod forms;
mod mutants;
mod specification;

use std::time::Instant;

use super::plain::Dense;
use super::*;
use crate::engine::onnx::{
    Attribute, Constant, Dimension, Fields, Graph, Model, Node, OperatorSet, TensorShape, TensorType,
    ValueInfo, ValueType, data_type,
};
use crate::engine::{Engine, Source, Spread, infer, load};
use crate::tensor::{Data, Datatype, Shape, Strings, Tensor};
use proptest::prelude::*;
use prost::Message;
use std::sync::Arc;

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
    let (tiny, large) = (f32::from_bits(1), f32::from_bits(1 << 22));
    let layer = Dense::new(&[tiny, -large, 2.0, -3.0], vec![0.5, 0.5], false);
    let run = |x: f32| layer.apply(&[x, 1.0, 16.0, 1.0], 2);
    assert_eq!(run(16.0), [2.5, -2.5, 2.5, -2.5]);
    assert_eq!(run(f32::INFINITY), [f32::INFINITY, f32::NEG_INFINITY, 2.5, -2.5]);
    // What the exact weights add to large inputs counts, and only for these.
    assert_eq!(run(3e38), [2.5 + 3e38 * tiny, -2.5 - 3e38 * large, 2.5, -2.5]);
    assert!(run(3e38)[1] < -4.0 && run(1e33)[0].to_bits() == 2.5_f32.to_bits());
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

/// Two layers: 64 inputs, so many hidden units, 10 outputs.
fn wide(hidden: usize) -> Source {
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
    // One layer alone says so, before any is laid out.
    let mut source = wide(SMALL / 64 + 1);
    assert_eq!(load(&source).unwrap().name(), "rten");
    let mut model = Model::read(source.model).unwrap();
    let output = &mut model.graph.as_mut().unwrap().output[0];
    output.r#type.as_mut().unwrap().tensor.as_mut().unwrap().shape = None;
    source.model = model.encode_to_vec().into();
    assert_eq!(load(&source).unwrap().name(), "tabular", "rten takes no output without a shape");
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

fn value(name: &str, elem_type: i32, dims: &[Option<i64>]) -> ValueInfo {
    let dim = dims.iter().map(|&dim_value| Dimension { dim_value, dim_param: None }).collect();
    let tensor = TensorType { elem_type, shape: Some(TensorShape { dim }) };
    ValueInfo { name: name.into(), r#type: Some(ValueType { tensor: Some(tensor), sequence: None }) }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    let mut attribute = Attribute::from(Fields { name: name.into(), r#type: 7, ..Fields::default() });
    attribute.ints = values.iter().copied().collect();
    attribute
}

fn floats_of(name: &str, values: &[f32]) -> Attribute {
    Attribute::from(Fields { name: name.into(), floats: values.to_vec(), r#type: 6, ..Fields::default() })
}

fn strings_of(name: &str, values: &[&str]) -> Attribute {
    let mut attribute = Attribute::from(Fields { name: name.into(), r#type: 8, ..Fields::default() });
    attribute.strings = values.iter().map(|text| text.as_bytes().to_vec().into()).collect();
    attribute
}

fn ml(op_type: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<Attribute>) -> Node {
    Node {
        name: format!("the {op_type}"),
        domain: "ai.onnx.ml".into(),
        op_type: op_type.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: outputs.iter().map(|&name| name.into()).collect(),
        attribute,
    }
}

fn source(graph: Graph) -> Source {
    let set = |domain: &str, version| OperatorSet { domain: Some(domain.into()), version: Some(version) };
    let opset_import = vec![set("", 17), set("ai.onnx.ml", 3)];
    let model = Model { ir_version: Some(8), graph: Some(graph), opset_import };
    Source { model: model.encode_to_vec().into(), engine: Some(NAME.into()), threads: 1, ..Source::default() }
}

/// The nodes of one tree: `x[0] <= 0.5`, and two leaves.
fn stump() -> Vec<Attribute> {
    vec![
        ints("nodes_treeids", &[0, 0, 0]),
        ints("nodes_nodeids", &[0, 1, 2]),
        ints("nodes_featureids", &[0, 0, 0]),
        floats_of("nodes_values", &[0.5, 0.0, 0.0]),
        strings_of("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[1, 0, 0]),
        ints("nodes_falsenodeids", &[2, 0, 0]),
    ]
}

/// One tree, `x[0] <= 0.5`, whose leaves say 1 and 2; an attribute of the same name as one of `instead` gives way to it.
fn tree(instead: &[Attribute]) -> Graph {
    let mut attributes = stump();
    attributes.extend([
        ints("target_treeids", &[0, 0]),
        ints("target_nodeids", &[1, 2]),
        ints("target_ids", &[0, 0]),
        floats_of("target_weights", &[1.0, 2.0]),
    ]);
    for other in instead {
        attributes.retain(|attribute| attribute.name != other.name);
        attributes.push(other.clone());
    }
    Graph {
        node: vec![ml("TreeEnsembleRegressor", &["x"], &["y"], attributes)],
        input: vec![value("x", data_type::FLOAT, &[None, Some(2)])],
        output: vec![value("y", data_type::FLOAT, &[None, Some(1)])],
        ..Graph::default()
    }
}

fn refused(graph: Graph) -> String {
    load(&source(graph)).err().expect("loaded").to_string()
}

/// The same of a model that is at fault itself, whether or not an engine is named.
fn faulty(graph: Graph) -> String {
    let named = source(graph);
    for source in [Source { engine: None, ..named.clone() }, named.clone()] {
        let error = load(&source).err().expect("loaded");
        assert_eq!(error.kind(), LoadErrorKind::Malformed, "{error}");
    }
    load(&named).err().expect("loaded").to_string()
}

#[test]
fn a_tree_is_walked_to_its_leaves() {
    let engine = load(&source(tree(&[]))).unwrap();
    let input = Tensor::new(Shape::new([3, 2]), Data::Fp32(vec![0.5, 9.0, 0.6, 9.0, f32::NAN, 9.0])).unwrap();
    let got = infer(&*engine, vec![input], &[0], Spread::One).unwrap();
    assert_eq!(got, [Tensor::new(Shape::new([3, 1]), Data::Fp32(vec![1.0, 2.0, 2.0])).unwrap()]);
}

#[test]
fn trees_that_are_none_are_refused_at_load_with_the_node() {
    let node = "node 'the TreeEnsembleRegressor', ai.onnx.ml:TreeEnsembleRegressor: ";
    for (instead, reason) in [
        (vec![ints("nodes_truenodeids", &[7, 0, 0])], "tree 0 has no node 7"),
        (vec![ints("nodes_truenodeids", &[-1, 0, 0])], "tree 0 has no node -1"),
        (
            vec![ints("nodes_truenodeids", &[0, 0, 0]), ints("nodes_falsenodeids", &[0, 0, 0])],
            "tree 0 has two roots",
        ),
        (vec![ints("nodes_nodeids", &[0, 1, 1])], "tree 0 has two nodes 1"),
        (vec![ints("nodes_featureids", &[-3, 0, 0])], "tree node 0: its feature is negative"),
        (
            vec![ints("nodes_featureids", &[0, 0])],
            "its lists of nodes differ in length: 3, [3, 3, 3, 2, 3, 3], 0",
        ),
        (vec![ints("target_nodeids", &[1, 9])], "tree 0 has no node 9"),
        (vec![ints("target_nodeids", &[1, 0])], "tree node 0 has a weight and is no leaf of a tree"),
        (vec![ints("target_ids", &[0, 1])], "score 1 is not one of 1"),
        (vec![floats_of("target_weights", &[1.0])], "its lists of target weights differ in length"),
        (
            vec![strings_of("nodes_modes", &["BRANCH_ODD", "LEAF", "LEAF"])],
            "tree node 0: mode 'BRANCH_ODD' is not known",
        ),
        (
            vec![Attribute::from(Fields {
                name: "n_targets".into(),
                i: Some(-4),
                r#type: 2,
                ..Fields::default()
            })],
            "n_targets is -4, not 1 to 65536",
        ),
        (vec![floats_of("base_values", &[1.0, 2.0])], "2 base values are not for 1 targets"),
    ] {
        let said = faulty(tree(&instead));
        assert!(said.contains(node) && said.ends_with(reason), "{said}");
    }
    // Two nodes below the root lead to each other; the root is another.
    let circle = [
        ints("nodes_treeids", &[0; 5]),
        ints("nodes_nodeids", &[0, 1, 2, 3, 4]),
        ints("nodes_featureids", &[0; 5]),
        floats_of("nodes_values", &[0.0; 5]),
        strings_of("nodes_modes", &["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[1, 2, 1, 0, 0]),
        ints("nodes_falsenodeids", &[3, 4, 4, 0, 0]),
        ints("target_nodeids", &[3, 4]),
    ];
    let said = faulty(tree(&circle));
    assert!(said.ends_with("tree node 1 leads back to itself"), "{said}");
}

proptest! {
    /// Two full trees of two levels: whichever way their nodes and weights are told, they answer alike.
    #[test]
    fn trees_are_the_same_in_any_order(
        nodes in Just((0..14).collect::<Vec<i64>>()).prop_shuffle(),
        leaves in Just([3, 4, 5, 6, 10, 11, 12, 13].to_vec()).prop_shuffle(),
        stride in 1..3_i64,
        is_ordered in any::<[bool; 2]>(),
    ) {
        let sorted = |given: Vec<i64>, is_ordered: bool| {
            let mut sorted = given.clone();
            sorted.sort_unstable();
            if is_ordered { sorted } else { given }
        };
        let (nodes, leaves) = (sorted(nodes, is_ordered[0]), sorted(leaves, is_ordered[1]));
        let all = |of: &[i64], what: &dyn Fn(i64) -> i64| of.iter().map(|&node| what(node)).collect::<Vec<_>>();
        let is_leaf = |node: i64| node % 7 > 2;
        let child = |node: i64, side: i64| if is_leaf(node) { 0 } else { (2 * (node % 7) + side) * stride };
        let modes: Vec<_> = nodes.iter().map(|&node| if is_leaf(node) { "LEAF" } else { "BRANCH_LEQ" }).collect();
        let told = [
            ints("nodes_treeids", &all(&nodes, &|node| node / 7)),
            ints("nodes_nodeids", &all(&nodes, &|node| node % 7 * stride)),
            ints("nodes_featureids", &all(&nodes, &|node| node % 2)),
            floats_of("nodes_values", &nodes.iter().map(|&node| node as f32).collect::<Vec<_>>()),
            strings_of("nodes_modes", &modes),
            ints("nodes_truenodeids", &all(&nodes, &|node| child(node, 1))),
            ints("nodes_falsenodeids", &all(&nodes, &|node| child(node, 2))),
            ints("target_treeids", &all(&leaves, &|leaf| leaf / 7)),
            ints("target_nodeids", &all(&leaves, &|leaf| leaf % 7 * stride)),
            ints("target_ids", &[0; 8]),
            floats_of("target_weights", &leaves.iter().map(|&leaf| leaf as f32).collect::<Vec<_>>()),
        ];
        let engine = load(&source(tree(&told))).unwrap();
        let rows: [[f32; 2]; 4] = [[0.0, 1.0], [0.5, 8.5], [2.0, 0.0], [9.0, 9.0]];
        // The walks by hand: in each tree test n asks whether x[n % 2] is at most n.
        let walked = |row: [f32; 2]| -> f32 {
            let end = |first: i64| {
                let mut node = first;
                while !is_leaf(node) {
                    let side = if row[usize::try_from(node % 2).unwrap()] <= node as f32 { 1 } else { 2 };
                    node = first + 2 * (node - first) + side;
                }
                node as f32
            };
            end(0) + end(7)
        };
        let input = Tensor::new(Shape::new([4, 2]), Data::Fp32(rows.concat())).unwrap();
        let got = infer(&*engine, vec![input], &[0], Spread::One).unwrap();
        prop_assert_eq!(floats(&got[0]), &rows.map(walked));
    }
}

/// Deeper than any stack of calls would be.
#[test]
fn a_tree_of_a_million_levels_is_loaded_and_walked() {
    let levels: i64 = 1_000_000;
    let count = usize::try_from(2 * levels + 1).unwrap();
    // Even numbers test and lead to the next even one; odd ones, and the last, are leaves.
    let number = |place: usize| i64::try_from(place).unwrap();
    let is_leaf = |place: usize| place % 2 == 1 || place == count - 1;
    let all = || 0..count;
    let leaves: Vec<i64> = all().filter(|&place| is_leaf(place)).map(number).collect();
    let deep = [
        ints("nodes_treeids", &vec![0; count]),
        ints("nodes_nodeids", &all().map(number).collect::<Vec<_>>()),
        ints("nodes_featureids", &vec![0; count]),
        floats_of("nodes_values", &all().map(|place| place as f32).collect::<Vec<_>>()),
        strings_of(
            "nodes_modes",
            &all().map(|place| if is_leaf(place) { "LEAF" } else { "BRANCH_LT" }).collect::<Vec<_>>(),
        ),
        ints(
            "nodes_truenodeids",
            &all().map(|place| if is_leaf(place) { 0 } else { number(place) + 1 }).collect::<Vec<_>>(),
        ),
        ints(
            "nodes_falsenodeids",
            &all().map(|place| if is_leaf(place) { 0 } else { number(place) + 2 }).collect::<Vec<_>>(),
        ),
        ints("target_treeids", &vec![0; leaves.len()]),
        ints("target_nodeids", &leaves),
        ints("target_ids", &vec![0; leaves.len()]),
        floats_of("target_weights", &leaves.iter().map(|&leaf| leaf as f32).collect::<Vec<_>>()),
    ];
    let engine = load(&source(tree(&deep))).unwrap();
    let input = Tensor::new(Shape::new([2, 2]), Data::Fp32(vec![f32::MAX, 0.0, 9.0, 0.0])).unwrap();
    let got = infer(&*engine, vec![input], &[0], Spread::One).unwrap();
    assert_eq!(floats(&got[0]), [2_000_000.0, 11.0]);
}

#[test]
fn an_attribute_of_the_wrong_type_is_refused_by_name() {
    let graph = |attribute: Attribute| Graph {
        node: vec![ml("Normalizer", &["x"], &["y"], vec![attribute])],
        input: vec![value("x", data_type::FLOAT, &[None, Some(2)])],
        output: vec![value("y", data_type::FLOAT, &[None, Some(2)])],
        ..Graph::default()
    };
    let said = refused(graph(ints("norm", &[1])));
    assert!(said.ends_with("node 'the Normalizer', ai.onnx.ml:Normalizer: norm is not a string"), "{said}");
    let odd = Attribute::from(Fields {
        name: "norm".into(),
        s: Some(b"L7".to_vec().into()),
        r#type: 3,
        ..Fields::default()
    });
    assert!(
        refused(graph(odd)).ends_with("norm 'L7' is not known"),
        "{}",
        refused(graph(Attribute::default()))
    );
}

/// What a declared width and the weights contradict, no request would get past.
#[test]
fn a_width_that_never_fits_is_refused_at_load_by_the_node() {
    let said = refused(tree(&[ints("nodes_featureids", &[5, 0, 0])]));
    assert_eq!(
        said,
        "tabular cannot run a row of zeros through the model: node 'the TreeEnsembleRegressor', \
         ai.onnx.ml:TreeEnsembleRegressor: its input has 2 columns, the trees ask for 6"
    );
}

#[test]
fn an_output_of_another_type_than_it_is_declared_is_refused() {
    let graph = Graph { output: vec![value("y", data_type::INT64, &[None, Some(1)])], ..tree(&[]) };
    let said = refused(graph);
    assert!(said.ends_with("output 'y': it is declared as INT64 and made as FP32"), "{said}");
}

#[test]
fn a_constant_beyond_all_memory_is_refused_and_not_made() {
    let shape = Constant {
        name: "shape".into(),
        dims: vec![2],
        data_type: data_type::INT64,
        int64_data: vec![1 << 40, 1 << 22],
        ..Constant::default()
    };
    let graph = Graph {
        node: vec![Node {
            op_type: "ConstantOfShape".into(),
            input: vec!["shape".into()],
            output: vec!["y".into()],
            ..Node::default()
        }],
        initializer: vec![shape],
        output: vec![value("y", data_type::FLOAT, &[None, None])],
        ..tree(&[])
    };
    let said = refused(graph);
    assert!(said.contains("ConstantOfShape: [1099511627776,4194304] has more than"), "{said}");
}

/// A node of `ai.onnx` that makes `output`.
fn plain(op_type: &str, inputs: Vec<String>, output: &str) -> Node {
    Node { op_type: op_type.into(), input: inputs, output: vec![output.into()], ..Node::default() }
}

fn int64(name: &str, values: Vec<i64>) -> Constant {
    Constant {
        name: name.into(),
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: data_type::INT64,
        int64_data: values,
        ..Constant::default()
    }
}

/// What a request of 100,000 rows is told by a node that would answer each with as many values.
fn too_wide(node: Node, constants: Vec<Constant>, output: &str) -> String {
    let graph = Graph {
        node: vec![node],
        initializer: constants,
        input: vec![value("x", data_type::FLOAT, &[None, Some(1)])],
        output: vec![value(output, data_type::FLOAT, &[None, None])],
        ..Graph::default()
    };
    let engine = load(&source(graph)).unwrap();
    let input = Tensor::new(Shape::new([100_000, 1]), Data::Fp32(vec![1.0; 100_000])).unwrap();
    infer(&*engine, vec![input], &[0], Spread::One).unwrap_err().to_string()
}

#[test]
fn an_answer_beyond_all_memory_is_refused_and_not_made() {
    let extract = ml("ArrayFeatureExtractor", &["x", "places"], &["y"], vec![]);
    let classify = ml(
        "LinearClassifier",
        &["x"],
        &["label", "y"],
        vec![
            floats_of("coefficients", &[1.0; 60_000]),
            ints("classlabels_ints", &(0..60_000).collect::<Vec<_>>()),
        ],
    );
    for (node, constants) in [(extract, vec![int64("places", vec![0; 100_000])]), (classify, vec![])] {
        let name = node.op_type.clone();
        let said = too_wide(node, constants, "y");
        assert!(said.contains(&name) && said.contains("has more than 16777216 elements"), "{said}");
    }
}

#[test]
fn a_tensor_of_a_million_dimensions_is_refused() {
    let graph = Graph {
        node: vec![plain("Unsqueeze", vec!["x".into(), "axes".into()], "y")],
        initializer: vec![int64("axes", (0..1_000_000).collect())],
        ..tree(&[])
    };
    let said = refused(graph);
    assert!(said.contains("Unsqueeze: 1000002 dimensions are more than 64"), "{said}");
}

/// Each pair of its inputs would be 10^11 pairs.
#[test]
fn a_node_may_have_very_many_inputs() {
    let graph = Graph {
        node: vec![plain("Sum", vec!["x".into(); 300_000], "y")],
        output: vec![value("y", data_type::FLOAT, &[None, Some(2)])],
        ..tree(&[])
    };
    let engine = load(&source(graph)).unwrap();
    let input = Tensor::new(Shape::new([1, 2]), Data::Fp32(vec![1.0, -2.0])).unwrap();
    let got = infer(&*engine, vec![input], &[0], Spread::One).unwrap();
    assert_eq!(floats(&got[0]), [300_000.0, -600_000.0]);
}

#[test]
fn words_and_numbers_become_what_a_node_asks_for() {
    let graph = Graph {
        node: vec![ml(
            "LabelEncoder",
            &["x"],
            &["y"],
            vec![strings_of("keys_strings", &["", "crème"]), ints("values_int64s", &[4, 5])],
        )],
        input: vec![value("x", data_type::STRING, &[None])],
        output: vec![value("y", data_type::INT64, &[None])],
        ..Graph::default()
    };
    let engine = load(&source(graph)).unwrap();
    let words: Strings = ["crème", "", "creme"].into_iter().collect();
    let input = Tensor::new(Shape::new([3]), Data::Bytes(words)).unwrap();
    let got = infer(&*engine, vec![input], &[0], Spread::One).unwrap();
    assert_eq!(got, [Tensor::new(Shape::new([3]), Data::Int64(vec![5, 4, -1])).unwrap()]);
}
