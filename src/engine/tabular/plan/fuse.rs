//! Joining nodes to one step.

use super::{Kernel, Place, Planner, Value, plain};
use crate::engine::onnx::Node;

impl<'a> Planner<'a> {
    /// Joins a product with constant weights, the constant row that is added to it and the Relu behind them, where nothing else
    /// reads what is between. Gives the kernel and the node whose output it makes.
    pub(super) fn fuse(
        &mut self,
        place: usize,
        node: &'a Node,
        kernel: Box<dyn Kernel>,
        values: &[Option<Value>],
    ) -> (Box<dyn Kernel>, &'a Node) {
        if node.op_type != "MatMul" {
            return (kernel, node);
        }
        let weights = values.get(1).and_then(|value| match value.as_ref()?.place {
            Place::Constant(constant) => self.plan.constants.get(constant).cloned(),
            Place::Slot(_) | Place::Nowhere => None,
        });
        let Some(weights) = weights else { return (kernel, node) };
        let (mut last, mut lasts) = (node, vec![place]);
        let mut bias = None;
        if let Some((next, add)) = self.only_reader(last, "Add") {
            let made = last.output.first();
            let other = add.input.iter().find(|name| Some(*name) != made).cloned();
            if let Some(Ok(Some(Value { place: Place::Constant(constant), .. }))) =
                other.map(|name| self.find(&name))
            {
                bias = self.plan.constants.get(constant).cloned();
                (last, lasts) = (add, vec![place, next]);
            }
        }
        let relu = self.only_reader(last, "Relu");
        match plain::layer(&weights, bias.as_ref(), relu.is_some()) {
            Ok(layer) => {
                if let Some((next, relu)) = relu {
                    last = relu;
                    lasts.push(next);
                }
                self.fused.extend(lasts.into_iter().filter(|&last| last != place));
                (layer.kernel, last)
            }
            Err(_) => (kernel, node),
        }
    }

    /// The one node that reads what a node makes, if it is of some type.
    fn only_reader(&self, node: &Node, operator: &str) -> Option<(usize, &'a Node)> {
        let [Some(reader)] = *self.readers.get(node.output.first()?.as_str())?.as_slice() else {
            return None;
        };
        let found = self.graph.node.get(reader)?;
        (found.op_type == operator && matches!(found.domain.as_str(), "" | "ai.onnx"))
            .then_some((reader, found))
    }
}
