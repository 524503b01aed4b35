//! Files of some KB that ask for gigabytes or minutes, each node by itself within the limits: refused at load by the node.

use super::specification::{ensemble, fp32, only};
use super::*;
use crate::engine::{Cost, LoadError};

const NODES: usize = 200;

/// A file that is as small as said.
fn load_small(graph: Graph) -> Result<Arc<dyn Engine>, LoadError> {
    let source = source(graph);
    assert!(source.model.len() < 60_000, "{} bytes", source.model.len());
    load(&source)
}

/// Whether a graph is refused for what it costs up to a node of this type.
fn is_too_much(graph: Graph, op_type: &str) {
    let said = load_small(graph).err().expect("loaded").to_string();
    assert!(said.contains(&format!("node '{op_type} ")), "{said}");
    assert!(said.contains(": up to here the model ") && said.ends_with(" when it is loaded"), "{said}");
}

/// Nodes by the number, each with a name of its own and an output `y` and its number.
fn many(op_type: &str, inputs: &[&str]) -> Vec<Node> {
    let node = |number| Node {
        name: format!("{op_type} {number}"),
        ..plain(op_type, inputs.iter().map(|&name| name.into()).collect(), &format!("y{number}"))
    };
    (0..NODES).map(node).collect()
}

/// The nodes, and one behind them that needs what all of them make.
fn joined(mut nodes: Vec<Node>, constants: Vec<Constant>, columns: Option<i64>) -> Graph {
    let outputs = nodes.iter().filter_map(|node| node.output.first().cloned()).collect();
    nodes.push(Node { name: "the last".into(), ..plain("Sum", outputs, "y") });
    Graph {
        node: nodes,
        initializer: constants,
        input: vec![value("x", data_type::FLOAT, &[None, columns])],
        output: vec![value("y", data_type::FLOAT, &[None, None])],
        ..Graph::default()
    }
}

#[test]
fn what_is_computed_ahead_is_counted() {
    let shape = || int64("shape", vec![1 << 10, 1 << 10]);
    is_too_much(joined(many("ConstantOfShape", &["shape"]), vec![shape()], Some(1)), "ConstantOfShape");
    // Also where it is too large to be kept, and where it is only looked at.
    let large = int64("shape", vec![1 << 11, 1 << 11]);
    is_too_much(joined(many("ConstantOfShape", &["shape"]), vec![large], Some(1)), "ConstantOfShape");
    let mut nodes = vec![plain("ConstantOfShape", vec!["shape".into()], "wide")];
    nodes.extend(many("Shape", &["wide"]));
    is_too_much(joined(nodes, vec![shape()], Some(1)), "Shape");
}

#[test]
fn what_a_row_of_zeros_makes_is_counted() {
    let constants = || vec![int64("shape", vec![1 << 20, 1])];
    is_too_much(joined(many("Tile", &["x", "shape"]), constants(), Some(1)), "Tile");
    // Whatever is known of the sizes: a model's cost is measured with ones.
    is_too_much(joined(many("Expand", &["x", "shape"]), constants(), None), "Expand");
    // No element at all, and loops all the same.
    let nothing = int64("shape", vec![1 << 10, 0, 1 << 10]);
    is_too_much(joined(many("ConstantOfShape", &["shape"]), vec![nothing], Some(1)), "ConstantOfShape");
}

#[test]
fn what_is_computed_between_an_input_and_an_output_is_counted() {
    let named = |op_type: &str, inputs: &[&str]| many(op_type, inputs).remove(0);
    let wide = |name: &str| plain("ConstantOfShape", vec![format!("{name} shape")], name);
    let square = |name: &str| int64(name, vec![1 << 11, 1 << 11]);
    let constants = || vec![square("a shape"), square("b shape")];
    for operator in ["MatMul", "Gemm"] {
        let nodes = vec![wide("a"), wide("b"), named(operator, &["a", "b"])];
        is_too_much(joined(nodes, constants(), Some(1)), operator);
    }
    // A line and a column, once and again.
    let constants = || vec![int64("a shape", vec![1 << 11, 1]), int64("b shape", vec![1, 1 << 11])];
    let nodes = vec![wide("a"), wide("b"), named("Max", &["a", "b"].repeat(NODES))];
    is_too_much(joined(nodes, constants(), Some(1)), "Max");
}

