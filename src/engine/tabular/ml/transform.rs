//! What is done to scores at the end: the `post_transform` of ai.onnx.ml.

use crate::engine::tabular::element::Float;
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::Op;

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
            other => Err(op.unknown("post_transform", other)),
        }
    }

    /// By the number that version 5 of ai.onnx.ml gives it.
    pub(super) fn numbered(number: i64) -> Fallible<Self> {
        let all = [Self::None, Self::Logistic, Self::Softmax, Self::SoftmaxZero, Self::Probit];
        let found = usize::try_from(number).ok().and_then(|number| all.get(number).copied());
        found.ok_or_else(|| format!("post_transform {number} is not known"))
    }

    /// Transforms the scores of one row.
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
        scores.iter_mut().for_each(|score| *score = score.div(sum));
    }
}

/// The inverse of the normal distribution, by Winitzki's approximation of the inverse error function ("A handy approximation
/// for the error function and its inverse", 2008), which the runtimes of this operator share.
fn probit<T: Float>(x: T) -> T {
    let number = T::from_f64;
    let x = x.add(x).sub(T::ONE);
    let log = T::ONE.sub(x).mul(T::ONE.add(x)).ln();
    let a = number(0.147);
    let first = number(2.0).div(number(3.14159).mul(a)).add(number(0.5).mul(log));
    let second = log.div(a);
    let root = first.mul(first).sub(second).sqrt().sub(first).sqrt();
    let signed = if x < T::default() { root.neg() } else { root };
    number(std::f64::consts::SQRT_2).mul(signed)
}
