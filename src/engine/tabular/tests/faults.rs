//! Whose fault it is: the file's, the engine's or the client's, and what each is told.

use super::*;
use crate::engine::InferErrorKind;

/// Names that lead nowhere, and contents that are not what they are said to be.
#[test]
fn graphs_that_contradict_themselves_are_malformed() {
    let with = |change: &dyn Fn(&mut Graph)| {
        let mut graph = tree(&[]);
        change(&mut graph);
        faulty(graph)
    };
    let cut = Constant { dims: vec![3], ..int64("c", vec![1]) };
    for (said, reason) in [
        (with(&|graph| graph.node[0].input[0] = "w".into()), "input 'w' is made by no node before"),
        (with(&|graph| graph.output[0].name = "w".into()), "output 'w': it is made by no node"),
        (with(&|graph| graph.node[0].output.push("w".into())), "it has 2 outputs, the operator 1"),
        (with(&|graph| graph.node[0].output[0] = "x".into()), "'x' is made twice"),
        (
            with(&|graph| {
                graph.initializer.push(cut.clone());
                graph.node[0].input[0] = "c".into();
            }),
            "constant 'c': it has 1 elements where its shape has 3",
        ),
    ] {
        assert!(said.starts_with("the model is faulty: ") && said.ends_with(reason), "{said}");
    }
}

#[test]
fn what_the_engine_lacks_is_no_fault_of_the_model() {
    let mut graph = tree(&[]);
    graph.input[0] = value("x", data_type::FLOAT16, &[None, Some(2)]);
    let half = Constant { data_type: data_type::FLOAT16, ..int64("", vec![1, 2]) };
    let name = "target_weights_as_tensor".into();
    let half = Attribute::from(Fields { name, t: Some(Box::new(half)), r#type: 4, ..Fields::default() });
    for graph in [graph, tree(&[half])] {
        let error = load(&source(graph)).err().expect("loaded");
        assert_eq!(error.kind(), LoadErrorKind::Unsupported, "{error}");
    }
}

/// The width is free, so that only the trees know it.
#[test]
fn an_input_that_does_not_suit_the_model_is_named_with_what_came_and_what_is_expected() {
    let other = |name: &str| value(name, data_type::FLOAT, &[None, None]);
    let mut graph = tree(&[ints("nodes_featureids", &[5, 0, 0])]);
    graph.input = vec![other("x"), other("unused"), other("z")];
    graph.node[0].input[0] = "sum".into();
    graph.node.insert(0, plain("Add", vec!["x".into(), "z".into()], "sum"));
    let mut engine = load(&source(graph.clone())).unwrap();
    let row = |width: usize| Tensor::new(Shape::new([1, width]), Data::Fp32(vec![0.0; width])).unwrap();
    let said = |engine: &dyn Engine, inputs: Vec<Tensor>| {
        let error = infer(engine, inputs, &[0], Spread::One).unwrap_err();
        assert_eq!(error.kind(), InferErrorKind::Input);
        error.to_string()
    };
    assert_eq!(
        said(&*engine, vec![row(3), row(9), row(1)]),
        "input 'x', FP32 [1,3], input 'z', FP32 [1,1]: node 'the TreeEnsembleRegressor', \
         ai.onnx.ml:TreeEnsembleRegressor: its input has 3 columns, the trees ask for 6"
    );
    assert_eq!(
        said(&*engine, vec![row(3), row(9), row(2)]),
        "input 'x', FP32 [1,3], input 'z', FP32 [1,2]: node '', Add: sizes 3 and 2 do not fit each other"
    );
    // A category that nobody was taught.
    graph.input = vec![value("x", data_type::STRING, &[None])];
    let hot = vec![strings_of("cats_strings", &["a", "b"]), specification::int("zeros", 0)];
    graph.node = vec![ml("OneHotEncoder", &["x"], &["y"], hot)];
    engine = load(&source(graph)).unwrap();
    let words = Data::Bytes(["a", "ß"].into_iter().collect());
    assert_eq!(
        said(&*engine, vec![Tensor::new(Shape::new([2]), words).unwrap()]),
        "input 'x', BYTES [2]: node 'the OneHotEncoder', ai.onnx.ml:OneHotEncoder: expected one of its 2 \
         categories, got 'ß'"
    );
}
