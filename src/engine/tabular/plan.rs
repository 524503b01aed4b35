//! From an ONNX graph to numbered values and the steps between them.

use std::collections::HashMap;

use super::NAME;
use super::kernels::{Dense, Function, Operation};
use crate::engine::onnx::{Attribute, Constant, Graph, Model, Node, data_type};
use crate::engine::{LoadError, LoadErrorKind};
use crate::tensor::{Datatype, Excerpt, Signature};

/// A model as it runs. Value 0 is the input.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How many values there are.
    pub(super) values: usize,
    /// Where the outputs of the signature are, in its order.
    pub(super) outputs: Vec<Place>,
}

/// One operation, the value that it reads and the value that it makes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) operation: Operation,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A value, and how many columns it has; `None` = one element per row, without a dimension for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) value: usize,
    pub(super) columns: Option<usize>,
}

/// A float matrix of constants, row by row.
struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

struct Planner<'a> {
    graph: &'a Graph,
    /// Values by name: the floats, and the labels that ArgMax makes.
    floats: HashMap<&'a str, Place>,
    labels: HashMap<&'a str, Place>,
    plan: Plan,
}

fn unsupported(reason: impl AsRef<str>) -> LoadError {
    LoadError::new(
        LoadErrorKind::Unsupported,
        format!("{NAME} does not cover the model: {}", reason.as_ref()),
    )
}

impl Plan {
    /// Multiply-adds per row.
    pub(super) fn multiply_adds(&self) -> usize {
        self.steps.iter().map(|step| step.operation.multiply_adds()).sum()
    }