/// Of one column of weights sixteen are laid out, for each node anew.
#[test]
fn weights_that_are_laid_out_again_and_again_are_counted() {
    let weights = plain("ConstantOfShape", vec!["shape".into()], "w");
    let nodes = std::iter::once(weights).chain(many("MatMul", &["x", "w"])).collect();
    is_too_much(joined(nodes, vec![int64("shape", vec![1 << 19, 1])], Some(1 << 19)), "MatMul");
}

#[test]
fn bytes_of_strings_are_counted() {
    let word = Constant {
        name: "word".into(),
        dims: vec![1],
        data_type: data_type::STRING,
        string_data: vec![vec![b'a'; 10_000].into()],
        ..Constant::default()
    };
    let graph = |times: i64| {
        let mut graph = joined(many("Tile", &["word", "times"]), vec![], Some(1));
        graph.initializer = vec![word.clone(), int64("times", vec![times])];
        graph.node.last_mut().unwrap().op_type = "Concat".into();
        graph.output = vec![value("y", data_type::STRING, &[None])];
        graph
    };
    is_too_much(graph(1_000), "Tile");
    let said = load_small(graph(1 << 23)).err().unwrap().to_string();
    assert!(said.ends_with("node 'Tile 0', Tile: its strings have more than 67108864 bytes"), "{said}");
}

/// `levels` nodes of which each leads to the next on both sides, as many roots as said at the first of them.
fn shared(levels: i64, roots: usize) -> Node {
    let next: Vec<i64> = (1..levels).chain([0]).collect();
    let leaf: Vec<i64> = (1..levels).map(|_| 0).chain([1]).collect();
    ensemble(&vec![0; roots], &next, &leaf, &next, &leaf)
}

#[test]
fn nodes_that_trees_share_are_built_once_and_their_walks_counted() {
    // As a tree it would have 2^1000 leaves.
    let made = only(shared(1_000, 3), vec![], &[fp32(&[1, 1], &[0.0])], Datatype::Fp32);
    assert_eq!(made.unwrap(), fp32(&[1, 1], &[3.0]));
    // One node, which is as many tests as its set has members, twice.
    let mut node = Node { name: "TreeEnsemble 0".into(), ..shared(1, 14_000) };
    let modes = node.attribute.iter_mut().find(|attribute| attribute.name == "nodes_modes").unwrap();
    modes.t.as_mut().unwrap().int32_data = vec![6];
    let members = Some(Box::new(super::specification::matrix("", &[5_000], &vec![1.0; 5_000])));
    let name = "membership_values".into();
    node.attribute.push(Attribute::from(Fields { name, t: members, r#type: 4, ..Fields::default() }));
    let graph = |node| Graph {
        node: vec![node],
        input: vec![value("x", data_type::FLOAT, &[None, Some(1)])],
        output: vec![value("y", data_type::FLOAT, &[None, Some(1)])],
        ..Graph::default()
    };
    is_too_much(graph(node), "TreeEnsemble");
    // The second leads back to the first.
    let circle = ensemble(&[0], &[1, 0], &[0, 0], &[0, 0], &[1, 1]);
    let said = load_small(graph(circle)).err().unwrap().to_string();
    assert!(
        said.ends_with("node 'the TreeEnsemble', ai.onnx.ml:TreeEnsemble: tree node 0 leads back to itself"),
        "{said}"
    );
}

#[test]
fn inputs_that_are_too_large_together_are_not_tried() {
    let names: Vec<String> = (0..100).map(|number| format!("x{number}")).collect();
    let graph = Graph {
        node: vec![plain("Sum", names.clone(), "y")],
        input: names.iter().map(|name| value(name, data_type::FLOAT, &[Some(1 << 22)])).collect(),
        output: vec![value("y", data_type::FLOAT, &[None])],
        ..Graph::default()
    };
    assert!(Cost::measure(&*load_small(graph).unwrap()).is_none());
}
