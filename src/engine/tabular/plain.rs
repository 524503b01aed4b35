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

use super::node::Builder;

pub(super) use cast::{cast, floats};
pub(super) use dense::Dense;
pub(super) use matmul::layer;
pub(super) use movement::joined;
pub(super) use softmax::shares;

/// What builds the kernels of an operator, if there is such a thing.
pub(super) fn builder(operator: &str) -> Option<Builder> {
    Some(match operator {
        "Constant" | "ConstantOfShape" | "Shape" | "Size" | "Identity" | "Reshape" | "Flatten"
        | "Squeeze" | "Unsqueeze" | "Expand" => shape::build,
        "Cast" => cast::build,
        "Abs" | "Neg" | "Sign" | "Floor" | "Ceil" | "Sqrt" | "Exp" | "Log" | "Reciprocal" | "Sigmoid"
        | "Tanh" | "Relu" | "Not" | "IsNaN" | "Clip" => map::build,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Equal" | "Less" | "LessOrEqual" | "Greater"
        | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Max" | "Min" | "Sum" | "Mean" | "Where" => {
            arithmetic::build
        }
        "Concat" | "Split" | "Slice" | "Gather" | "GatherElements" | "Transpose" | "Tile" => movement::build,
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceSumSquare"
        | "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "CumSum" => reduce::build,
        "ArgMax" | "ArgMin" | "TopK" => choose::build,
        "Softmax" | "LogSoftmax" => softmax::build,
        "MatMul" | "Gemm" => matmul::build,
        _ => return None,
    })
}
