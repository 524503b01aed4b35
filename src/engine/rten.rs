//! The engine for neural networks: the rten crate, pure Rust, which starts in milliseconds.
//!
//! rten computes in FP32, INT32, INT8 and UINT8. A model's INT64, BOOL, FP64 and FP16 keep their datatype on the wire and
//! are converted at the border:
//! - INT64: a value beyond INT32 is refused by name, in a request and in the model's constants. What cannot be seen is an
//!   overflow of INT32 in the middle of a model, which wraps.
//! - FP64: a finite value beyond FP32 is refused; any other is rounded to FP32, and the answer is as exact as FP32 is.
//! - FP16: widened exactly, computed in FP32, and rounded once at the end; results may differ in the last bit from an engine
//!   that rounds after every operator.
//! - BOOL: 0 and 1.
//!
//! Other datatypes are refused at load.

mod values;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use rten::{Model as Graph, ModelOptions, NodeId, RunOptions, ThreadPool, ValueOrView};

use super::onnx::{self, Model, Node};
use super::{Engine, InferError, LoadError, LoadErrorKind, Source, Spread, constants, signature};
use crate::tensor::{Datatype, Excerpt, Signature, Tensor, TensorSpec};

/// The name of this engine.
pub(super) const NAME: &str = "rten";

/// A model loaded by rten.
pub(super) struct Rten {
    graph: Graph,
    signature: Signature,
    /// Symbols of the inputs' sizes: where two are the same, the sizes must be.
    symbols: Vec<Vec<Option<String>>>,
    inputs: Vec<NodeId>,
    outputs: Vec<NodeId>,
    threads: usize,
}

impl Rten {
    /// Loads a model, which was read from the source.
    pub(super) fn load(
        source: &Source,
        model: Model,
        signature: Signature,
    ) -> Result<Arc<dyn Engine>, LoadError> {
        carried(&signature)?;
        if let Some(output) =
            signature::undeclared(&model).first().and_then(|&place| signature.outputs.get(place))
        {
            let name = Excerpt(&output.name);
            let message = format!("output {name}: its number of dimensions is not declared");
            return Err(LoadError::new(LoadErrorKind::Unsupported, message));
        }
        covered(&model)?;
        constants::check(&model, source)?;
        let symbols = signature::symbols(&model, &signature);
        drop(model);

        let mut options = ModelOptions::with_all_ops();
        for (name, file) in &source.side_files {
            options.external_data(name, file.to_vec());
        }
        let graph = options.load(source.model.clone().into()).map_err(|error| {
            LoadError::new(LoadErrorKind::Unsupported, format!("{NAME} cannot load the model: {error}"))
        })?;
        let ids = |specs: &[TensorSpec]| {
            let ids = specs.iter().map(|spec| graph.find_node(&spec.name));
            ids.collect::<Option<Vec<_>>>().ok_or_else(|| {
                LoadError::new(LoadErrorKind::Malformed, "an output is made by no node of the graph")
            })
        };
        let (inputs, outputs) = (ids(&signature.inputs)?, ids(&signature.outputs)?);
        Ok(Arc::new(Self { graph, signature, symbols, inputs, outputs, threads: source.threads }))
    }

    /// Sizes that the model calls by one name must be one size.
    fn check_symbols(&self, tensors: &[Tensor]) -> Result<(), InferError> {
        let mut seen: Vec<(&str, usize, &str)> = Vec::new();
        for ((spec, symbols), tensor) in self.signature.inputs.iter().zip(&self.symbols).zip(tensors) {
            for (symbol, &size) in symbols.iter().zip(tensor.shape().sizes()) {
                let Some(symbol) = symbol else { continue };
                match seen.iter().find(|(name, ..)| name == symbol) {
                    Some(&(_, other, first)) if other != size => {
                        return Err(InferError::input(format!(
                            "input '{}': expected {other} for '{symbol}' as in input '{first}', got {size}",
                            spec.name
                        )));
                    }
                    Some(_) => {}
                    None => seen.push((symbol, size, &spec.name)),
                }
            }
        }
        Ok(())
    }
}

