//! Linear models.

use super::labels::Labels;
use super::transform::{Transform, logistic};
use crate::engine::tabular::kernel::{Fallible, Inputs, Kernel, Output, elements, tensor};
use crate::engine::tabular::node::{Built, Op};
use crate::engine::tabular::plain::{Dense, floats};
use crate::tensor::{Data, Datatype};

/// A layer from coefficients, one row of them per target.
fn layer(op: &Op<'_>, targets: usize, intercepts: &[f32]) -> Fallible<Dense<f32>> {
    let coefficients = op.floats("coefficients")?;
    if targets == 0 || coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
        return Err(format!("{} coefficients are not for {targets} targets", coefficients.len()));
    }
    let columns = coefficients.len() / targets;
    let weights: Vec<f32> =
        (0..columns).flat_map(|column| coefficients.iter().skip(column).step_by(columns).copied()).collect();
    let bias = match intercepts {
        [] => vec![0.0; targets],
        given if given.len() == targets => given.to_vec(),
        given => return Err(format!("{} intercepts are not for {targets} targets", given.len())),
    };
    Ok(Dense::new(&weights, bias, false))
}

/// The input as floats, its rows, and the check of its width.
pub(super) fn matrix(inputs: &Inputs<'_>, columns: usize) -> Fallible<(Vec<f32>, usize)> {
    let (rows, width) = rows_and_width(inputs.sizes(0)?)?;
    if width != columns {
        return Err(format!("its input has {width} columns, the model {columns}"));
    }
    Ok((floats(inputs.get(0)?.data())?, rows))
}

/// A vector is one row.
pub(super) fn rows_and_width(sizes: &[usize]) -> Fallible<(usize, usize)> {
    match *sizes {
        [width] => Ok((1, width)),
        [rows, width] => Ok((rows, width)),
        _ => Err(format!("its input has {} dimensions, not two", sizes.len())),
    }
}

pub(super) fn classifier(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let intercepts = op.floats("intercepts")?;
    let labels = Labels::read(op, "classlabels_strings", "classlabels_ints")?;
    let targets = match (intercepts.len(), &labels) {
        (0, Some(labels)) => labels.len(),
        (targets, _) => targets,
    };
    let layer = layer(op, targets, intercepts)?;
    let two = targets == 1 && labels.as_ref().is_none_or(|labels| labels.len() == 2);
    let second = two && labels.is_some();
    let labels = match labels {
        Some(labels) if labels.len() == targets || two => labels,
        Some(labels) => return Err(format!("{} labels are not for {targets} scores", labels.len())),
        None if targets == 1 => Labels::Integers(vec![0, 1]),
        None => return Err("its labels are missing".into()),
    };
    let outputs = vec![labels.datatype(), Datatype::Fp32];
    let kernel = Classifier { layer, labels, transform: Transform::read(op)?, second };
    Ok(Built::several(kernel, outputs))
}

struct Classifier {
    layer: Dense<f32>,
    labels: Labels,
    transform: Transform,
    /// One score stands for two classes, and the other's is made up.
    second: bool,
}

impl Kernel for Classifier {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        let (values, rows) = matrix(inputs, self.layer.inputs())?;
        let targets = self.layer.columns();
        let columns = if self.second { 2 } else { targets };
        elements(&[rows, columns])?;
        inputs.step(self.layer.steps(rows))?;
        let mut scores = self.layer.apply(&values, rows);
        let classes: Vec<usize> = scores
            .chunks_exact(targets)
            .map(|row| if let [one] = row { usize::from(*one > 0.0) } else { best(row) })
            .collect();
        if self.second {
            // The other transforms say how several scores share a row: ONNX Runtime leaves a single one as it is.
            let share = |score| if self.transform == Transform::Logistic { logistic(score) } else { score };
            scores =
                scores.iter().map(|&score| share(score)).flat_map(|score| [1.0 - score, score]).collect();
        } else {
            scores.chunks_exact_mut(targets).for_each(|row| self.transform.apply(row));
        }
        let labels = tensor(vec![rows], self.labels.of(&classes)?)?;
        Ok(Output::Many(vec![labels, tensor(vec![rows, columns], Data::Fp32(scores))?]))
    }

    fn multiply_adds(&self) -> Option<usize> {
        self.layer.multiply_adds()
    }
}

/// The first of the largest.
fn best(row: &[f32]) -> usize {
    let mut best = (0, f32::NAN);
    for (class, &score) in row.iter().enumerate() {
        if class == 0 || score > best.1 {
            best = (class, score);
        }
    }
    best.0
}

pub(super) fn regressor(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let targets = usize::try_from(op.integer("targets")?.unwrap_or(1)).map_err(|_| "targets is negative")?;
    let layer = layer(op, targets, op.floats("intercepts")?)?;
    let transform = Transform::read(op)?;
    Built::function(Datatype::Fp32, move |inputs: &mut Inputs<'_>| {
        let (values, rows) = matrix(inputs, layer.inputs())?;
        elements(&[rows, targets])?;
        inputs.step(layer.steps(rows))?;
        let mut scores = layer.apply(&values, rows);
        scores.chunks_exact_mut(targets).for_each(|row| transform.apply(row));
        tensor(vec![rows, targets], Data::Fp32(scores)).map(Output::One)
    })
}
