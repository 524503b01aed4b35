"""Operators of ai.onnx on edges: what the ONNX project's own node tests leave out (NaN, infinities, signed noughts, ties)."""

from functools import partial

import numpy as np
from onnx import TensorProto

import data
import scale
from families.by_hand import TYPES, graph, numbers

FLOATS = [np.float32, np.float64]
INTEGERS = [np.int64, np.int32]
ONE = {
    "Abs": FLOATS + INTEGERS,
    "Neg": FLOATS + INTEGERS,
    "Sign": FLOATS + INTEGERS,
    "Floor": FLOATS,
    "Ceil": FLOATS,
    "Sqrt": FLOATS,
    "Exp": FLOATS,
    "Log": FLOATS,
    "Sigmoid": FLOATS,
    "Tanh": FLOATS,
    "Relu": FLOATS,
    "Softmax": FLOATS,
    "LogSoftmax": FLOATS,
    "Identity": FLOATS + INTEGERS,
}
TWO = ["Add", "Sub", "Mul", "Max", "Min", "Sum"]
COMPARED = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
REDUCED = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2"]
# ONNX Runtime drops a NaN among the numbers; the specification does not say what becomes of it.
IGNORING = ["ReduceMax", "ReduceMin", "LogSoftmax"]
plain = partial(graph, domain="")


def short(dtype):
    """A type's name."""
    return np.dtype(dtype).name


def wide(dtype, columns=4):
    """Numbers over the whole range, of which functions are computed, then edges."""
    values = numbers(dtype, columns)
    if np.dtype(dtype).kind == "f":
        rng = np.random.default_rng(21)
        third = len(values) // 3
        values[:third] = (
            rng.standard_normal((third, columns)) * np.exp2(rng.integers(-20, 8, (third, columns)))
        ).astype(dtype)
    return values


def one(name, operator, dtype, output=None, opset=17, **attributes):
    """An operator of one input."""
    kind = TYPES[np.dtype(dtype)] if output is None else output
    values = wide(dtype)
    if operator in IGNORING:
        values = np.where(np.isnan(values), np.dtype(dtype).type(0.5), values)
    return plain(name, operator, {"x": values}, [kind], opset=opset, **attributes)


def two(name, operator, dtype, output=None):
    """An operator of two inputs, of which the second has one column."""
    left, right = numbers(dtype), np.roll(numbers(dtype, 1), 5, axis=0)
    if np.dtype(dtype).kind != "f" and operator == "Div":
        right[right == 0] = 3
    # Equal numbers meet too.
    left[::3, 1:2] = right[::3]
    kind = TYPES[np.dtype(dtype)] if output is None else output
    return plain(name, operator, {"x": left, "y": right}, [kind])


def powers(name, dtype):
    """Pow with constants and with a column of exponents."""
    exponents = np.random.default_rng(22).choice(
        [0, -0.0, 1, 2, 3, -1, 0.5, -2.5, np.inf, -np.inf, np.nan], (scale.rows(), 1)
    )
    return plain(name, "Pow", {"x": wide(dtype), "y": exponents.astype(dtype)}, [TYPES[np.dtype(dtype)]])


def logic(name, operator):
    """An operator on truths."""
    rng = np.random.default_rng(23)
    inputs = {key: rng.random((scale.rows(), 3)) < 0.5 for key in ("x", "y")[: 1 if operator == "Not" else 2]}
    return plain(name, operator, inputs, [TensorProto.BOOL])


def compared_words(name):
    """Equal on words."""
    inputs = {key: data.word_rows(scale.rows(), 80 + i) for i, key in enumerate("xy")}
    inputs["y"][::2] = inputs["x"][::2]
    return plain(name, "Equal", inputs, [TensorProto.BOOL], opset=19)


def chosen(name, dtype):
    """Where, on numbers or words."""
    condition = np.random.default_rng(24).random((scale.rows(), 1)) < 0.5
    if dtype is object:
        inputs = {key: data.word_rows(scale.rows(), 80 + i).reshape(-1, 1) for i, key in enumerate("xy")}
    else:
        inputs = {"x": numbers(dtype), "y": numbers(dtype)[::-1].copy()}
    return plain(name, "Where", {"c": condition} | inputs, [TYPES[np.dtype(dtype)]])


def clipped(name, dtype, low=None, high=None):
    """Clip with bounds that are constants."""
    dtype = np.dtype(dtype)
    constants = {key: dtype.type(value) for key, value in (("low", low), ("high", high)) if value is not None}
    return plain(name, "Clip", {"x": wide(dtype)}, [TYPES[dtype]], constants=constants)


def cast(name, source, target):
    """Cast, on what its specification defines: no number beyond the type that it goes to, and no NaN to an integer."""
    source, target = np.dtype(source), np.dtype(target)
    if source == object:
        texts = ["1", "-2", "3.5", "1e3", "0", "-0.0", "7", "100", "1e-3", "123456789"]
        if target.kind == "i":
            texts = ["1", "-2", "0", "7", "100", "123456", "-99"]
        else:
            texts += ["nan", "inf", "-inf", "INF", "NaN"]
        rng = np.random.default_rng(25)
        values = np.array([texts[i] for i in rng.integers(0, len(texts), scale.rows())], object).reshape(-1, 1)
    elif source.kind == "b":
        values = np.random.default_rng(25).random((scale.rows(), 3)) < 0.5
    else:
        values = wide(source, 3)
    if source.kind == "f" and target == object:
        # How many digits of a number are written is not specified, so only numbers that need few of them.
        values = np.round(np.clip(np.nan_to_num(values, nan=1.0), -999, 999), 2)
    if source.kind == "f" and target.kind == "i":
        values = np.where(np.isfinite(values) & (np.abs(values) < 2**30), values, source.type(-2.5))
    return plain(name, "Cast", {"x": values}, [TYPES[target]], to=TYPES[target])


