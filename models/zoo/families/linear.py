"""Linear models."""

from functools import partial

from sklearn import linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families.build import on_numbers, training


def plain(name, estimator, classes=0, strings=False, **options):
    """Any of them."""
    return on_numbers(name, estimator, *training(classes, strings), **options)


def cases():
    """Each with what makes it."""
    yield "logistic_regression_2", partial(plain, estimator=linear_model.LogisticRegression(), classes=2)
    yield "linear_regression", partial(plain, estimator=linear_model.LinearRegression())
    yield "scaler_logistic_regression_10_string_zipmap", partial(
        plain,
        estimator=make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
        classes=10,
        strings=True,
        zipmap=True,
    )
