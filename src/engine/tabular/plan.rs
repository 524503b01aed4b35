//! From an ONNX graph to numbered values and the steps between them.

mod fuse;
mod refusal;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::budget::Budget;
use super::kernel::{Inputs, Kernel, Output, Place};
use super::ml::Labels;
use super::node::{Builder, Built, Op};
use super::{NAME, constant, ml, plain};
use crate::engine::onnx::{Constant, Graph, Model, Node};
use crate::engine::{LoadError, LoadErrorKind};
use crate::tensor::{Datatype, Excerpt, Signature, Tensor, TensorSpec};
use refusal::Refusal;

/// The domain of the operators that are only this engine's.
pub(super) const ML: &str = "ai.onnx.ml";

/// Larger constants are not computed ahead: they would be held for as long as the model is.
const FOLDED: usize = 1 << 20;

/// A model as it runs. The first slots are the inputs.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How many values are made or given.
    pub(super) slots: usize,
    pub(super) constants: Vec<Tensor>,
    /// Where the outputs of the signature are, in its order.
    pub(super) outputs: Vec<Place>,
    /// Class labels of outputs that are a classifier's scores.
    pub(super) labels: Vec<Arc<Vec<String>>>,
    /// Whether an operator is only this engine's.
    pub(super) is_tabular: bool,
}

/// One kernel, the values that it reads and the values that it makes.
pub(super) struct Step {
    /// The node's, see [`named`].
    pub(super) name: String,
    pub(super) kernel: Box<dyn Kernel>,
    pub(super) inputs: Vec<(Place, bool)>,
    pub(super) outputs: Vec<usize>,
    /// Whether it may refuse some values and take others of the same shape.
    pub(super) is_picky: bool,
}

/// A value that is known by name.
#[derive(Clone)]
struct Value {
    place: Place,
    datatype: Datatype,
    /// Shared, since as many values as there are nodes may have them.
    labels: Arc<Vec<String>>,
}

struct Planner<'a> {
    graph: &'a Graph,
    budget: &'a Budget,
    versions: (i64, i64),
    values: HashMap<&'a str, Value>,
    initializers: HashMap<&'a str, &'a Constant>,
    /// The nodes that read a value; an output of the graph counts as one more that is no node.
    readers: HashMap<&'a str, Vec<Option<usize>>>,
    /// Nodes that became part of a step before them.
    fused: HashSet<usize>,
    plan: Plan,
}

impl Plan {
    /// Multiply-adds per row, where all steps know theirs.
    pub(super) fn multiply_adds(&self) -> Option<usize> {
        self.steps.iter().map(|step| step.kernel.multiply_adds()).sum()
    }

    /// Whether it is made of layers at all.
    pub(super) fn is_dense(&self) -> bool {
        self.multiply_adds().is_some_and(|multiply_adds| multiply_adds > 0)
    }

    /// Plans a model, or says what of it is not covered.
    pub(super) fn of(model: &Model, signature: &Signature, budget: &Budget) -> Result<Self, LoadError> {
        let none = Graph::default();
        let graph = model.graph.as_ref().unwrap_or(&none);
        let lacking: BTreeSet<String> =
            graph.node.iter().filter(|node| builder(node).is_none()).map(Node::operator).collect();
        if !lacking.is_empty() {
            let lacking = lacking.into_iter().collect::<Vec<_>>().join(", ");
            return Err(LoadError::new(LoadErrorKind::Unsupported, format!("{NAME} lacks {lacking}")));
        }
        let version = |domain: &[&str]| {
            let set = model
                .opset_import
                .iter()
                .find(|set| domain.contains(&set.domain.as_deref().unwrap_or_default()));
            set.and_then(|set| set.version).unwrap_or(0)
        };
        let mut readers: HashMap<&str, Vec<Option<usize>>> = HashMap::new();
        for (place, node) in graph.node.iter().enumerate() {
            for name in &node.input {
                readers.entry(name).or_default().push(Some(place));
            }
        }
        for output in &graph.output {
            readers.entry(&output.name).or_default().push(None);
        }
        let mut planner = Planner {
            graph,
            budget,
            versions: (version(&["", "ai.onnx"]), version(&[ML])),
            values: HashMap::new(),
            initializers: graph
                .initializer
                .iter()
                .map(|constant| (constant.name.as_str(), constant))
                .collect(),
            readers,
            fused: HashSet::new(),
            plan: Self {
                steps: Vec::new(),
                slots: 0,
                constants: Vec::new(),
                outputs: Vec::new(),
                labels: Vec::new(),
                is_tabular: graph.node.iter().any(|node| node.domain == ML),
            },
        };
        planner.inputs(signature);
        for (place, node) in graph.node.iter().enumerate() {
            if !planner.fused.contains(&place) {
                planner.node(place, node).map_err(|refusal| refusal.of(&named(node)))?;
            }
        }
        for spec in &signature.outputs {
            planner.output(spec).map_err(|refusal| refusal.of(&format!("output {}", Excerpt(&spec.name))))?;
        }
        planner.plan.settle();
        Ok(planner.plan)
    }

