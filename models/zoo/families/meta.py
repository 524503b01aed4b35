"""Estimators made of others, and those of other kinds."""

from functools import partial

import numpy as np
from sklearn import (
    calibration,
    covariance,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_ridge,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    semi_supervised,
    svm,
    tree,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import scale
from families.build import classifiers, number_case, others


def logistic():
    """A quick classifier."""
    return linear_model.LogisticRegression()


def small_tree():
    """A quick tree."""
    return tree.DecisionTreeClassifier(max_depth=4, random_state=1)


def forest(kind="Classifier"):
    """A small forest."""
    return getattr(ensemble, f"RandomForest{kind}")(n_estimators=4, max_depth=4, random_state=1)


def trio():
    """Three classifiers of different kinds."""
    return [("logistic", logistic()), ("tree", small_tree()), ("bayes", naive_bayes.GaussianNB())]


def regression_pair():
    """Two regressors of different kinds."""
    return [("ridge", linear_model.Ridge()), ("tree", tree.DecisionTreeRegressor(max_depth=4, random_state=1))]


def network(kind, **options):
    """A small neural network."""
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 30, "random_state": 1} | options
    return lambda: getattr(neural_network, f"MLP{kind}")(**settings)


ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
CLASSIFIERS = {
    "voting_classifier_flat": lambda: ensemble.VotingClassifier(trio()),
    "voting_classifier_hard": lambda: ensemble.VotingClassifier(trio(), flatten_transform=False),
    "voting_classifier_soft": lambda: ensemble.VotingClassifier(trio(), voting="soft", flatten_transform=False),
    "voting_classifier_weighted": lambda: ensemble.VotingClassifier(
        trio(), voting="soft", weights=np.array([2, 1, 3]), flatten_transform=False
    ),
    "voting_classifier_hard_weighted": lambda: ensemble.VotingClassifier(
        trio(), weights=np.array([2, 1, 3]), flatten_transform=False
    ),
    "stacking_classifier": lambda: ensemble.StackingClassifier(trio(), logistic(), cv=2),
    "stacking_classifier_passthrough": lambda: ensemble.StackingClassifier(
        trio()[:2], logistic(), cv=2, passthrough=True
    ),
    "calibrated_classifier_sigmoid": lambda: calibration.CalibratedClassifierCV(
        linear_model.SGDClassifier(random_state=1), cv=2
    ),
    "calibrated_classifier_isotonic": lambda: calibration.CalibratedClassifierCV(small_tree(), method="isotonic", cv=2),
    "calibrated_classifier_forest": lambda: calibration.CalibratedClassifierCV(forest(), cv=2, ensemble=False),
    "calibrated_classifier_linear_svc": lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(random_state=1), cv=2),
    "one_vs_rest_classifier": lambda: multiclass.OneVsRestClassifier(logistic()),
    "one_vs_rest_classifier_tree": lambda: multiclass.OneVsRestClassifier(small_tree()),
    "one_vs_one_classifier": lambda: multiclass.OneVsOneClassifier(logistic()),
    "output_code_classifier": lambda: multiclass.OutputCodeClassifier(logistic(), random_state=1),
    "grid_search_cv": lambda: model_selection.GridSearchCV(logistic(), {"C": [0.1, 1.0]}, cv=2),
    "dummy_classifier": lambda: dummy.DummyClassifier(strategy="prior"),
    "scaler_mlp_classifier": lambda: make_pipeline(MinMaxScaler(), network("Classifier")()),
    "gaussian_process_classifier": lambda: gaussian_process.GaussianProcessClassifier(optimizer=None),
    "k_neighbors_classifier": lambda: neighbors.KNeighborsClassifier(3),
    "radius_neighbors_classifier": lambda: neighbors.RadiusNeighborsClassifier(50.0),
    "nearest_centroid": neighbors.NearestCentroid,
    "svc": lambda: svm.SVC(kernel="rbf", random_state=1),
    "nu_svc": lambda: svm.NuSVC(nu=0.05, random_state=1),
} | {f"mlp_classifier_{name}": network("Classifier", activation=name) for name in ACTIVATIONS}
TWO_CLASSES = {
    "tuned_threshold_classifier": lambda: model_selection.TunedThresholdClassifierCV(logistic(), cv=2),
    "fixed_threshold_classifier": lambda: model_selection.FixedThresholdClassifier(logistic(), threshold=0.3),
}
REGRESSORS = {
    "voting_regressor": lambda: ensemble.VotingRegressor(regression_pair()),
    "voting_regressor_weighted": lambda: ensemble.VotingRegressor(regression_pair(), weights=np.array([1, 3])),
    "stacking_regressor": lambda: ensemble.StackingRegressor(regression_pair(), linear_model.Ridge(), cv=2),
    "stacking_regressor_passthrough": lambda: ensemble.StackingRegressor(
        regression_pair(), linear_model.Ridge(), cv=2, passthrough=True
    ),
    "grid_search_cv_regressor": lambda: model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
    "scaler_mlp_regressor": lambda: make_pipeline(StandardScaler(), network("Regressor")()),
    "gaussian_process_regressor": lambda: gaussian_process.GaussianProcessRegressor(alpha=0.1),
    "k_neighbors_regressor": lambda: neighbors.KNeighborsRegressor(3),
    "radius_neighbors_regressor": lambda: neighbors.RadiusNeighborsRegressor(50.0),
    "svr": svm.SVR,
    "nu_svr": svm.NuSVR,
    "one_class_svm": svm.OneClassSVM,
    "local_outlier_factor": lambda: neighbors.LocalOutlierFactor(novelty=True),
    "elliptic_envelope": lambda: covariance.EllipticEnvelope(random_state=1),
    "dummy_regressor": dummy.DummyRegressor,
    "kernel_ridge": kernel_ridge.KernelRidge,
} | {f"mlp_regressor_{name}": network("Regressor", activation=name) for name in ACTIVATIONS}
SEVERAL = {
    "multi_output_regressor": lambda: multioutput.MultiOutputRegressor(linear_model.Ridge()),
    "multi_output_regressor_forest": lambda: multioutput.MultiOutputRegressor(forest("Regressor")),
    "multi_output_regressor_boosting": lambda: multioutput.MultiOutputRegressor(
        ensemble.GradientBoostingRegressor(n_estimators=scale.trees() // 2, random_state=1)
    ),
    "mlp_regressor": network("Regressor"),
    "regressor_chain": lambda: multioutput.RegressorChain(linear_model.Ridge()),
    "k_neighbors_regressor": lambda: neighbors.KNeighborsRegressor(3),
}
SEVERAL_CLASSES = {
    "multi_output_classifier": lambda: multioutput.MultiOutputClassifier(logistic()),
    "multi_output_classifier_forest": lambda: multioutput.MultiOutputClassifier(forest()),
    "classifier_chain": lambda: multioutput.ClassifierChain(logistic()),
}


def labels(classes, outputs):
    """Several classes at once: a column of noughts and ones for each."""
    return {"classes": classes, "outputs": outputs}


def cases():
    """Each with what makes it."""
    yield from classifiers(CLASSIFIERS)
    for stem, make in TWO_CLASSES.items():
        yield f"{stem}_2", partial(number_case, make=make, given={"classes": 2})
        yield (
            f"{stem}_2_string_zipmap",
            partial(number_case, make=make, given={"classes": 2, "strings": True}, zipmap=True),
        )
    yield from others(REGRESSORS)
    for stem, make in SEVERAL.items():
        yield f"{stem}_outputs", partial(number_case, make=make, given={"outputs": 3})
    for stem, make in SEVERAL_CLASSES.items():
        yield f"{stem}_outputs", partial(number_case, make=make, given=labels(3, 2))
    make = CLASSIFIERS["mlp_classifier_relu"]
    yield "mlp_classifier_multilabel", partial(number_case, make=make, given=labels(2, 3))
    make = CLASSIFIERS["one_vs_rest_classifier"]
    yield "one_vs_rest_classifier_multilabel", partial(number_case, make=make, given=labels(2, 3))
    trained = lambda: semi_supervised.SelfTrainingClassifier(logistic())  # noqa: E731
    yield "self_training_classifier_2", partial(number_case, make=trained, given={"classes": 2})
    yield (
        "isotonic_regression",
        partial(number_case, make=isotonic.IsotonicRegression, given={"columns": 2}, change=lambda v: v[:, :1]),
    )
    probable = lambda: svm.SVC(probability=True, random_state=1)  # noqa: E731
    yield "svc_probability_3", partial(number_case, make=probable, given={"classes": 3})
    yield (
        "mlp_classifier_wide",
        partial(
            number_case, make=network("Classifier", hidden_layer_sizes=(64,)), given={"classes": 10, "columns": 64}
        ),
    )
    yield (
        "mlp_classifier_integers",
        partial(
            number_case,
            make=network("Classifier"),
            given={"classes": 3},
            change=lambda values: np.round(values).astype(np.int64),
        ),
    )
