//! Single operators against the ONNX specification, where the zoo has no case or ONNX Runtime answers otherwise.

use super::*;

fn kind(datatype: Datatype) -> i32 {
    match datatype {
        Datatype::Fp32 => data_type::FLOAT,
        Datatype::Fp64 => data_type::DOUBLE,
        Datatype::Int64 => data_type::INT64,
        Datatype::Int32 => data_type::INT32,
        Datatype::Bool => data_type::BOOL,
        _ => data_type::STRING,
    }
}

pub(super) fn tensor(sizes: &[usize], data: Data) -> Tensor {
    Tensor::new(Shape::new(sizes.to_vec()), data).unwrap()
}

pub(super) fn fp32(sizes: &[usize], values: &[f32]) -> Tensor {
    tensor(sizes, Data::Fp32(values.to_vec()))
}

/// What some nodes make of inputs called `x` and `z`; of a matrix the number of rows is free.
fn outcome(
    nodes: Vec<Node>,
    constants: Vec<Constant>,
    inputs: &[Tensor],
    outputs: &[(&str, Datatype)],
    version: i64,
) -> Result<Vec<Tensor>, String> {
    let engine = load(&written(nodes, constants, inputs, outputs, (18, version), true))
        .map_err(|error| error.to_string())?;
    let all: Vec<usize> = (0..outputs.len()).collect();
    infer(&*engine, inputs.to_vec(), &all, Spread::One).map_err(|error| error.to_string())
}

