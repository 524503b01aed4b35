use bytes::Bytes;
use prost::Message;

use super::onnx::{
    Attribute, Constant, Dimension, Fields, Graph, Model, Node, OperatorSet, TensorShape, TensorType,
    ValueInfo, ValueType, data_type,
};
use super::*;
use crate::tensor::{Data, Datatype, Shape, TensorSpec};

fn value(name: &str, elem_type: i32, dims: &[&str]) -> ValueInfo {
    let dim = dims
        .iter()
        .map(|dim| match dim.parse() {
            Ok(size) => Dimension { dim_value: Some(size), dim_param: None },
            Err(_) => Dimension { dim_value: None, dim_param: Some((*dim).to_owned()) },
        })
        .collect();
    let tensor = TensorType { elem_type, shape: Some(TensorShape { dim }) };
    ValueInfo { name: name.to_owned(), r#type: Some(ValueType { tensor: Some(tensor), sequence: None }) }
}

fn node(op_type: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        name: format!("{op_type} node"),
        op_type: op_type.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Node::default()
    }
}

fn int64(name: &str, values: &[i64]) -> Constant {
    Constant {
        name: name.to_owned(),
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: data_type::INT64,
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..Constant::default()
    }
}

fn model(graph: Graph) -> Model {
    let opset =
        |domain: &str, version| OperatorSet { domain: Some(domain.to_owned()), version: Some(version) };
    Model {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![opset("", 17), opset("ai.onnx.ml", 3), opset("example.test", 1)],
    }
}

fn load_model(graph: Graph) -> Result<Arc<dyn Engine>, LoadError> {
    load(&Source { model: model(graph).encode_to_vec().into(), ..Source::default() })
}

/// What an engine says to a model that it refuses; `None` = all together.
fn refused_by(engine: Option<&str>, graph: Graph) -> (LoadErrorKind, String) {
    let model = model(graph).encode_to_vec().into();
    let source = Source { model, engine: engine.map(str::to_owned), ..Source::default() };
    let error = load(&source).err().expect("loaded");
    (error.kind(), error.to_string())
}

fn refused(graph: Graph) -> (LoadErrorKind, String) {
    refused_by(Some("rten"), graph)
}

fn tensor(sizes: &[usize], data: Data) -> Tensor {
    Tensor::new(Shape::new(sizes), data).unwrap()
}

fn identity(elem_type: i32) -> Graph {
    Graph {
        node: vec![node("Identity", &["x"], "y")],
        input: vec![value("x", elem_type, &["n", "2"])],
        output: vec![value("y", elem_type, &["n", "2"])],
        ..Graph::default()
    }
}

#[test]
fn the_signature_is_the_files() {
    let engine = load_model(identity(data_type::INT64)).unwrap();
    assert_eq!(engine.name(), "rten");
    assert_eq!(engine.signature().inputs, [TensorSpec::new("x", Datatype::Int64, [-1, 2])]);
    assert_eq!(engine.signature().outputs, [TensorSpec::new("y", Datatype::Int64, [-1, 2])]);
}

#[test]
fn an_initializer_among_the_inputs_is_no_input() {
    let mut graph = identity(data_type::INT64);
    graph.node = vec![node("Add", &["x", "c"], "y")];
    graph.initializer = vec![int64("c", &[1, 2])];
    graph.input.push(value("c", data_type::INT64, &["2"]));
    assert_eq!(load_model(graph).unwrap().signature().inputs.len(), 1);
}

#[test]
fn datatypes_that_are_carried_come_back_as_they_went() {
    let cases = [
        (data_type::FLOAT, Data::Fp32(vec![f32::MAX, -0.0])),
        (data_type::DOUBLE, Data::Fp64(vec![f64::from(f32::MAX), f64::NEG_INFINITY])),
        (data_type::FLOAT16, Data::Fp16(vec![half::f16::MAX, half::f16::MIN_POSITIVE_SUBNORMAL])),
        (data_type::INT64, Data::Int64(vec![i32::MIN.into(), i32::MAX.into()])),
        (data_type::INT32, Data::Int32(vec![i32::MIN, i32::MAX])),
        (data_type::INT8, Data::Int8(vec![i8::MIN, i8::MAX])),
        (data_type::UINT8, Data::Uint8(vec![0, u8::MAX])),
        (data_type::BOOL, Data::Bool(vec![true, false])),
    ];
    for (elem_type, data) in cases {
        let engine = load_model(identity(elem_type)).unwrap();
        let sent = tensor(&[1, 2], data);
        assert_eq!(infer(&*engine, vec![sent.clone()], &[0], Spread::One), Ok(vec![sent]));
    }
}