    /// The first `inputs` slots of which the inputs of a step are made.
    pub(super) fn sources(&self, step: usize, inputs: usize) -> Vec<usize> {
        let slots = |step: &Step| -> Vec<usize> {
            let slot =
                |place: &(Place, bool)| if let Place::Slot(slot) = place.0 { Some(slot) } else { None };
            step.inputs.iter().filter_map(slot).collect()
        };
        let mut wanted: HashSet<usize> = self.steps.get(step).map(slots).into_iter().flatten().collect();
        for earlier in self.steps.iter().take(step).rev() {
            if earlier.outputs.iter().any(|output| wanted.contains(output)) {
                wanted.extend(slots(earlier));
            }
        }
        (0..inputs).filter(|input| wanted.contains(input)).collect()
    }

    /// Notes for each input of each step whether nobody needs it later.
    fn settle(&mut self) {
        let mut needed: HashSet<Place> = self.outputs.iter().copied().collect();
        for step in self.steps.iter_mut().rev() {
            let mut times: HashMap<Place, usize> = HashMap::new();
            for (place, _) in &step.inputs {
                *times.entry(*place).or_default() += 1;
            }
            for (place, is_last) in &mut step.inputs {
                *is_last = times.get(place) == Some(&1) && !needed.contains(place);
            }
            needed.extend(times.into_keys());
        }
    }
}

impl<'a> Planner<'a> {
    fn inputs(&mut self, signature: &Signature) {
        // The names as the graph holds them, which live as long as the graph.
        let names: HashSet<&str> = self.graph.input.iter().map(|input| input.name.as_str()).collect();
        for spec in &signature.inputs {
            if let Some(name) = names.get(spec.name.as_str()) {
                let place = Place::Slot(self.plan.slots);
                let value = Value { place, datatype: spec.datatype, labels: Arc::default() };
                self.values.insert(name, value);
            }
            self.plan.slots += 1;
        }
    }

    fn output(&mut self, spec: &TensorSpec) -> Result<(), Refusal> {
        let value = self.find(&spec.name)?.ok_or_else(|| Refusal::faulty("it is made by no node"))?;
        if value.datatype != spec.datatype {
            let (made, declared) = (value.datatype, spec.datatype);
            return Err(Refusal::faulty(format!("it is declared as {declared} and made as {made}")));
        }
        self.budget.make(value.labels.iter().map(|label| label.len() + 1).sum())?;
        self.plan.outputs.push(value.place);
        self.plan.labels.push(value.labels);
        Ok(())
    }

    /// A value that was made before, or a constant.
    fn find(&mut self, name: &str) -> Result<Option<Value>, Refusal> {
        if let Some(value) = self.values.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some((&name, constant)) = self.initializers.get_key_value(name) else { return Ok(None) };
        let tensor = constant::read(constant).map_err(|reason| Refusal {
            is_faulty: constant::is_covered(constant),
            reason: format!("constant {}: {reason}", Excerpt(name)),
        })?;
        Ok(Some(self.constant(name, tensor)))
    }

    fn constant(&mut self, name: &'a str, tensor: Tensor) -> Value {
        let datatype = tensor.datatype();
        let value =
            Value { place: Place::Constant(self.plan.constants.len()), datatype, labels: Arc::default() };
        self.plan.constants.push(tensor);
        self.values.insert(name, value.clone());
        value
    }

