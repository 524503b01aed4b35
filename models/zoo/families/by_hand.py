"""What the graphs of one operator, written by hand, share: they hold the attributes that no converter writes."""

import numpy as np
from onnx import TensorProto, TypeProto, helper, numpy_helper

import case
import data
import scale

ML = "ai.onnx.ml"
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.bool_): TensorProto.BOOL,
    np.dtype(object): TensorProto.STRING,
}
STRINGS = ["ape", "bee", "crème", "日本"]
LACKED = "ONNX Runtime refuses it"
# Of trees, wherever they come from.
BASE = "ONNX Runtime answers 0 and not the base value for a target that no leaf weighs on"
POST = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]


def declared(name, values):
    """An input of any number of rows."""
    return helper.make_tensor_value_info(name, TYPES[values.dtype], [None, *values.shape[1:]])


def graph(
    name, operator, inputs, outputs, ml=3, opset=17, domain=ML, missing=False, constants=None, strays="", **attributes
):
    """A case of one node; `outputs` holds a type per output, `constants` the inputs that are part of the model."""
    constants = constants or {}
    names = [*inputs, *constants]
    outs = [f"out{index}" for index in range(len(outputs))]
    node = helper.make_node(operator, names, outs, domain=domain, name=operator, **attributes)
    made = helper.make_graph(
        [node],
        "by_hand",
        [declared(input_name, values) for input_name, values in inputs.items()],
        [
            helper.make_value_info(out, kind)
            if isinstance(kind, TypeProto)
            else helper.make_tensor_value_info(out, kind, None)
            for out, kind in zip(outs, outputs)
        ],
        [numpy_helper.from_array(np.asarray(values), constant) for constant, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    model = helper.make_model(made, producer_name="twofold", opset_imports=opsets[: 2 if domain else 1])
    model.ir_version = 8
    return case.Case(name, f"{operator}, by hand", model, inputs, missing, strays=strays)


def numbers(dtype=np.float32, columns=4, missing=False, thresholds=(), nan=True):
    """Rows of halves, which thresholds meet, and of edges; integers if the type is one."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(11)
    values = rng.integers(-6, 7, (scale.rows(), columns)) / (2 if dtype.kind == "f" else 1)
    if dtype.kind != "f":
        return values.astype(dtype)
    edges = data.number_rows(values.astype(dtype), scale.rows(), thresholds, missing, huge=bool(thresholds))
    if not nan:
        edges = np.where(np.isnan(edges), dtype.type(0.5), edges)
    half = scale.rows() // 2
    return np.concatenate([values[:half].astype(dtype), edges[half:]])
