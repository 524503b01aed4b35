//! What is done to scores at the end: the `post_transform` of ai.onnx.ml.

use crate::engine::tabular::element::{Float, Number};
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::{Op, unknown};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Transform {
    pub(super) fn read(op: &Op<'_>) -> Fallible<Self> {
        match op.text("post_transform")?.unwrap_or("NONE") {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            other => Err(unknown("post_transform", other)),
        }
    }

    /// By the number that version 5 of ai.onnx.ml gives it.
    pub(super) fn numbered(number: i64) -> Fallible<Self> {
        let all = [Self::None, Self::Softmax, Self::Logistic, Self::SoftmaxZero, Self::Probit];
        let found = usize::try_from(number).ok().and_then(|number| all.get(number).copied());
        found.ok_or_else(|| format!("post_transform {number} is not known"))
    }

    /// Transforms the scores of one row, also where there is only one: ONNX Runtime leaves that as it is, of which the specification
    /// says nothing.
    pub(super) fn apply<T: Float>(self, scores: &mut [T]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => crate::engine::tabular::plain::shares(scores),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// From the side on which nothing overflows.
pub(super) fn logistic<T: Float>(x: T) -> T {
    let share = T::ONE.div(T::ONE.add(x.abs().neg().exp()));
    if x < T::default() { T::ONE.sub(share) } else { share }
}

/// Shares of one among the scores that are not zero; a zero stays zero.
fn softmax_zero<T: Float>(scores: &mut [T]) {
    let is_zero = |score: T| score.abs() <= T::from_f64(1e-7);
    let largest = scores.iter().fold(T::LEAST, |largest, &x| if x > largest { x } else { largest });
    let mut sum = T::default();
    for score in scores.iter_mut() {
        if is_zero(*score) {
            *score = score.mul(largest.neg().exp());
        } else {
            *score = score.sub(largest).exp();
            sum = sum.add(*score);
        }
    }
    if sum != T::default() {
        for score in scores {
            *score = score.div(sum);
        }
    }
}

/// The inverse of the normal distribution, by Winitzki's approximation of the inverse error function ("A handy approximation
/// for the error function and its inverse", 2008), which the runtimes of this operator share. In FP32 whatever the scores are:
/// near zero the formula loses digits, and which ones is part of the answer.
fn probit<T: Float>(x: T) -> T {
    let x = f32::from_f64(x.to_f64());
    let x = 2.0 * x - 1.0;
    let log = Float::ln((1.0 - x) * (1.0 + x));
    #[allow(clippy::approx_constant)] // the runtimes' constant
    let pi = 3.14159_f32;
    let first = 2.0 / (pi * 0.147) + 0.5 * log;
    let second = 1.0 / 0.147 * log;
    let root = ((first * first - second).sqrt() - first).sqrt();
    let signed = if x < 0.0 { -root } else { root };
    T::from_f64(f64::from(std::f32::consts::SQRT_2 * signed))
}
