"""Estimators to ONNX, by the converters that people use."""

import numbers

import onnxmltools
import skl2onnx
import skl2onnx.common._container as container
from onnxmltools.convert.common import data_types as tools_types
from skl2onnx.common import data_types as types
from sklearn.base import is_classifier

import oip

NEWEST = skl2onnx.__max_supported_opset__
# The newest that onnxmltools claims for itself.
NEWEST_TOOLS = 15
KINDS = {
    "FP32": "FloatTensorType",
    "FP64": "DoubleTensorType",
    "INT64": "Int64TensorType",
    "INT32": "Int32TensorType",
    "BOOL": "BooleanTensorType",
    "BYTES": "StringTensorType",
}


def declared(inputs, module=types):
    """The converter's type of each input: any number of rows."""
    return [
        (name, getattr(module, KINDS[oip.DATATYPES[values.dtype]])([None, *values.shape[1:]]))
        for name, values in inputs.items()
    ]


def sklearn(estimator, inputs, opset=NEWEST, ml=3, zipmap=False, **options):
    """A scikit-learn estimator or pipeline; `zipmap` is None for the classifiers that have no such option."""
    if is_classifier(estimator) and zipmap is not None:
        options["zipmap"] = zipmap
    return skl2onnx.convert_sklearn(
        estimator,
        "zoo",
        declared(inputs),
        target_opset={"": opset, "ai.onnx.ml": ml},
        options={id(estimator): options} if options else None,
    )


def lightgbm(estimator, inputs, opset=NEWEST_TOOLS, zipmap=False, **options):
    """A LightGBM model."""
    kinds = declared(inputs, tools_types)
    return onnxmltools.convert_lightgbm(estimator, "zoo", kinds, target_opset=opset, zipmap=zipmap, **options)


def xgboost(estimator, inputs, opset=NEWEST_TOOLS):
    """An XGBoost model; its converter never writes a ZipMap."""
    return onnxmltools.convert_xgboost(estimator, "zoo", declared(inputs, tools_types), target_opset=opset)


class Integers:
    """While it lasts, skl2onnx may write NumPy's integers and booleans into lists of integers.

    The pinned skl2onnx does so for histogram boosting, and the pinned onnx refuses them.
    """

    def __enter__(self):
        self.before = container.make_node

        def make_node(*arguments, **attributes):
            for name, values in attributes.items():
                if isinstance(values, list) and values and all(isinstance(v, numbers.Integral) for v in values):
                    attributes[name] = [int(value) for value in values]
            return self.before(*arguments, **attributes)

        container.make_node = make_node

    def __exit__(self, *_):
        container.make_node = self.before