/// The file of such nodes, with the versions of the operators of ONNX and of ai.onnx.ml; whether rows are free is asked for.
pub(super) fn written(
    nodes: Vec<Node>,
    constants: Vec<Constant>,
    inputs: &[Tensor],
    outputs: &[(&str, Datatype)],
    versions: (i64, i64),
    is_free: bool,
) -> Source {
    let declared = |(name, tensor): (&&str, &Tensor)| {
        let mut sizes: Vec<Option<i64>> =
            tensor.shape().sizes().iter().map(|&size| i64::try_from(size).ok()).collect();
        if let ([rows, _], true) = (sizes.as_mut_slice(), is_free) {
            *rows = None;
        }
        value(name, kind(tensor.datatype()), &sizes)
    };
    let made = |&(name, datatype): &(&str, Datatype)| {
        let tensor = TensorType { elem_type: kind(datatype), shape: None };
        ValueInfo { name: name.into(), r#type: Some(ValueType { tensor: Some(tensor), sequence: None }) }
    };
    let graph = Graph {
        node: nodes,
        initializer: constants,
        input: ["x", "z"].iter().zip(inputs).map(declared).collect(),
        output: outputs.iter().map(made).collect(),
        ..Graph::default()
    };
    let set = |domain: &str, version| OperatorSet { domain: Some(domain.into()), version: Some(version) };
    let opset_import = vec![set("", versions.0), set("ai.onnx.ml", versions.1)];
    let model = Model { ir_version: Some(8), graph: Some(graph), opset_import };
    Source { model: model.encode_to_vec().into(), engine: Some(NAME.into()), threads: 1, ..Source::default() }
}

/// The only output of one node.
pub(super) fn only(
    node: Node,
    constants: Vec<Constant>,
    inputs: &[Tensor],
    datatype: Datatype,
) -> Result<Tensor, String> {
    outcome(vec![node], constants, inputs, &[("y", datatype)], 4).map(|mut made| made.remove(0))
}

pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute::from(Fields { name: name.into(), i: Some(i), r#type: 2, ..Fields::default() })
}

pub(super) fn float(name: &str, f: f32) -> Attribute {
    Attribute::from(Fields { name: name.into(), f: Some(f), r#type: 1, ..Fields::default() })
}

pub(super) fn text(name: &str, s: &str) -> Attribute {
    let s = Some(s.as_bytes().to_vec().into());
    Attribute::from(Fields { name: name.into(), s, r#type: 3, ..Fields::default() })
}

/// One tree whose leaves weigh on classes 1 and 3 of four.
#[test]
fn a_class_that_no_leaf_weighs_on_has_a_score_of_zero_and_may_win() {
    let node = ml(
        "TreeEnsembleClassifier",
        &["x"],
        &["label", "y"],
        [
            stump(),
            vec![
                ints("class_treeids", &[0, 0, 0, 0]),
                ints("class_nodeids", &[1, 1, 2, 2]),
                ints("class_ids", &[1, 3, 1, 3]),
                floats_of("class_weights", &[-2.1, -2.5, -2.1, 0.25]),
                ints("classlabels_int64s", &[7, -2, 30, 4]),
            ],
        ]
        .concat(),
    );
    let outputs = [("label", Datatype::Int64), ("y", Datatype::Fp32)];
    let made = outcome(vec![node], vec![], &[fp32(&[2, 1], &[0.0, 1.0])], &outputs, 3).unwrap();
    assert_eq!(made[0], tensor(&[2], Data::Int64(vec![7, 4])));
    assert_eq!(floats(&made[1]), [0.0, -2.1, 0.0, -2.5, 0.0, -2.1, 0.0, 0.25]);
}

/// The specification has the transform for the scores of a row, however many they are; ONNX Runtime leaves a single one as it is.
#[test]
fn the_score_of_a_single_target_is_transformed() {
    let share = |x: f32| 1.0 / (1.0 + libm::expf(-x));
    for (transform, expected) in [
        ("NONE", [1.5, -1.0]),
        ("LOGISTIC", [share(1.5), share(-1.0)]),
        ("SOFTMAX", [1.0, 1.0]),
        ("SOFTMAX_ZERO", [1.0, 1.0]),
    ] {
        let node = ml(
            "LinearRegressor",
            &["x"],
            &["y"],
            vec![
                floats_of("coefficients", &[0.5]),
                floats_of("intercepts", &[0.5]),
                text("post_transform", transform),
            ],
        );
        let made = only(node, vec![], &[fp32(&[2, 1], &[2.0, -3.0])], Datatype::Fp32).unwrap();
        for (made, expected) in floats(&made).iter().zip(expected) {
            assert!((made - expected).abs() < 1e-6, "{transform}: {made}, expected {expected}");
        }
        let mut node = tree(&[text("post_transform", transform)]).node.remove(0);
        node.output = vec!["y".into()];
        let made = only(node, vec![], &[fp32(&[1, 2], &[0.0, 0.0])], Datatype::Fp32).unwrap();
        let expected = if transform == "LOGISTIC" { share(1.0) } else { 1.0 };
        assert!((floats(&made)[0] - expected).abs() < 1e-6, "{transform}: {made:?}");
    }
}

#[test]
fn a_list_of_another_type_is_refused_by_its_name() {
    let said = refused(tree(&[floats_of("nodes_missing_value_tracks_true", &[1.0, 0.0, 0.0])]));
    assert!(
        said.contains("node 'the TreeEnsembleRegressor'")
            && said.ends_with("nodes_missing_value_tracks_true is not a list of integers"),
        "{said}"
    );
    // Also where the file does not say which type an attribute has.
    let mut untyped = ints("base_values", &[3]);
    untyped.r#type = 0;
    let said = refused(tree(&[untyped]));
    assert!(said.ends_with("base_values is not a list of floats"), "{said}");
    let said = refused(tree(&[ints("nodes_modes", &[0, 1, 1])]));
    assert!(said.ends_with("nodes_modes is not a list of strings"), "{said}");
    let node = Node { attribute: vec![int("axes", 1)], ..plain("ReduceMax", vec!["x".into()], "y") };
    let said = only(node, vec![], &[fp32(&[1, 2], &[0.0, 0.0])], Datatype::Fp32).unwrap_err();
    assert!(said.contains("ReduceMax") && said.ends_with("axes is not a list of integers"), "{said}");
}

#[test]
fn a_list_that_is_given_twice_is_refused() {
    let doubles = Constant {
        dims: vec![3],
        data_type: data_type::DOUBLE,
        double_data: vec![9.0; 3],
        ..Constant::default()
    };
    let name = "nodes_values_as_tensor".into();
    let doubles =
        Attribute::from(Fields { name, t: Some(Box::new(doubles)), r#type: 4, ..Fields::default() });
    let said = refused(tree(&[doubles]));
    assert!(said.ends_with("both nodes_values and nodes_values_as_tensor are given"), "{said}");
}

/// No comparison with NaN holds but that of being unequal.
#[test]
fn a_threshold_of_nan_sends_every_number_down_the_false_branch() {
    for (mode, expected) in [
        ("BRANCH_LEQ", 2.0),
        ("BRANCH_LT", 2.0),
        ("BRANCH_GTE", 2.0),
        ("BRANCH_GT", 2.0),
        ("BRANCH_EQ", 2.0),
        ("BRANCH_NEQ", 1.0),
    ] {
        let modes = strings_of("nodes_modes", &[mode, "LEAF", "LEAF"]);
        let values = floats_of("nodes_values", &[f32::NAN, 0.0, 0.0]);
        for tracks in [0, 1] {
            let tracked = ints("nodes_missing_value_tracks_true", &[tracks, 0, 0]);
            let node = tree(&[modes.clone(), values.clone(), tracked]).node.remove(0);
            let input = fp32(&[3, 2], &[1.0, 0.0, f32::NEG_INFINITY, 0.0, f32::NAN, 0.0]);
            let made = only(node, vec![], &[input], Datatype::Fp32).unwrap();
            let missing = if tracks == 1 { 1.0 } else { 2.0 };
            assert_eq!(floats(&made), [expected, expected, missing], "{mode}, tracks {tracks}");
        }
    }
}

#[test]
fn whole_numbers_are_compared_with_a_threshold_between_them() {
    for (threshold, expected) in
        [(-0.5, [0, 0, 1, 1]), (0.5, [0, 0, 0, 1]), (-1.0, [0, 0, 1, 1]), (-1e30, [1; 4]), (1e30, [0; 4])]
    {
        let node = ml("Binarizer", &["x"], &["y"], vec![float("threshold", threshold)]);
        let made = only(
            node.clone(),
            vec![],
            &[tensor(&[4], Data::Int64(vec![i64::MIN, -1, 0, i64::MAX]))],
            Datatype::Int64,
        );
        assert_eq!(made.unwrap(), tensor(&[4], Data::Int64(expected.to_vec())), "{threshold}");
        let narrow = expected.iter().map(|&value| i32::try_from(value).unwrap()).collect();
        let given = tensor(&[4], Data::Int32(vec![i32::MIN, -1, 0, i32::MAX]));
        let made = only(node, vec![], &[given], Datatype::Int32);
        assert_eq!(made.unwrap(), tensor(&[4], Data::Int32(narrow)), "{threshold}");
    }
}

#[test]
fn an_imputed_integer_is_exact() {
    let large = (1 << 53) + 1;
    let attributes = vec![ints("imputed_value_int64s", &[large + 2]), int("replaced_value_int64", large)];
    let node = ml("Imputer", &["x"], &["y"], attributes);
    let given = tensor(&[2], Data::Int64(vec![large, large - 1]));
    let made = only(node, vec![], &[given], Datatype::Int64).unwrap();
    assert_eq!(made, tensor(&[2], Data::Int64(vec![large + 2, large - 1])));
}

/// Of version 4: integral values default to -1 whatever their width, and of equal keys the last counts.
#[test]
fn a_label_encoder_has_the_defaults_and_the_order_of_its_version() {
    let values = Constant {
        dims: vec![3],
        data_type: data_type::INT32,
        int32_data: vec![5, 6, 7],
        ..Constant::default()
    };
    let name = "values_tensor".into();
    let values = Attribute::from(Fields { name, t: Some(Box::new(values)), r#type: 4, ..Fields::default() });
    let node = ml("LabelEncoder", &["x"], &["y"], vec![ints("keys_int64s", &[1, 2, 1]), values]);
    let given = tensor(&[3], Data::Int64(vec![1, 2, 3]));
    let made = only(node, vec![], std::slice::from_ref(&given), Datatype::Int32).unwrap();
    assert_eq!(made, tensor(&[3], Data::Int32(vec![7, 6, -1])));
    let attributes = vec![ints("keys_int64s", &[1, 2, 1]), ints("values_int64s", &[5, 6, 7])];
    let node = ml("LabelEncoder", &["x"], &["y"], attributes);
    let made = outcome(vec![node], vec![], &[given], &[("y", Datatype::Int64)], 2).unwrap();
    assert_eq!(made[0], tensor(&[3], Data::Int64(vec![5, 6, -1])));
}

#[test]
fn a_slice_backwards_from_before_the_beginning_starts_at_the_beginning() {
    for (size, start, end, expected) in [
        (3, -10, -20, vec![0.0]),
        (3, -10, -5, vec![0.0]),
        (3, -10, 0, vec![]),
        (3, 5, -20, vec![2.0, 1.0, 0.0]),
        (0, -10, -20, vec![]),
    ] {
        let names = ["x", "starts", "ends", "axes", "steps"];
        let node = plain("Slice", names.iter().map(|&name| name.into()).collect(), "y");
        let constants = [("starts", start), ("ends", end), ("axes", 0), ("steps", -1)];
        let constants = constants.iter().map(|&(name, value)| int64(name, vec![value])).collect();
        let values: Vec<f32> = [0.0, 1.0, 2.0].into_iter().take(size).collect();
        let made = only(node, constants, &[fp32(&[size], &values)], Datatype::Fp32).unwrap();
        assert_eq!(made, fp32(&[expected.len()], &expected), "{start} to {end} of {size}");
    }
}

#[test]
fn a_shape_with_two_sizes_left_open_is_refused() {
    let node = plain("Reshape", vec!["x".into(), "shape".into()], "y");
    let shape = int64("shape", vec![-1, -1]);
    let said = only(node, vec![shape], &[fp32(&[1, 4], &[0.0; 4])], Datatype::Fp32).unwrap_err();
    assert!(said.ends_with("two sizes of its shape are -1"), "{said}");
}

pub(super) fn matrix(name: &str, sizes: &[usize], values: &[f32]) -> Constant {
    Constant {
        name: name.into(),
        dims: sizes.iter().map(|&size| i64::try_from(size).unwrap()).collect(),
        data_type: data_type::FLOAT,
        float_data: values.to_vec(),
        ..Constant::default()
    }
}

#[test]
fn a_product_and_its_addend_keep_the_dimensions_that_they_have_apart() {
    let nodes = vec![
        plain("MatMul", vec!["x".into(), "w".into()], "h"),
        plain("Add", vec!["h".into(), "b".into()], "y"),
    ];
    let weights = matrix("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let bias = matrix("b", &[1, 3], &[0.5; 3]);
    let inputs = [fp32(&[2], &[1.0, 1.0])];
    let outputs = [("y", Datatype::Fp32)];
    let made = outcome(nodes.clone(), vec![weights, bias], &inputs, &outputs, 3).unwrap();
    assert_eq!(made, [fp32(&[1, 3], &[5.5, 7.5, 9.5])]);
    let empty = vec![matrix("w", &[2, 0], &[]), matrix("b", &[1], &[0.5])];
    let made = outcome(nodes, empty, &[fp32(&[1, 2], &[1.0, 1.0])], &outputs, 3).unwrap();
    assert_eq!(made, [fp32(&[1, 0], &[])]);
}

#[test]
fn inputs_without_rows_are_joined_as_wide_as_others() {
    let node = ml("FeatureVectorizer", &["x", "z"], &["y"], vec![]);
    let made = only(node, vec![], &[fp32(&[0, 2], &[]), fp32(&[0, 3], &[])], Datatype::Fp32).unwrap();
    assert_eq!(made.shape().sizes(), [0, 5]);
}

/// Trees of version 5 that ask whether `x[0] <= 0.5`: of each test, where it leads and whether that is a leaf. Two leaves say 1 and 2.
pub(super) fn ensemble(
    roots: &[i64],
    passed: &[i64],
    passed_leafs: &[i64],
    failed: &[i64],
    failed_leafs: &[i64],
) -> Node {
    let count = passed.len();
    let modes = Constant {
        dims: vec![i64::try_from(count).unwrap()],
        data_type: data_type::UINT8,
        int32_data: vec![0; count],
        ..Constant::default()
    };
    let tensor = |name: &str, t: Constant| {
        Attribute::from(Fields { name: name.into(), t: Some(Box::new(t)), r#type: 4, ..Fields::default() })
    };
    let attributes = vec![
        ints("tree_roots", roots),
        tensor("nodes_modes", modes),
        ints("nodes_featureids", &vec![0; count]),
        tensor("nodes_splits", matrix("", &[count], &vec![0.5; count])),
        ints("nodes_truenodeids", passed),
        ints("nodes_trueleafs", passed_leafs),
        ints("nodes_falsenodeids", failed),
        ints("nodes_falseleafs", failed_leafs),
        ints("leaf_targetids", &[0, 0]),
        tensor("leaf_weights", matrix("", &[2], &[1.0, 2.0])),
    ];
    ml("TreeEnsemble", &["x"], &["y"], attributes)
}

#[test]
fn trees_without_a_root_are_refused() {
    let made = |roots: &[i64]| {
        only(ensemble(roots, &[0], &[1], &[1], &[1]), vec![], &[fp32(&[1, 1], &[0.0])], Datatype::Fp32)
    };
    assert_eq!(made(&[0]).unwrap(), fp32(&[1, 1], &[1.0]));
    let said = made(&[]).unwrap_err();
    assert!(said.ends_with("it has no roots"), "{said}");
}

#[test]
fn integers_are_multiplied_and_reduced_where_the_schema_has_them() {
    let given = tensor(&[2, 2], Data::Int64(vec![1, 2, 3, i64::MAX]));
    let node = plain("Gemm", vec!["x".into(), "w".into(), "c".into()], "y");
    let constants = || vec![int64_matrix("w", &[2, 2], vec![1, 0, 0, 1]), int64("c", vec![10, 0])];
    let made = only(node.clone(), constants(), &[given], Datatype::Int64).unwrap();
    assert_eq!(made, tensor(&[2, 2], Data::Int64(vec![11, 2, 13, i64::MAX])));
    let given = tensor(&[1, 2], Data::Int64(vec![3, 4]));
    let scaled = |alpha| Node { attribute: vec![float("alpha", alpha)], ..node.clone() };
    let made = only(scaled(-2.0), constants(), std::slice::from_ref(&given), Datatype::Int64).unwrap();
    assert_eq!(made, tensor(&[1, 2], Data::Int64(vec![4, -8])));
    let said = only(scaled(0.5), constants(), &[given], Datatype::Int64).unwrap_err();
    assert!(said.ends_with("alpha is 0.5, which INT64 cannot hold"), "{said}");
    // Roots and logarithms lose their fraction, as everything that becomes an integer.
    for (operator, expected) in [("ReduceL2", 7), ("ReduceLogSumExp", 6), ("ReduceLogSum", 2)] {
        let given = tensor(&[1, 3], Data::Int32(vec![2, 3, 6]));
        let made = only(plain(operator, vec!["x".into()], "y"), vec![], &[given], Datatype::Int32).unwrap();
        assert_eq!(made, tensor(&[1, 1], Data::Int32(vec![expected])), "{operator}");
    }
}

fn int64_matrix(name: &str, sizes: &[i64], values: Vec<i64>) -> Constant {
    Constant { dims: sizes.to_vec(), ..int64(name, values) }
}

fn classifier(attribute: Vec<Attribute>) -> Node {
    let mut attributes = vec![
        floats_of("coefficients", &[1.0, -1.0, 0.5]),
        floats_of("intercepts", &[0.0, 0.0, 0.0]),
        ints("classlabels_ints", &[7, -2, 30]),
    ];
    attributes.extend(attribute);
    ml("LinearClassifier", &["x"], &["label", "scores"], attributes)
}

/// Converters declare one label however many rows there are, and leave scores to others without a `ZipMap`.
#[test]
fn metadata_has_the_shapes_and_labels_of_what_is_made() {
    let graph = Graph {
        node: vec![
            classifier(vec![]),
            ml("Normalizer", &["scores"], &["shares"], vec![text("norm", "L1")]),
            plain("Identity", vec!["shares".into()], "y"),
        ],
        input: vec![value("x", data_type::FLOAT, &[None, Some(1)])],
        output: vec![
            value("label", data_type::INT64, &[Some(1)]),
            value("y", data_type::FLOAT, &[None, Some(1)]),
        ],
        ..Graph::default()
    };
    let engine = load(&source(graph)).unwrap();
    let outputs = &engine.signature().outputs;
    assert_eq!((outputs[0].shape.as_slice(), outputs[1].shape.as_slice()), (&[-1][..], &[-1, 3][..]));
    assert_eq!(outputs[1].labels, ["7", "-2", "30"]);
    assert!(outputs[0].labels.is_empty());
}

#[test]
fn a_zip_map_has_a_label_for_each_column() {
    let zipped = |labels: &[i64]| Graph {
        node: vec![
            classifier(vec![]),
            ml("ZipMap", &["scores"], &["y"], vec![ints("classlabels_int64s", labels)]),
        ],
        input: vec![value("x", data_type::FLOAT, &[None, Some(1)])],
        output: vec![value("y", data_type::FLOAT, &[None, None])],
        ..Graph::default()
    };
    let engine = load(&source(zipped(&[7, -2, 30]))).unwrap();
    assert_eq!(engine.signature().outputs[0].shape, [-1, 3]);
    let said = refused(zipped(&[7, -2]));
    assert!(said.contains("ai.onnx.ml:ZipMap: its input has 3 columns, of which it labels 2"), "{said}");
}
