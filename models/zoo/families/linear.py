"""Linear models, and support vector machines with a linear kernel."""

from functools import partial

import numpy as np
from sklearn import compose, cross_decomposition, linear_model, svm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families.build import classifiers, number_case, others


def plain(kind, **options):
    """An estimator of scikit-learn's linear models, by its name."""
    return lambda: getattr(linear_model, kind)(**options)


CLASSIFIERS = {
    "logistic_regression": plain("LogisticRegression"),
    "logistic_regression_l1": plain("LogisticRegression", l1_ratio=1.0, solver="saga", random_state=1),
    "logistic_regression_cv": plain("LogisticRegressionCV", Cs=2, cv=2),
    "ridge_classifier": plain("RidgeClassifier"),
    "ridge_classifier_cv": plain("RidgeClassifierCV"),
    "sgd_classifier_hinge": plain("SGDClassifier", random_state=1),
    "sgd_classifier_log_loss": plain("SGDClassifier", loss="log_loss", random_state=1),
    "sgd_classifier_modified_huber": plain("SGDClassifier", loss="modified_huber", random_state=1),
    "perceptron": plain("Perceptron", random_state=1),
    "passive_aggressive_classifier": plain("PassiveAggressiveClassifier", random_state=1),
    "scaler_logistic_regression": lambda: make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
}
REGRESSORS = {
    "linear_regression": plain("LinearRegression"),
    "linear_regression_without_intercept": plain("LinearRegression", fit_intercept=False),
    "ridge": plain("Ridge"),
    "ridge_cv": plain("RidgeCV"),
    "lasso": plain("Lasso", alpha=0.1),
    "lasso_cv": plain("LassoCV", cv=2),
    "elastic_net": plain("ElasticNet", alpha=0.1),
    "elastic_net_cv": plain("ElasticNetCV", cv=2),
    "lars": plain("Lars", random_state=1),
    "lars_cv": plain("LarsCV", cv=2),
    "lasso_lars": plain("LassoLars", alpha=0.01, random_state=1),
    "lasso_lars_cv": plain("LassoLarsCV", cv=2),
    "lasso_lars_ic": plain("LassoLarsIC"),
    "orthogonal_matching_pursuit": plain("OrthogonalMatchingPursuit"),
    "orthogonal_matching_pursuit_cv": plain("OrthogonalMatchingPursuitCV", cv=2),
    "bayesian_ridge": plain("BayesianRidge"),
    "ard_regression": plain("ARDRegression"),
    "huber_regressor": plain("HuberRegressor", max_iter=1000),
    "theil_sen_regressor": plain("TheilSenRegressor", random_state=1, max_subpopulation=50),
    "ransac_regressor": plain("RANSACRegressor", random_state=1),
    "quantile_regressor": plain("QuantileRegressor", alpha=0.01),
    "sgd_regressor": plain("SGDRegressor", random_state=1),
    "passive_aggressive_regressor": plain("PassiveAggressiveRegressor", random_state=1),
    "linear_svr": lambda: svm.LinearSVR(random_state=1),
    "pls_regression": lambda: cross_decomposition.PLSRegression(3),
    "sgd_one_class_svm": plain("SGDOneClassSVM", random_state=1),
    "transformed_target_regressor": lambda: compose.TransformedTargetRegressor(linear_model.Ridge()),
}
# They learn counts and other numbers above nought.
POSITIVE = {
    "poisson_regressor": plain("PoissonRegressor"),
    "gamma_regressor": plain("GammaRegressor"),
    "tweedie_regressor": plain("TweedieRegressor", power=1.5),
    "tweedie_regressor_identity": plain("TweedieRegressor", power=0),
}
SEVERAL = {
    "linear_regression": plain("LinearRegression"),
    "ridge": plain("Ridge"),
    "lasso": plain("Lasso", alpha=0.1),
    "multi_task_lasso": plain("MultiTaskLasso"),
    "multi_task_lasso_cv": plain("MultiTaskLassoCV", cv=2),
    "multi_task_elastic_net": plain("MultiTaskElasticNet"),
    "multi_task_elastic_net_cv": plain("MultiTaskElasticNetCV", cv=2),
    "pls_regression": lambda: cross_decomposition.PLSRegression(3),
}


def cases():
    """Each with what makes it."""
    yield from classifiers(CLASSIFIERS)
    yield from others(REGRESSORS)
    yield from others(POSITIVE, given={"values": lambda y: np.abs(y) / 20 + 0.1})
    for stem, make in SEVERAL.items():
        yield f"{stem}_outputs", partial(number_case, make=make, given={"outputs": 3})
    support = lambda: svm.LinearSVC(random_state=1)  # noqa: E731
    for classes in (2, 10):
        yield f"linear_svc_{classes}", partial(number_case, make=support, given={"classes": classes}, zipmap=None)
        strings = {"classes": classes, "strings": True}
        yield f"linear_svc_{classes}_string", partial(number_case, make=support, given=strings, zipmap=None)
        for stem in ("logistic_regression", "perceptron"):
            given = {"classes": classes}
            yield (
                f"{stem}_{classes}_raw_scores",
                partial(number_case, make=CLASSIFIERS[stem], given=given, raw_scores=True),
            )
    rounded = lambda values: np.round(values).astype(np.int64)  # noqa: E731
    yield (
        "logistic_regression_2_integers",
        partial(number_case, make=CLASSIFIERS["logistic_regression"], given={"classes": 2}, change=rounded),
    )
    yield "linear_regression_integers", partial(number_case, make=REGRESSORS["linear_regression"], change=rounded)
    yield (
        "scaler_linear_regression_wide",
        partial(
            number_case,
            make=lambda: make_pipeline(StandardScaler(), linear_model.Ridge()),
            given={"columns": 200},
        ),
    )
