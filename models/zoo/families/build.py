"""What the families share: how an estimator becomes a case."""

from functools import partial

import numpy as np

import case
import convert
import data
import scale
import single

TRAINING_ROWS = 600
STRINGS = ["ape", "bee", "crème", "dog", "eel", "fox", "gnu", "hen", "日本", "jay"]


def training(
    classes=0,
    strings=False,
    dtype=np.float32,
    missing=False,
    columns=data.FEATURES,
    outputs=1,
    values=None,
    labels=None,
):
    """Features, and classes (if a count is given) or numbers to learn; `values` turns the numbers into other ones."""
    inputs = data.features(TRAINING_ROWS, columns, dtype=dtype)
    if classes and outputs > 1:
        answers = np.stack([data.classes(inputs, classes, seed) for seed in range(outputs)], axis=1)
    else:
        answers = data.classes(inputs, classes) if classes else data.targets(inputs, outputs)
    if strings:
        answers = np.array(STRINGS)[answers]
    if labels:
        answers = np.array(labels)[answers]
    if values:
        answers = values(answers)
    return (data.with_missing(inputs) if missing else inputs), answers


def title(estimator):
    """How the estimator is listed: its class, and for a pipeline those of its steps."""
    steps = [step for _, step in getattr(estimator, "steps", [])]
    return ", ".join(title(step) for step in steps) if steps else type(estimator).__name__


def only_compares(model):
    """Whether the model has trees, and nothing that multiplies numbers and adds them."""
    operators = {node.op_type for node in model.graph.node}
    return any("Tree" in operator for operator in operators) and not operators & {
        "LinearClassifier",
        "LinearRegressor",
        "MatMul",
        "Gemm",
        "Scaler",
        "Normalizer",
        "Mul",
        "Sub",
        "ReduceSum",
    }


def agreement(estimator, model, values):
    """The share of rows to which ONNX Runtime answers as the estimator does; None if they cannot be compared."""
    try:
        answers = case.Asked(single.spelled_out(model) or model)({"input": values})
    except Exception:
        return None
    selects = hasattr(estimator, "get_support") or not hasattr(estimator, "predict")
    own = estimator.transform(values) if selects else estimator.predict(values)
    own = own.toarray() if hasattr(own, "toarray") else np.asarray(own)
    given = answers[0].reshape(len(values), -1) if answers[0].size == own.size else None
    if given is None:
        return 0.0
    own = own.reshape(given.shape)
    if own.dtype.kind == "f":
        close = np.isclose(own, given, rtol=1e-3, atol=1e-3, equal_nan=True)
    else:
        close = own == given
    return float(close.all(axis=1).mean())


def asked_about(name, about, estimator, model, values, missing=False):
    """The case of a model that takes a matrix of numbers."""
    share = agreement(estimator, model, values[:200])
    rows = data.number_rows(values, scale.rows(), case.thresholds(model), missing, huge=only_compares(model))
    return case.Case(name, about or title(estimator), model, {"input": rows}, missing, agreement=share)


def number_case(name, make, converter=convert.sklearn, about=None, change=None, given=None, odd=(-3, 40), **options):
    """The case of an estimator that takes one matrix of numbers; `change` makes other numbers of them.

    Where it makes integers, `odd` is the range that unknown ones are from.
    """
    given = given or {}
    values, answers = training(**given)
    values = change(values) if change else values
    estimator = make()
    estimator.fit(values, answers)
    model = converter(estimator, {"input": values}, **options)
    if values.dtype.kind == "i":
        rows = data.integer_rows(values, scale.rows(), *odd)
        share = agreement(estimator, model, values[:200])
        return case.Case(name, about or title(estimator), model, {"input": rows}, agreement=share)
    return asked_about(name, about, estimator, model, values, given.get("missing", False))


def classifiers(table, doubles=number_case, **options):
    """Two classes; ten with strings for labels and a ZipMap; ten of doubles, which `doubles` makes."""
    for stem, make in table.items():
        shared = dict(options, make=make)
        yield f"{stem}_2", partial(number_case, given={"classes": 2}, **shared)
        words = {"classes": 10, "strings": True}
        yield f"{stem}_10_string_zipmap", partial(number_case, given=words, zipmap=True, **shared)
        yield f"{stem}_10_double", partial(doubles, given={"classes": 10, "dtype": np.float64}, **shared)


def others(table, doubles=number_case, **options):
    """Regressors and transformers: floats and doubles."""
    given = options.pop("given", {})
    for stem, make in table.items():
        yield stem, partial(number_case, make=make, given=given, **options)
        yield f"{stem}_double", partial(doubles, make=make, given=given | {"dtype": np.float64}, **options)