    /// Plans a model, or says what of it is not covered.
    pub(super) fn of(model: &Model, signature: &Signature) -> Result<Self, LoadError> {
        let graph = model.graph.as_ref().ok_or_else(|| unsupported("it has no graph"))?;
        let [input] = signature.inputs.as_slice() else { return Err(unsupported("it has several inputs")) };
        let [rows, columns] = *input.shape else {
            return Err(unsupported("its input has not two dimensions"));
        };
        if input.datatype != Datatype::Fp32 || rows >= 0 {
            return Err(unsupported("its input is not FP32 [-1,columns]"));
        }
        let columns =
            usize::try_from(columns).map_err(|_| unsupported("its input's columns are not fixed"))?;
        let name = graph.input.iter().map(|input| input.name.as_str()).find(|name| *name == input.name);
        let first = Place { value: 0, columns: Some(columns) };
        let mut planner = Planner {
            graph,
            floats: name.map(|name| (name, first)).into_iter().collect(),
            labels: HashMap::new(),
            plan: Self { steps: Vec::new(), values: 1, outputs: Vec::new() },
        };
        let default_opset = model
            .opset_import
            .iter()
            .find(|set| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx")));
        let opset = default_opset.and_then(|set| set.version).unwrap_or(0);
        // Softmax and ArgMax had other meanings before.
        if opset < 13 {
            return Err(unsupported("its operator set is older than 13"));
        }
        for node in &graph.node {
            planner.node(node).map_err(|reason| {
                unsupported(format!("node {}, {}: {reason}", Excerpt(&node.name), node.operator()))
            })?;
        }
        for spec in &signature.outputs {
            let place = match spec.datatype {
                Datatype::Fp32 => planner.floats.get(spec.name.as_str()),
                Datatype::Int64 => planner.labels.get(spec.name.as_str()),
                _ => None,
            };
            let place = *place.ok_or_else(|| unsupported(format!("output {}", Excerpt(&spec.name))))?;
            planner.plan.outputs.push(place);
        }
        planner.plan.fuse();
        Ok(planner.plan)
    }

    /// Joins a layer with the Relu that alone reads it.
    fn fuse(&mut self) {
        let read: Vec<usize> = self.steps.iter().map(|step| step.from).collect();
        let times = |value: usize| read.iter().filter(|&&from| from == value).count();
        let mut fused: Vec<Step> = Vec::with_capacity(self.steps.len());
        for step in std::mem::take(&mut self.steps) {
            let wanted = self.outputs.iter().any(|place| place.value == step.from);
            match (&step.operation, fused.last_mut()) {
                (
                    Operation::Map(Function::Relu),
                    Some(Step { operation: Operation::Dense(dense), to, .. }),
                ) if *to == step.from && times(step.from) == 1 && !wanted => {
                    dense.relu = true;
                    *to = step.to;
                }
                _ => fused.push(step),
            }
        }
        self.steps = fused;
    }
}

impl<'a> Planner<'a> {
    fn node(&mut self, node: &'a Node) -> Result<(), String> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err("not an operator of this engine".into());
        }
        match node.op_type.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => {
                let from = self.input(node, 0)?;
                let Matrix { rows, columns, values } = self.matrix(node, 1)?;
                if from.columns != Some(rows) {
                    return Err("its inputs do not fit each other".into());
                }
                self.dense(node, from, &values, vec![0.0; columns])
            }
            "Add" => self.add(node),
            "Relu" => self.map(node, Function::Relu),
            "Sigmoid" => self.map(node, Function::Sigmoid),
            "Tanh" => self.map(node, Function::Tanh),
            "Identity" => self.map(node, Function::Identity),
            "Softmax" => {
                let from = self.input(node, 0)?;
                last_axis(integer(node, "axis")?.unwrap_or(-1))?;
                let columns = from.columns.unwrap_or(0);
                self.step(node, Operation::Softmax(columns), from)
            }
            "ArgMax" => self.arg_max(node),
            _ => Err("not an operator of this engine".into()),
        }
    }

    fn gemm(&mut self, node: &'a Node) -> Result<(), String> {
        known(node, &["alpha", "beta", "transA", "transB"])?;
        let from = self.input(node, 0)?;
        if integer(node, "transA")?.unwrap_or(0) != 0 || has(node, "alpha") || has(node, "beta") {
            return Err("transA, alpha and beta are not covered".into());
        }
        let mut weights = self.matrix(node, 1)?;
        if integer(node, "transB")?.unwrap_or(0) != 0 {
            weights = weights.transposed();
        }
        let Matrix { rows, columns, values } = weights;
        if from.columns != Some(rows) {
            return Err("its inputs do not fit each other".into());
        }
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            None => vec![0.0; columns],
            Some(_) => self.row(node, 2, columns)?,
        };
        self.dense(node, from, &values, bias)
    }

    /// An addition of a constant row, which becomes the bias of the layer that it follows.
    fn add(&mut self, node: &'a Node) -> Result<(), String> {
        let (value, constant) = if self.input(node, 0).is_ok() { (0, 1) } else { (1, 0) };
        let from = self.input(node, value)?;
        let addend = self.row(node, constant, from.columns.unwrap_or(0))?;
        let made_by = self.plan.steps.iter_mut().find(|step| step.to == from.value);
        let Some(Step { operation: Operation::Dense(dense), .. }) = made_by else {
            return Err("what it adds to is not a layer".into());
        };
        let read_elsewhere = self.graph.node.iter().flat_map(|node| &node.input);
        let name = node.input.get(value);
        if read_elsewhere.filter(|input| Some(*input) == name).count() != 1
            || self.graph.output.iter().any(|output| Some(&output.name) == name)
            || !dense.is_unbiased()
        {
            return Err("what it adds to is needed elsewhere too".into());
        }
        dense.set_bias(addend);
        self.floats.insert(output(node)?, from);
        Ok(())
    }

    fn arg_max(&mut self, node: &'a Node) -> Result<(), String> {
        known(node, &["axis", "keepdims", "select_last_index"])?;
        let from = self.input(node, 0)?;
        last_axis(integer(node, "axis")?.unwrap_or(0))?;
        if integer(node, "select_last_index")?.unwrap_or(0) != 0 {
            return Err("select_last_index is not covered".into());
        }
        let keep = integer(node, "keepdims")?.unwrap_or(1) != 0;
        let columns =
            from.columns.filter(|&columns| columns > 0).ok_or("it has no columns to choose from")?;
        let place = Place { value: self.plan.values, columns: keep.then_some(1) };
        self.labels.insert(output(node)?, place);
        self.push(Operation::ArgMax(columns), from);
        Ok(())
    }

    fn dense(&mut self, node: &'a Node, from: Place, weights: &[f32], bias: Vec<f32>) -> Result<(), String> {
        let place = Place { value: self.plan.values, columns: Some(bias.len()) };
        self.floats.insert(output(node)?, place);
        self.push(Operation::Dense(Dense::new(weights, bias)), from);
        Ok(())
    }

    fn map(&mut self, node: &'a Node, function: Function) -> Result<(), String> {
        let from = self.input(node, 0)?;
        self.step(node, Operation::Map(function), from)
    }

    /// A step whose result has the shape of what it reads.
    fn step(&mut self, node: &'a Node, operation: Operation, from: Place) -> Result<(), String> {
        let place = Place { value: self.plan.values, columns: from.columns };
        self.floats.insert(output(node)?, place);
        self.push(operation, from);
        Ok(())
    }

    fn push(&mut self, operation: Operation, from: Place) {
        let to = self.plan.values;
        self.plan.steps.push(Step { operation, from: from.value, to });
        self.plan.values += 1;
    }

    fn input(&self, node: &Node, index: usize) -> Result<Place, String> {
        let name = node.input.get(index).map(String::as_str).unwrap_or_default();
        self.floats
            .get(name)
            .copied()
            .ok_or_else(|| format!("input {} is not a matrix that was made before", Excerpt(name)))
    }

    fn constant(&self, node: &Node, index: usize) -> Result<&'a Constant, String> {
        let name = node.input.get(index).map(String::as_str).unwrap_or_default();
        let found = self.graph.initializer.iter().find(|constant| constant.name == name);
        let given = self.graph.input.iter().any(|input| input.name == name);
        found.filter(|_| !given).ok_or_else(|| format!("input {} is not a constant", Excerpt(name)))
    }

    fn matrix(&self, node: &Node, index: usize) -> Result<Matrix, String> {
        let constant = self.constant(node, index)?;
        let [rows, columns] = *constant.dims else {
            return Err("its weights have not two dimensions".into());
        };
        let size = |size: i64| usize::try_from(size).map_err(|_| "its weights have a negative size");
        let (rows, columns) = (size(rows)?, size(columns)?);
        let values = floats(constant)?;
        if rows.checked_mul(columns) != Some(values.len()) || values.is_empty() {
            return Err("its weights are not as many as their shape says".into());
        }
        Ok(Matrix { rows, columns, values })
    }

    /// A constant that is one row, or one number for all columns.
    fn row(&self, node: &Node, index: usize, columns: usize) -> Result<Vec<f32>, String> {
        let constant = self.constant(node, index)?;
        let values = floats(constant)?;
        let leading = constant.dims.split_last().map_or(&[][..], |(_, leading)| leading);
        match values.as_slice() {
            _ if leading.len() > 1 || leading.iter().any(|&size| size != 1) => {
                Err("its addend is not one row".into())
            }
            [one] => Ok(vec![*one; columns]),
            row if row.len() == columns => Ok(values),
            _ => Err("its addend does not fit".into()),
        }
    }
}

