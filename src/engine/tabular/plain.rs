//! Operators of ONNX itself, a file per family: what converters put around the models of ai.onnx.ml.

mod arithmetic;
mod cast;
mod choose;
mod dense;
mod map;
mod matmul;
mod movement;
mod reduce;
mod shape;
mod softmax;

use super::kernel::Fallible;
use super::node::{Built, Op};

pub(super) use cast::{cast, floats};
pub(super) use dense::Dense;
pub(super) use matmul::layer;
pub(super) use movement::joined;
pub(super) use softmax::shares;

/// Builds the kernel of a node.
pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    match op.node.op_type.as_str() {
        "Constant" | "ConstantOfShape" | "Shape" | "Size" | "Identity" | "Reshape" | "Flatten" | "Squeeze"
        | "Unsqueeze" | "Expand" => shape::build(op),
        "Cast" => cast::build(op),
        "Abs" | "Neg" | "Sign" | "Floor" | "Ceil" | "Sqrt" | "Exp" | "Log" | "Reciprocal" | "Sigmoid"
        | "Tanh" | "Relu" | "Not" | "IsNaN" | "Clip" => map::build(op),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Equal" | "Less" | "LessOrEqual" | "Greater"
        | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Max" | "Min" | "Sum" | "Mean" | "Where" => {
            arithmetic::build(op)
        }
        "Concat" | "Split" | "Slice" | "Gather" | "GatherElements" | "Transpose" | "Tile" => movement::build(op),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceSumSquare"
        | "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "CumSum" => reduce::build(op),
        "ArgMax" | "ArgMin" | "TopK" => choose::build(op),
        "Softmax" | "LogSoftmax" => softmax::build(op),
        "MatMul" | "Gemm" => matmul::build(op),
        _ => Err("not an operator of this engine".into()),
    }
}