    fn node(&mut self, place: usize, node: &'a Node) -> Result<(), Refusal> {
        let mut values = Vec::with_capacity(node.input.len());
        for name in &node.input {
            values.push(match name.as_str() {
                "" => None,
                name => {
                    let value = self.find(name)?;
                    let missing = || format!("input {} is made by no node before", Excerpt(name));
                    Some(value.ok_or_else(|| Refusal::faulty(missing()))?)
                }
            });
        }
        let constants = values.iter().map(|value| match value.as_ref()?.place {
            Place::Constant(constant) => self.plan.constants.get(constant),
            Place::Slot(_) | Place::Nowhere => None,
        });
        let op = Op {
            node,
            version: if node.domain == ML { self.versions.1 } else { self.versions.0 },
            types: values.iter().map(|value| value.as_ref().map(|value| value.datatype)).collect(),
            constants: constants.collect(),
            budget: self.budget,
        };
        // The operators of ai.onnx.ml are covered whole, whatever the engine lacks of others.
        let refused = |reason| Refusal {
            is_faulty: node.domain == ML
                && node.op_type != "CastMap"
                && op.is_covered()
                && !self.budget.is_spent(),
            reason,
        };
        let Built { kernel, outputs, is_picky } =
            builder(node).ok_or("not an operator of this engine")?(&op).map_err(refused)?;
        let mut labels = Arc::new(class_labels(&op)?);
        if labels.is_empty() && keeps_columns(node) {
            labels = values
                .iter()
                .flatten()
                .map(|value| &value.labels)
                .find(|labels| !labels.is_empty())
                .cloned()
                .unwrap_or_default();
        }
        if node.output.len() > outputs.len() {
            let reason = format!("it has {} outputs, the operator {}", node.output.len(), outputs.len());
            return Err(Refusal::faulty(reason));
        }
        let inputs: Vec<_> = values
            .iter()
            .map(|value| (value.as_ref().map_or(Place::Nowhere, |value| value.place), false))
            .collect();
        if inputs.iter().all(|(place, _)| !matches!(place, Place::Slot(_)))
            && let Some(made) = self.ahead(&*kernel, &inputs)?
        {
            for (name, tensor) in node.output.iter().zip(made) {
                self.constant(name, tensor);
            }
            return Ok(());
        }
        let (kernel, last) = self.fuse(place, node, kernel, &values);
        let first = self.plan.slots;
        self.plan.slots += outputs.len();
        for (index, (name, &datatype)) in last.output.iter().zip(&outputs).enumerate() {
            let labels = if index + 1 == outputs.len() { labels.clone() } else { Arc::default() };
            let value = Value { place: Place::Slot(first + index), datatype, labels };
            if !name.is_empty() && self.values.insert(name, value).is_some() {
                return Err(Refusal::faulty(format!("{} is made twice", Excerpt(name))));
            }
        }
        self.plan.steps.push(Step {
            name: named(node),
            kernel,
            inputs,
            outputs: (first..first + outputs.len()).collect(),
            is_picky,
        });
        Ok(())
    }

    /// What a node makes of constants alone, unless that is much.
    fn ahead(&self, kernel: &dyn Kernel, places: &[(Place, bool)]) -> Result<Option<Vec<Tensor>>, String> {
        let made = match (Inputs {
            slots: &mut [],
            constants: &self.plan.constants,
            places,
            budget: Some(self.budget),
        })
        .run(kernel)?
        {
            Output::One(tensor) => vec![tensor],
            Output::Many(tensors) => tensors,
        };
        let elements: usize = made.iter().map(|tensor| tensor.data().len()).sum();
        Ok((elements <= FOLDED).then_some(made))
    }
}

/// A node, as errors name it.
fn named(node: &Node) -> String {
    format!("node {}, {}", Excerpt(&node.name), node.operator())
}

/// What builds the kernel of a node, if the engine has its operator.
fn builder(node: &Node) -> Option<Builder> {
    match node.domain.as_str() {
        "" | "ai.onnx" => plain::builder(&node.op_type),
        ML => ml::builder(&node.op_type),
        _ => None,
    }
}

/// Whether each column of what a node makes is made of the same column: what stands behind a classifier when its scores leave without
/// a `ZipMap`.
fn keeps_columns(node: &Node) -> bool {
    matches!(
        (node.domain.as_str(), node.op_type.as_str()),
        (ML, "Normalizer")
            | ("" | "ai.onnx", "Identity" | "Cast" | "Mul" | "Div" | "Add" | "Sub" | "Sigmoid" | "Softmax")
    )
}

/// The labels of the classes whose scores are a node's last output.
fn class_labels(op: &Op<'_>) -> Result<Vec<String>, String> {
    let integers = match op.node.op_type.as_str() {
        "TreeEnsembleClassifier" | "ZipMap" => "classlabels_int64s",
        "LinearClassifier" => "classlabels_ints",
        _ => return Ok(Vec::new()),
    };
    Ok(Labels::read(op, "classlabels_strings", integers)?.map_or_else(Vec::new, |labels| labels.texts()))
}
