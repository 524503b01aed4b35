"""Trees and what is made of them."""

from functools import partial

from sklearn import ensemble

import convert
import scale
from families.build import on_numbers, training


def hist(name, estimator, missing, **options):
    """Histogram boosting, with the lists that the converter writes wrong put right."""
    values, answers = training(options.pop("classes", 0), missing=missing)
    with convert.Integers():
        return on_numbers(name, estimator, values, answers, missing=missing, **options)


def plain(name, estimator, classes=0, strings=False, **options):
    """Any other."""
    return on_numbers(name, estimator, *training(classes, strings), **options)


def cases():
    """Each with what makes it."""
    forest = dict(n_estimators=scale.trees(), max_depth=8, random_state=1)
    yield "random_forest_classifier_2", partial(
        plain, estimator=ensemble.RandomForestClassifier(**forest), classes=2
    )
    yield "random_forest_classifier_10_string_zipmap", partial(
        plain, estimator=ensemble.RandomForestClassifier(**forest), classes=10, strings=True, zipmap=True
    )
    yield "random_forest_regressor", partial(plain, estimator=ensemble.RandomForestRegressor(**forest))
    boosting = dict(n_estimators=scale.trees(), max_depth=3, random_state=1)
    yield "gradient_boosting_classifier_2", partial(
        plain, estimator=ensemble.GradientBoostingClassifier(**boosting), classes=2
    )
    yield "gradient_boosting_classifier_10", partial(
        plain, estimator=ensemble.GradientBoostingClassifier(**boosting), classes=10
    )
    yield "hist_gradient_boosting_regressor_missing", partial(
        hist, estimator=ensemble.HistGradientBoostingRegressor(max_iter=scale.trees(), random_state=1), missing=True
    )