def picked(name, operator, dtype, last, axis=1):
    """ArgMax or ArgMin among ties, without NaN, of which the specification says nothing."""
    values = np.nan_to_num(numbers(dtype, 5), nan=1.0) if np.dtype(dtype).kind == "f" else numbers(dtype, 5)
    values[::2] = np.clip(values[::2], -1, 1)
    return plain(name, operator, {"x": values}, [TensorProto.INT64], axis=axis, keepdims=0, select_last_index=last)


def top(name, dtype, largest, count):
    """TopK among ties, without NaN."""
    values = np.nan_to_num(numbers(dtype, 6), nan=1.0) if np.dtype(dtype).kind == "f" else numbers(dtype, 6)
    values[::2] = np.clip(values[::2], -1, 1)
    kinds = [TYPES[np.dtype(dtype)], TensorProto.INT64]
    return plain(
        name, "TopK", {"x": values}, kinds, constants={"k": np.array([count])}, axis=1, largest=largest, sorted=1
    )


def product(name, dtype, operator, width=33, **attributes):
    """MatMul or Gemm by a constant matrix."""
    rng = np.random.default_rng(26)
    shape = (7, width) if attributes.get("transB") else (width, 7)
    constants = {"b": np.round(rng.standard_normal(shape), 3).astype(dtype)}
    if operator == "Gemm":
        constants["c"] = np.round(rng.standard_normal(7), 3).astype(dtype)
    return plain(
        name, operator, {"a": numbers(dtype, width)}, [TYPES[np.dtype(dtype)]], constants=constants, **attributes
    )


def cases():
    """Each with what makes it."""
    for operator, dtypes in ONE.items():
        for dtype in dtypes:
            yield f"plain_{operator.lower()}_{short(dtype)}", partial(one, operator=operator, dtype=dtype)
    for dtype in FLOATS:
        yield f"plain_is_nan_{short(dtype)}", partial(one, operator="IsNaN", dtype=dtype, output=TensorProto.BOOL)
        yield f"plain_softmax_opset11_{short(dtype)}", partial(one, operator="Softmax", dtype=dtype, opset=11)
        yield f"plain_pow_{short(dtype)}", partial(powers, dtype=dtype)
        yield f"plain_div_{short(dtype)}", partial(two, operator="Div", dtype=dtype)
        yield f"plain_matmul_{short(dtype)}", partial(product, dtype=dtype, operator="MatMul")
        yield f"plain_gemm_{short(dtype)}", partial(product, dtype=dtype, operator="Gemm")
        yield (
            f"plain_gemm_scaled_{short(dtype)}",
            partial(product, dtype=dtype, operator="Gemm", transB=1, alpha=0.5, beta=2.0),
        )
        for operator in REDUCED:
            if operator == "ReduceSum":
                yield (
                    f"plain_reducesum_{short(dtype)}",
                    partial(
                        plain,
                        operator=operator,
                        inputs={"x": numbers(dtype)},
                        outputs=[TYPES[np.dtype(dtype)]],
                        constants={"axes": np.array([1])},
                    ),
                )
            else:
                yield (
                    f"plain_{operator.lower()}_{short(dtype)}",
                    partial(one, operator=operator, dtype=dtype, axes=[1], keepdims=0),
                )
    for dtype in FLOATS + INTEGERS:
        end = short(dtype)
        for operator in TWO:
            if operator != "Sum" or dtype in FLOATS:
                yield f"plain_{operator.lower()}_{end}", partial(two, operator=operator, dtype=dtype)
        for operator in COMPARED:
            yield (
                f"plain_{operator.lower()}_{end}",
                partial(two, operator=operator, dtype=dtype, output=TensorProto.BOOL),
            )
        yield f"plain_where_{end}", partial(chosen, dtype=dtype)
        yield f"plain_clip_{end}", partial(clipped, dtype=dtype, low=-1, high=2)
        for operator in ("ArgMax", "ArgMin"):
            for last in (0, 1):
                if dtype is not np.int64:
                    yield (
                        f"plain_{operator.lower()}_{end}_{'last' if last else 'first'}",
                        partial(picked, operator=operator, dtype=dtype, last=last),
                    )
        for largest in (0, 1):
            for count in (1, 4):
                yield (
                    f"plain_topk_{end}_{'largest' if largest else 'smallest'}_{count}",
                    partial(top, dtype=dtype, largest=largest, count=count),
                )
    for dtype in INTEGERS:
        yield f"plain_div_{short(dtype)}", partial(two, operator="Div", dtype=dtype)
    yield "plain_clip_low_float32", partial(clipped, dtype=np.float32, low=-0.5)
    yield "plain_clip_crossed_float32", partial(clipped, dtype=np.float32, low=2, high=-1)
    yield "plain_where_words", partial(chosen, dtype=object)
    yield "plain_equal_words", compared_words
    for operator in ("And", "Or", "Xor", "Not"):
        yield f"plain_{operator.lower()}", partial(logic, operator=operator)
    kinds = {**{short(dtype): dtype for dtype in FLOATS + INTEGERS}, "bool": np.bool_, "words": object}
    for source, from_dtype in kinds.items():
        for target, to_dtype in kinds.items():
            if (
                source != target
                and not (source == "words" and target == "bool")
                and not (source == "bool" and target == "words")
            ):
                yield f"plain_cast_{source}_{target}", partial(cast, source=from_dtype, target=to_dtype)
