//! Operators of ai.onnx.ml, a file per family.

mod category;
mod feature;
mod labels;
mod linear;
mod scale;
mod transform;
mod trees;

use super::kernel::{Fallible, Inputs, Output};
use super::node::{Builder, Built, Op};

pub(super) use labels::Labels;

/// What builds the kernels of an operator, if there is such a thing.
pub(super) fn builder(operator: &str) -> Option<Builder> {
    Some(match operator {
        "TreeEnsembleClassifier" => trees::classifier,
        "TreeEnsembleRegressor" => trees::regressor,
        "TreeEnsemble" => trees::ensemble,
        "LinearClassifier" => linear::classifier,
        "LinearRegressor" => linear::regressor,
        "Scaler" => scale::scaler,
        "Normalizer" => scale::normalizer,
        "Imputer" => scale::imputer,
        "Binarizer" => scale::binarizer,
        "OneHotEncoder" => category::one_hot,
        "LabelEncoder" => category::label_encoder,
        "CategoryMapper" => category::mapper,
        "FeatureVectorizer" => feature::vectorizer,
        "ArrayFeatureExtractor" => feature::extractor,
        "ZipMap" => zip_map,
        "CastMap" => |_| Err("it takes a map, which no request can carry".into()),
        _ => return None,
    })
}

/// Its sequence of maps leaves as the matrix that it is made from; its labels are the signature's.
fn zip_map(op: &Op<'_>) -> Fallible<Built> {
    let labels =
        Labels::read(op, "classlabels_strings", "classlabels_int64s")?.ok_or("its labels are missing")?;
    let count = labels.len();
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let columns = inputs.sizes(0)?.last().copied().unwrap_or(1);
        if columns != count {
            return Err(format!("its input has {columns} columns, of which it labels {count}"));
        }
        inputs.take(0).map(Output::One)
    })
}
