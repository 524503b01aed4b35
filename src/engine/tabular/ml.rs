//! Operators of ai.onnx.ml, a file per family.

mod category;
mod feature;
mod labels;
mod linear;
mod scale;
mod transform;
mod trees;

use super::kernel::{Fallible, Inputs, Output};
use super::node::{Built, Op};

pub(super) use labels::Labels;

/// Builds the kernel of a node.
pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    match op.node.op_type.as_str() {
        "TreeEnsembleClassifier" => trees::classifier(op),
        "TreeEnsembleRegressor" => trees::regressor(op),
        "TreeEnsemble" => trees::ensemble(op),
        "LinearClassifier" => linear::classifier(op),
        "LinearRegressor" => linear::regressor(op),
        "Scaler" => scale::scaler(op),
        "Normalizer" => scale::normalizer(op),
        "Imputer" => scale::imputer(op),
        "Binarizer" => scale::binarizer(op),
        "OneHotEncoder" => category::one_hot(op),
        "LabelEncoder" => category::label_encoder(op),
        "CategoryMapper" => category::mapper(op),
        "FeatureVectorizer" => feature::vectorizer(op),
        "ArrayFeatureExtractor" => feature::extractor(op),
        // Its sequence of maps leaves as the matrix that it is made from; its labels are the signature's.
        "ZipMap" => Built::function(op.datatype(0)?, |inputs: &mut Inputs<'_>| inputs.take(0).map(Output::One)),
        "CastMap" => Err("it takes a map, which no request can carry".into()),
        _ => Err("not an operator of this engine".into()),
    }
}