impl Matrix {
    fn transposed(self) -> Self {
        let Self { rows, columns, values } = self;
        let turned =
            (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect();
        Self { rows: columns, columns: rows, values: turned }
    }
}

fn floats(constant: &Constant) -> Result<Vec<f32>, String> {
    if constant.data_type != data_type::FLOAT || constant.data_location != 0 {
        return Err("its constants are not floats in the file itself".into());
    }
    match &constant.raw_data {
        None => Ok(constant.float_data.clone()),
        Some(raw) => {
            let (floats, rest) = raw.as_chunks::<4>();
            if !rest.is_empty() {
                return Err("its constants are cut off".into());
            }
            Ok(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
        }
    }
}

fn output(node: &Node) -> Result<&str, String> {
    match node.output.as_slice() {
        [output] => Ok(output),
        _ => Err("it has not one output".into()),
    }
}

fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn has(node: &Node, name: &str) -> bool {
    attribute(node, name).is_some()
}

fn integer(node: &Node, name: &str) -> Result<Option<i64>, String> {
    match attribute(node, name) {
        None => Ok(None),
        Some(attribute) => attribute.i.map(Some).ok_or_else(|| format!("{name} is not an integer")),
    }
}

/// Refuses attributes that this engine would not honour.
fn known(node: &Node, names: &[&str]) -> Result<(), String> {
    match node.attribute.iter().find(|attribute| !names.contains(&attribute.name.as_str())) {
        None => Ok(()),
        Some(attribute) => Err(format!("attribute {} is not known", Excerpt(&attribute.name))),
    }
}

fn last_axis(axis: i64) -> Result<(), String> {
    if matches!(axis, 1 | -1) { Ok(()) } else { Err(format!("axis {axis} is not the last")) }
}
