"""LinearClassifier and LinearRegressor, written by hand."""

from functools import partial

import numpy as np
from onnx import TensorProto

from families.by_hand import LACKED, POST, STRINGS, graph, numbers


def linear(
    name,
    operator="LinearClassifier",
    classes=3,
    rows=None,
    post="NONE",
    strings=False,
    dtype=np.float32,
    intercepts=True,
):
    """A linear operator; `rows` are those of the coefficients, one per class unless given."""
    rng = np.random.default_rng(16)
    rows = classes if rows is None else rows
    attributes = {
        "coefficients": [float(v) for v in np.round(rng.standard_normal(rows * 4), 3)],
        "post_transform": post,
    }
    if intercepts:
        attributes["intercepts"] = [float(v) for v in np.round(rng.standard_normal(rows), 3)]
    outputs = [TensorProto.FLOAT]
    if operator == "LinearRegressor":
        attributes["targets"] = classes
    else:
        outputs.insert(0, TensorProto.STRING if strings else TensorProto.INT64)
        if strings:
            attributes["classlabels_strings"] = STRINGS[:classes]
        else:
            attributes["classlabels_ints"] = [7, -2, 30, 4][:classes]
    made = graph(name, operator, {"x": numbers(dtype)}, outputs, **attributes)
    if not intercepts and operator == "LinearClassifier":
        same = dict(attributes, intercepts=[0.0] * rows)
        made.strays, made.instead = LACKED, graph(name, operator, made.inputs, outputs, **same).model
    return made


def cases():
    """Each with what makes it."""
    for post in POST:
        end = post.lower()
        yield f"hand_linear_classes_3_{end}", partial(linear, post=post)
        yield f"hand_linear_classes_2_{end}", partial(linear, classes=2, post=post, strings=True)
        if post != "PROBIT":
            # There, ONNX Runtime answers with memory that it never wrote.
            yield f"hand_linear_classes_one_row_{end}", partial(linear, classes=2, rows=1, post=post)
            yield (
                f"hand_linear_classes_one_row_string_{end}",
                partial(linear, classes=2, rows=1, post=post, strings=True),
            )
        for targets in (1, 3):
            yield (
                f"hand_linear_targets_{targets}_{end}",
                partial(linear, operator="LinearRegressor", classes=targets, post=post),
            )
    yield "hand_linear_targets_without_intercepts", partial(linear, operator="LinearRegressor", intercepts=False)
    yield "hand_linear_classes_without_intercepts", partial(linear, intercepts=False)
    for dtype in (np.float64, np.int64, np.int32):
        yield f"hand_linear_classes_{np.dtype(dtype).name}", partial(linear, dtype=dtype)
