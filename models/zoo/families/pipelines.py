"""Pipelines over columns of words and of numbers, an input each."""

from functools import partial

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import case
import convert
import scale
import data
import scale
from families.build import STRINGS, TRAINING_ROWS


def columns(rows=TRAINING_ROWS):
    """Two columns of words and three of numbers, some of them missing."""
    numbers = data.with_missing(data.features(rows, 3))
    words = {f"word{i}": data.words(rows, 30 + i).reshape(-1, 1) for i in range(2)}
    return words | {f"number{i}": numbers[:, i : i + 1] for i in range(3)}


def asked(trained, missing=True):
    """Rows for each of the columns."""
    return {
        name: data.word_rows(scale.rows(), 60 + i).reshape(-1, 1)
        if values.dtype == object
        else data.number_rows(values, scale.rows(), missing=missing, seed=60 + i)
        for i, (name, values) in enumerate(trained.items())
    }


def mixed(name, estimator, classes=2, **options):
    """Words by one-hot codes, numbers filled in and scaled, then the estimator."""
    trained = columns()
    frame = pd.DataFrame({column: values[:, 0] for column, values in trained.items()})
    codes = frame["word0"].map(len) + frame["word1"].map(len) + frame["number0"].fillna(0) * 2
    answers = [STRINGS[int(code) % classes] for code in codes.abs()]
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("words", OneHotEncoder(handle_unknown="ignore"), ["word0", "word1"]),
                (
                    "numbers",
                    make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                    ["number0", "number1", "number2"],
                ),
            ]
        ),
        estimator,
    )
    pipeline.fit(frame, answers)
    model = convert.sklearn(pipeline, trained, **options)
    return case.Case(name, f"ColumnTransformer, {type(estimator).__name__}", model, asked(trained), True)


def cases():
    """Each with what makes it."""
    yield "columns_logistic_regression", partial(mixed, estimator=LogisticRegression())
    yield "columns_logistic_regression_zipmap", partial(mixed, estimator=LogisticRegression(), classes=5, zipmap=True)