#[test]
fn datatypes_that_are_not_carried_are_refused_at_load_by_name() {
    for (elem_type, name) in [
        (data_type::UINT16, "UINT16"),
        (data_type::UINT32, "UINT32"),
        (data_type::UINT64, "UINT64"),
        (data_type::INT16, "INT16"),
        (data_type::STRING, "BYTES"),
    ] {
        assert_eq!(
            refused(identity(elem_type)),
            (LoadErrorKind::Unsupported, format!("input 'x' is {name}, which rten does not carry"))
        );
    }
}

#[test]
fn values_beyond_32_bits_are_refused_by_element() {
    let engine = load_model(identity(data_type::INT64)).unwrap();
    let error =
        infer(&*engine, vec![tensor(&[1, 2], Data::Int64(vec![0, 1 << 31]))], &[0], Spread::One).unwrap_err();
    assert_eq!(error.kind(), InferErrorKind::Input);
    assert_eq!(
        error.to_string(),
        "input 'x': element 1 is 2147483648, beyond the 32 bits in which this model's engine computes INT64"
    );
    let engine = load_model(identity(data_type::DOUBLE)).unwrap();
    let error =
        infer(&*engine, vec![tensor(&[1, 2], Data::Fp64(vec![1e39, 0.0]))], &[0], Spread::One).unwrap_err();
    assert_eq!(error.kind(), InferErrorKind::Input);
    assert!(
        error.to_string().starts_with("input 'x': element 0 is 1000000000000000000000000000000000000000, "),
        "{error}"
    );
}

