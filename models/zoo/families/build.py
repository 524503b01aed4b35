"""What the families share: how an estimator becomes a case."""

import numpy as np

import case
import convert
import scale
import data
import scale

TRAINING_ROWS = 600
STRINGS = ["ape", "bee", "crème", "dog", "eel", "fox", "gnu", "hen", "日本", "jay"]


def training(count=0, strings=False, dtype=np.float32, missing=False, columns=data.FEATURES, outputs=1):
    """Features, and classes (if a count is given) or numbers to learn."""
    values = data.features(TRAINING_ROWS, columns, dtype=dtype)
    answers = data.classes(values, count) if count else data.targets(values, outputs)
    if strings:
        answers = np.array(STRINGS)[answers]
    return (data.with_missing(values) if missing else values), answers


def on_numbers(name, estimator, values, answers, converter=convert.sklearn, missing=False, **options):
    """The case of an estimator that takes one matrix of numbers."""
    estimator.fit(values, answers)
    model = converter(estimator, {"input": values}, **options)
    rows = data.number_rows(values, scale.rows(), case.thresholds(model), missing)
    return case.Case(name, type(estimator).__name__, model, {"input": rows}, missing)
