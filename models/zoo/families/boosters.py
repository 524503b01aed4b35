"""XGBoost and LightGBM."""

from functools import partial

import lightgbm
import xgboost

import convert
import scale
from families.build import on_numbers, training


def light(name, estimator, classes=0, missing=False, **options):
    """A LightGBM estimator."""
    return on_numbers(name, estimator, *training(classes, missing=missing), convert.lightgbm, missing, **options)


def extreme(name, estimator, classes=0, missing=False, **options):
    """An XGBoost estimator."""
    return on_numbers(name, estimator, *training(classes, missing=missing), convert.xgboost, missing, **options)


def cases():
    """Each with what makes it."""
    small = dict(n_estimators=scale.trees(), n_jobs=1, random_state=1)
    quiet = dict(small, verbose=-1, deterministic=True, force_row_wise=True)
    yield "lightgbm_classifier_2", partial(light, estimator=lightgbm.LGBMClassifier(**quiet), classes=2)
    yield "lightgbm_classifier_10_zipmap", partial(
        light, estimator=lightgbm.LGBMClassifier(**quiet), classes=10, zipmap=True
    )
    yield "lightgbm_regressor_missing", partial(light, estimator=lightgbm.LGBMRegressor(**quiet), missing=True)
    yield "xgboost_classifier_2", partial(extreme, estimator=xgboost.XGBClassifier(**small), classes=2)
    yield "xgboost_classifier_10", partial(extreme, estimator=xgboost.XGBClassifier(**small), classes=10)
    yield "xgboost_regressor_missing", partial(extreme, estimator=xgboost.XGBRegressor(**small), missing=True)