#[test]
fn constants_beyond_32_bits_are_refused_by_name() {
    let with = |constant: Constant| Graph {
        node: vec![node("Add", &["x", "c"], "y")],
        initializer: vec![constant],
        ..identity(data_type::INT64)
    };
    assert!(load_model(with(int64("c", &[1, i32::MAX.into()]))).is_ok());
    let message = "constant 'c' holds 2147483648, beyond the 32 bits that rten computes in".to_owned();
    assert_eq!(refused(with(int64("c", &[1, 1 << 31]))), (LoadErrorKind::OutOfRange, message.clone()));
    let typed = Constant { raw_data: None, int64_data: vec![1, 1 << 31], ..int64("c", &[0, 0]) };
    assert_eq!(refused(with(typed)), (LoadErrorKind::OutOfRange, message.clone()));

    // The same from a Constant node, by its tensor and by its integers.
    let mut integers = Attribute::from(Fields { name: "value_ints".into(), r#type: 7, ..Fields::default() });
    integers.ints = [1, 1 << 31].into_iter().collect();
    for attribute in [
        Attribute::from(Fields {
            name: "value".into(),
            t: Some(Box::new(int64("", &[1, 1 << 31]))),
            r#type: 4,
            ..Fields::default()
        }),
        integers,
    ] {
        let mut graph = with(int64("unused", &[0]));
        graph.node.insert(0, Node { attribute: vec![attribute], ..node("Constant", &[], "c") });
        assert_eq!(refused(graph), (LoadErrorKind::OutOfRange, message.clone()));
    }
}

#[test]
fn a_constant_in_a_side_file_is_looked_at_too() {
    let pair = |key: &str, value: &str| onnx::StringPair { key: key.into(), value: value.into() };
    let constant = Constant {
        raw_data: None,
        data_location: 1,
        external_data: vec![pair("location", "big.onnx_data"), pair("offset", "8"), pair("length", "16")],
        ..int64("c", &[0, 0])
    };
    let graph = Graph {
        node: vec![node("Add", &["x", "c"], "y")],
        initializer: vec![constant],
        ..identity(data_type::INT64)
    };
    let source = |values: [i64; 3]| Source {
        model: model(graph.clone()).encode_to_vec().into(),
        side_files: vec![(
            "big.onnx_data".to_owned(),
            values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into(),
        )],
        ..Source::default()
    };
    let engine = load(&source([1 << 40, 5, 6])).unwrap();
    let got = infer(&*engine, vec![tensor(&[1, 2], Data::Int64(vec![1, 1]))], &[0], Spread::One).unwrap();
    assert_eq!(got, [tensor(&[1, 2], Data::Int64(vec![6, 7]))]);
    assert_eq!(load(&source([0, 5, 1 << 40])).err().unwrap().kind(), LoadErrorKind::OutOfRange);
}

#[test]
fn the_ends_of_a_slice_may_be_the_ends_of_int64() {
    let slice = |ends: &str| Graph {
        node: vec![
            node("Unsqueeze", &["end", "axis"], "ends"),
            node("Slice", &["x", "starts", ends, "axis"], "y"),
        ],
        initializer: vec![
            int64("starts", &[1]),
            int64("end", &[i64::MAX]),
            int64("direct", &[i64::MAX]),
            int64("axis", &[1]),
        ],
        input: vec![value("x", data_type::FLOAT, &["n", "2"])],
        output: vec![value("y", data_type::FLOAT, &["n", "1"])],
        ..Graph::default()
    };
    let mut direct = slice("direct");
    direct.node.remove(0);
    direct.initializer.remove(1);
    let engine = load_model(direct).unwrap();
    let got = infer(&*engine, vec![tensor(&[1, 2], Data::Fp32(vec![3.0, 4.0]))], &[0], Spread::One).unwrap();
    assert_eq!(got, [tensor(&[1, 1], Data::Fp32(vec![4.0]))]);

    // By way of Unsqueeze; and no longer where the same constant is also a number to compute with.
    let mut scalar = slice("ends");
    scalar.initializer.remove(2);
    scalar.initializer[1].dims = vec![];
    scalar.initializer.push(int64("zero", &[0]));
    scalar.node[0].input[1] = "zero".into();
    assert!(load_model(scalar.clone()).is_ok());
    scalar.node.push(node("Add", &["end", "end"], "sum"));
    scalar.output.push(value("sum", data_type::INT64, &[]));
    assert_eq!(refused(scalar).0, LoadErrorKind::OutOfRange);
}

#[test]
fn every_missing_operator_is_named_also_inside_branches() {
    let branch = |op_type: &str, domain: &str| Graph {
        node: vec![Node { domain: domain.to_owned(), ..node(op_type, &["x"], "b") }],
        output: vec![value("b", data_type::FLOAT, &["n", "2"])],
        ..Graph::default()
    };
    let attribute = |name: &str, graph| {
        Attribute::from(Fields {
            name: name.to_owned(),
            g: Some(Box::new(graph)),
            r#type: 5,
            ..Fields::default()
        })
    };
    let mut choice = node("If", &["flag"], "z");
    choice.attribute = vec![
        attribute("then_branch", branch("MadeUp", "example.test")),
        attribute("else_branch", branch("Relu", "")),
    ];
    let mut graph = identity(data_type::FLOAT);
    graph.node = vec![
        choice,
        Node { domain: "ai.onnx.ml".to_owned(), ..node("Scaler", &["z"], "s") },
        node("NoSuchOperator", &["s"], "t"),
        node("NoSuchOperator", &["t"], "y"),
    ];
    graph.input.push(value("flag", data_type::BOOL, &[]));
    assert_eq!(
        refused_by(None, graph),
        (
            LoadErrorKind::Unsupported,
            "no engine runs the model: rten lacks NoSuchOperator, ai.onnx.ml:Scaler, example.test:MadeUp; \
             tabular lacks If, NoSuchOperator"
                .to_owned()
        )
    );
}

#[test]
fn an_engine_that_there_is_not_is_refused_by_name() {
    let model = Bytes::from(model(identity(data_type::FLOAT)).encode_to_vec());
    let named =
        |name: &str| Source { model: model.clone(), engine: Some(name.to_owned()), ..Source::default() };
    assert!(load(&named("rten")).is_ok());
    assert_eq!(
        load(&named("tract")).err().unwrap().to_string(),
        "no engine 'tract'; there are 'tabular' and 'rten'"
    );
}

#[test]
fn sizes_of_one_name_must_be_one_size() {
    let mut graph = identity(data_type::FLOAT);
    graph.node = vec![node("Add", &["x", "z"], "y")];
    graph.input.push(value("z", data_type::FLOAT, &["n", "2"]));
    let engine = load_model(graph).unwrap();
    let of = |rows: usize| tensor(&[rows, 2], Data::Fp32(vec![1.0; rows * 2]));
    assert!(infer(&*engine, vec![of(3), of(3)], &[0], Spread::One).is_ok());
    let error = infer(&*engine, vec![of(3), of(2)], &[0], Spread::One).unwrap_err();
    assert_eq!(error.kind(), InferErrorKind::Input);
    assert_eq!(error.to_string(), "input 'z': expected 3 for 'n' as in input 'x', got 2");
}

#[test]
fn inputs_and_outputs_must_be_tensors_of_known_rank_and_own_names() {
    let with = |input: ValueInfo| Graph { input: vec![input], ..identity(data_type::FLOAT) };
    let x = || value("x", data_type::FLOAT, &["n"]);
    let no_shape = ValueInfo {
        r#type: Some(ValueType { tensor: Some(TensorType { elem_type: 1, shape: None }), sequence: None }),
        ..x()
    };
    assert_eq!(refused(with(no_shape)).1, "input 'x': its number of dimensions is not declared");
    assert_eq!(refused(with(ValueInfo { r#type: None, ..x() })).1, "input 'x': it is not a tensor");
    assert_eq!(
        refused(with(value("x", 16, &["n"]))).1,
        "input 'x': ONNX data type 16 has no datatype in the protocol"
    );
    let twice = Graph { input: vec![x(), x()], ..identity(data_type::FLOAT) };
    assert_eq!(refused(twice).1, "two inputs are called 'x'");
    let none = Graph { output: vec![], ..identity(data_type::FLOAT) };
    assert_eq!(refused(none), (LoadErrorKind::Malformed, "the graph has no outputs".to_owned()));
    let dangling = Graph { output: vec![value("w", data_type::FLOAT, &["n"])], ..identity(data_type::FLOAT) };
    assert_ne!(refused(dangling).1, "");
}

#[test]
fn more_inputs_or_outputs_than_anybody_names_are_refused() {
    let many =
        |of: &str| (0..20_000).map(|at| value(&format!("{of}{at}"), data_type::FLOAT, &["n"])).collect();
    let inputs = Graph { input: many("x"), ..identity(data_type::FLOAT) };
    assert_eq!(refused(inputs).1, "the graph has 20000 inputs, more than 16384");
    let outputs = Graph { output: many("y"), ..identity(data_type::FLOAT) };
    assert_eq!(refused(outputs).1, "the graph has 20000 outputs, more than 16384");
}

#[test]
fn more_nodes_than_any_graph_has_are_refused() {
    let nodes = |count| Graph { node: vec![node("Identity", &["x"], "y"); count], ..Graph::default() };
    let inside = |count| {
        let g = Some(Box::new(nodes(count)));
        let branch =
            Attribute::from(Fields { name: "then_branch".into(), g, r#type: 5, ..Fields::default() });
        Graph {
            node: vec![Node { attribute: vec![branch], ..node("If", &["x"], "y") }],
            ..identity(data_type::FLOAT)
        }
    };
    let many = Graph { node: nodes(1 << 18).node, ..identity(data_type::FLOAT) };
    assert!(Model::read(model(many).encode_to_vec().into()).is_ok());
    for graph in [Graph { node: nodes((1 << 18) + 1).node, ..identity(data_type::FLOAT) }, inside(1 << 18)] {
        assert_eq!(
            refused(graph),
            (LoadErrorKind::Unsupported, "the graph has 262145 nodes, more than 262144".to_owned())
        );
    }
}

/// Each link's use depends on the next one's: looked through once for each, they would be 10^10 steps.
#[test]
fn a_long_chain_of_values_is_looked_through_once() {
    let links = 100_000;
    let name = |at: usize| if at == 0 { "ends".to_owned() } else { format!("e{at}") };
    let link = |at: usize| node("Identity", &[&name(at)], &name(at + 1));
    let slice = || node("Slice", &["x", "zero", &name(links)], "y");
    let chain = |last: Vec<Node>| {
        model(Graph {
            node: (0..links).map(link).chain(last).collect(),
            initializer: vec![int64("zero", &[0]), int64("ends", &[i64::MAX])],
            ..identity(data_type::FLOAT)
        })
    };
    assert!(constants::check(&chain(vec![slice()]), &Source::default()).is_ok());
    // Another use at its very end is one of the constant at its beginning.
    let other = node("Neg", &[&name(links)], "z");
    let said = constants::check(&chain(vec![slice(), other]), &Source::default()).unwrap_err().to_string();
    assert!(said.starts_with("constant 'ends' holds 9223372036854775807"), "{said}");
}

/// A model whose graph has, in a field of this number, a value of as many sequences within each other.
fn nested(field: u64, levels: usize) -> Source {
    // From the inside out, and backwards, so that every byte is written once.
    let mut backwards: Vec<u8> = Vec::new();
    let fields = std::iter::repeat_n([1, 4], levels).flatten().chain([2, field]);
    for field in fields {
        let mut head: Vec<u8> = Vec::new();
        prost::encoding::encode_varint(field << 3 | 2, &mut head);
        prost::encoding::encode_varint(backwards.len() as u64, &mut head);
        backwards.extend(head.iter().rev());
    }
    backwards.reverse();
    let mut graph = identity(data_type::INT64).encode_to_vec();
    graph.extend(backwards);
    let mut file = Model { graph: None, ..model(Graph::default()) }.encode_to_vec();
    prost::encoding::encode_varint(7 << 3 | 2, &mut file);
    prost::encoding::encode_varint(graph.len() as u64, &mut file);
    file.extend(graph);
    Source { model: file.into(), ..Source::default() }
}

#[test]
fn types_that_nest_without_end_are_refused_wherever_they_are() {
    // Inputs, outputs and values inside the graph.
    for field in [11, 12, 13] {
        let error = load(&nested(field, 50_000)).err().expect("loaded");
        assert_eq!(error.kind(), LoadErrorKind::Malformed);
        assert!(error.to_string().ends_with("recursion limit reached"), "{error}");
    }
    assert!(load(&nested(13, 3)).is_ok());
}

#[test]
fn constants_of_shapes_that_no_memory_holds_are_refused_by_name() {
    for dims in [vec![1 << 62, 4], vec![1 << 62, 1 << 62], vec![1 << 62, 4, 0], vec![i64::MAX, 2]] {
        let constant = Constant { dims: dims.clone(), raw_data: Some(Bytes::new()), ..int64("c", &[]) };
        let graph = Graph {
            node: vec![node("Gather", &["c", "x"], "y")],
            initializer: vec![constant],
            ..identity(data_type::INT64)
        };
        let message = format!("constant 'c' has a shape that no memory holds: '{dims:?}'");
        assert_eq!(refused(graph), (LoadErrorKind::Malformed, message));
    }
}

#[test]
fn an_input_may_be_declared_larger_than_any_memory() {
    let large = &["4611686018427387904", "4"];
    let graph = Graph {
        input: vec![value("x", data_type::INT64, large)],
        output: vec![value("y", data_type::INT64, large)],
        ..identity(data_type::INT64)
    };
    let engine = load_model(graph).unwrap();
    assert_eq!(engine.signature().inputs, [TensorSpec::new("x", Datatype::Int64, [1 << 62, 4])]);
    assert!(Cost::measure(&*engine).is_none());
}

#[test]
fn a_model_that_is_cut_off_anywhere_is_refused() {
    let whole = model(identity(data_type::FLOAT)).encode_to_vec();
    for length in 0..whole.len() {
        let cut = Source { model: whole[..length].to_vec().into(), ..Source::default() };
        if let Ok(engine) = load(&cut) {
            // A cut between two fields of the file's end may leave a whole model.
            assert_eq!(engine.signature().outputs.len(), 1, "cut at {length}");
        }
    }
    assert_eq!(
        load(&Source { model: "a text".into(), ..Source::default() }).err().unwrap().kind(),
        LoadErrorKind::Malformed
    );
}

#[test]
fn mutated_models_load_or_are_refused_and_never_panic() {
    let digits = include_bytes!("../../models/digits/model.onnx");
    let small = model(identity(data_type::INT64)).encode_to_vec();
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let (mut loaded, mut refused) = (0, 0);
    for case in 0..3000 {
        let mut file = if case % 10 == 0 { digits.to_vec() } else { small.clone() };
        for _ in 0..=random(3) {
            let at = random(file.len().min(400));
            match random(3) {
                0 => file[at] = u8::try_from(random(256)).unwrap(),
                1 => drop(file.remove(at)),
                _ => file.insert(at, u8::try_from(random(256)).unwrap()),
            }
        }
        match load(&Source { model: file.into(), ..Source::default() }) {
            Ok(_) => loaded += 1,
            Err(error) => {
                assert!(!error.to_string().contains("panicked"), "{error}");
                refused += 1;
            }
        }
    }
    println!("mutants: {loaded} loaded, {refused} refused");
    assert!(loaded > 50 && refused > 1000, "the mutants are too tame or too wild");
}

struct Panicking(Signature);

impl Engine for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn infer(
        &self,
        _inputs: Vec<Tensor>,
        _outputs: &[usize],
        _spread: Spread,
    ) -> Result<Vec<Tensor>, InferError> {
        panic!("at {}", 7)
    }
}

#[test]
fn a_panic_is_an_error_of_its_own_kind() {
    let error = infer(&Panicking(Signature::default()), vec![], &[], Spread::One).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (InferErrorKind::Panicked, "at 7".to_owned()));
}
