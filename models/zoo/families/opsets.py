"""The same models at every opset that a converter or ONNX Runtime knows."""

from functools import partial

from onnx import version_converter
from sklearn import ensemble, linear_model, neural_network
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import convert
from families import boosters, pipelines
from families.build import number_case

OLDEST = 9
# The newest that the pinned ONNX Runtime runs.
NEWEST = 26
FOREST = {"n_estimators": 5, "max_depth": 4, "random_state": 1}
# Estimators whose graphs hold operators that changed from opset to opset.
ESTIMATORS = {
    "scaler_logistic_regression": lambda: make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
    "random_forest_classifier": lambda: ensemble.RandomForestClassifier(**FOREST),
    "ada_boost_classifier": lambda: ensemble.AdaBoostClassifier(n_estimators=3, random_state=1),
    "bagging_classifier": lambda: ensemble.BaggingClassifier(linear_model.LogisticRegression(), 3, random_state=1),
    "voting_classifier": lambda: ensemble.VotingClassifier(
        [("logistic", linear_model.LogisticRegression()), ("forest", ensemble.RandomForestClassifier(**FOREST))],
        voting="soft",
        flatten_transform=False,
    ),
    "mlp_classifier": lambda: neural_network.MLPClassifier((8,), max_iter=30, random_state=1),
    "gaussian_nb": GaussianNB,
    "logistic_regression_of_powers": lambda: make_pipeline(PolynomialFeatures(2), linear_model.LogisticRegression()),
}


def raised(name, opset, make):
    """A case whose model is brought to an opset by ONNX's own version converter."""
    made = make(name)
    made.model = version_converter.convert_version(made.model, opset)
    return made


def cases():
    """Each with what makes it."""
    for opset in range(OLDEST, convert.NEWEST + 1):
        ml = 1 if opset < 12 else 2 if opset < 15 else 3
        for stem, make in ESTIMATORS.items():
            given = {"classes": 3, "strings": True}
            yield (
                f"{stem}_opset{opset}",
                partial(number_case, make=make, given=given, opset=opset, ml=ml, zipmap=opset % 2 == 1),
            )
        yield (
            f"columns_opset{opset}",
            partial(pipelines.mixed, estimator=pipelines.logistic, opset=opset, ml=ml, zipmap=opset % 2 == 1),
        )
        yield (
            f"isolation_forest_opset{opset}",
            partial(
                number_case, make=lambda: ensemble.IsolationForest(n_estimators=5, random_state=1), opset=opset, ml=ml
            ),
        )
        for stem, make, converter in (
            ("lightgbm", boosters.light(), convert.lightgbm),
            ("xgboost", boosters.extreme(), convert.xgboost),
        ):
            # Beyond its own newest opset, the converter is reached by skl2onnx.
            reached = converter if opset <= convert.NEWEST_TOOLS else convert.sklearn
            yield (
                f"{stem}_opset{opset}",
                partial(number_case, make=make, converter=reached, given={"classes": 3}, opset=opset),
            )
    for opset in range(convert.NEWEST + 1, NEWEST + 1):
        for stem in ("mlp_classifier", "voting_classifier", "ada_boost_classifier"):
            make = partial(number_case, make=ESTIMATORS[stem], given={"classes": 3})
            yield f"{stem}_opset{opset}", partial(raised, opset=opset, make=make)
        make = partial(pipelines.mixed, estimator=pipelines.logistic)
        yield f"columns_opset{opset}", partial(raised, opset=opset, make=make)