impl Engine for Rten {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(
        &self,
        inputs: Vec<Tensor>,
        outputs: &[usize],
        spread: Spread,
    ) -> Result<Vec<Tensor>, InferError> {
        self.check_symbols(&inputs)?;
        let specs = self.signature.inputs.iter().zip(&self.inputs);
        let values = specs
            .zip(inputs)
            .map(|((spec, &id), tensor)| Ok((id, ValueOrView::from(values::to_rten(&spec.name, tensor)?))))
            .collect::<Result<Vec<_>, InferError>>()?;
        let wanted: Vec<_> = outputs
            .iter()
            .filter_map(|&index| Some((self.signature.outputs.get(index)?, *self.outputs.get(index)?)))
            .collect();
        let ids: Vec<_> = wanted.iter().map(|&(_, id)| id).collect();
        let options = RunOptions::default().with_thread_pool(Some(thread_pool(spread, self.threads)));
        let values = self
            .graph
            .run(values, &ids, Some(options))
            .map_err(|error| InferError::failed(format!("{NAME}: {error}")))?;
        wanted.iter().zip(values).map(|((spec, _), value)| values::from_rten(spec, value)).collect()
    }
}

/// The threads that rten runs on; it does so on none but its own.
///
/// A small run gets one that serves the calling thread alone: in the pool of all it would wait behind the large ones. That
/// pool has as many threads as this process may use, which in a container are fewer than the machine has.
fn thread_pool(spread: Spread, threads: usize) -> Arc<ThreadPool> {
    static ALL: Mutex<Vec<(usize, Arc<ThreadPool>)>> = Mutex::new(Vec::new());
    thread_local! {
        static ONE: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
    }
    if spread == Spread::One {
        return ONE.with(Arc::clone);
    }
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = all.iter().find(|(size, _)| *size == threads) {
        return Arc::clone(pool);
    }
    let pool = Arc::new(ThreadPool::with_num_threads(threads.max(1)));
    all.push((threads, Arc::clone(&pool)));
    pool
}

/// Refuses inputs and outputs of a datatype that cannot be converted to one of rten's.
fn carried(signature: &Signature) -> Result<(), LoadError> {
    for (what, specs) in [("input", &signature.inputs), ("output", &signature.outputs)] {
        for spec in specs {
            match spec.datatype {
                Datatype::Bool
                | Datatype::Uint8
                | Datatype::Int8
                | Datatype::Int32
                | Datatype::Int64
                | Datatype::Fp16
                | Datatype::Fp32
                | Datatype::Fp64 => {}
                Datatype::Uint16
                | Datatype::Uint32
                | Datatype::Uint64
                | Datatype::Int16
                | Datatype::Bytes => {
                    return Err(LoadError::new(
                        LoadErrorKind::Unsupported,
                        format!(
                            "{what} {} is {}, which {NAME} does not carry",
                            Excerpt(&spec.name),
                            spec.datatype
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Refuses a model with operators that rten lacks, and names all of them.
fn covered(model: &Model) -> Result<(), LoadError> {
    let nodes: Vec<&Node> = model.graphs().into_iter().flat_map(|graph| &graph.node).collect();
    let mut seen = BTreeSet::new();
    let missing: BTreeSet<String> = nodes
        .into_iter()
        .filter(|node| seen.insert(node.operator()) && lacks(node, model))
        .map(Node::operator)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.into_iter().collect();
    let message = format!("{NAME} lacks {}", missing.join(", "));
    Err(LoadError::new(LoadErrorKind::Unsupported, message))
}

/// Whether rten lacks an operator. Its registry cannot be asked, so it is given a graph with nothing else in it: what it
/// says about an operator that it has is about the attributes.
fn lacks(node: &Node, model: &Model) -> bool {
    let alone = Node { op_type: node.op_type.clone(), domain: node.domain.clone(), ..Node::default() };
    let probe = Model {
        ir_version: model.ir_version,
        graph: Some(onnx::Graph { node: vec![alone], ..onnx::Graph::default() }),
        opset_import: model.opset_import.clone(),
    };
    let mut options = ModelOptions::with_all_ops();
    options.enable_optimization(false).prepack_weights(false);
    match options.load(probe.encode_to_vec()) {
        Ok(_) => false,
        Err(error) => error.to_string().contains("operator not supported"),
    }
}
