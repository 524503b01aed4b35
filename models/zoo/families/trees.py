"""Trees and what is made of them."""

from functools import partial

import numpy as np
import onnxruntime
from onnx import TensorProto
from sklearn import ensemble, linear_model, tree
from sklearn.naive_bayes import GaussianNB

import case
import convert
import scale
from families.build import classifiers, number_case, others


def counted(kind, **options):
    """An ensemble of as many trees as the scale says."""
    count = "max_iter" if "HistGradient" in kind else "n_estimators"
    return lambda: getattr(ensemble, kind)(**({count: scale.trees(), "random_state": 1} | options))


def hist(name, **options):
    """Histogram boosting, with the lists that the converter writes wrong put right."""
    with convert.Integers():
        return number_case(name, **options)


def double(name, **options):
    """Trees that take doubles: the converter says that they answer with doubles, which the operator never does."""
    made = number_case(name, **options)
    try:
        case.Asked(made.model)
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        for output in made.model.graph.output:
            if output.type.tensor_type.elem_type == TensorProto.DOUBLE:
                output.type.tensor_type.elem_type = TensorProto.FLOAT
    return made


def depth():
    """How deep the forests' trees are."""
    return 5 if scale.SMALL else 8


CLASSIFIERS = {
    "decision_tree_classifier": lambda: tree.DecisionTreeClassifier(max_depth=depth(), random_state=1),
    "extra_tree_classifier": lambda: tree.ExtraTreeClassifier(max_depth=depth(), random_state=1),
    "random_forest_classifier": counted("RandomForestClassifier", max_depth=6),
    "extra_trees_classifier": counted("ExtraTreesClassifier", max_depth=6),
    "gradient_boosting_classifier": counted("GradientBoostingClassifier"),
    "bagging_classifier": lambda: ensemble.BaggingClassifier(
        tree.DecisionTreeClassifier(max_depth=depth()), n_estimators=3, random_state=1
    ),
    "bagging_classifier_subset": lambda: ensemble.BaggingClassifier(
        linear_model.LogisticRegression(), n_estimators=3, max_features=0.6, random_state=1
    ),
    "ada_boost_classifier": lambda: ensemble.AdaBoostClassifier(
        tree.DecisionTreeClassifier(max_depth=2), n_estimators=4, random_state=1
    ),
}
REGRESSORS = {
    "decision_tree_regressor": lambda: tree.DecisionTreeRegressor(max_depth=depth(), random_state=1),
    "extra_tree_regressor": lambda: tree.ExtraTreeRegressor(max_depth=depth(), random_state=1),
    "random_forest_regressor": counted("RandomForestRegressor", max_depth=6),
    "extra_trees_regressor": counted("ExtraTreesRegressor", max_depth=6),
    "gradient_boosting_regressor": counted("GradientBoostingRegressor"),
    "gradient_boosting_regressor_quantile": counted("GradientBoostingRegressor", loss="quantile", alpha=0.9),
    "gradient_boosting_regressor_huber": counted("GradientBoostingRegressor", loss="huber"),
    "gradient_boosting_regressor_zero": counted("GradientBoostingRegressor", init="zero"),
    "bagging_regressor": lambda: ensemble.BaggingRegressor(
        tree.DecisionTreeRegressor(max_depth=depth()), n_estimators=3, random_state=1
    ),
    "bagging_regressor_subset": lambda: ensemble.BaggingRegressor(
        linear_model.LinearRegression(), n_estimators=3, max_features=0.6, random_state=1
    ),
    "ada_boost_regressor": counted("AdaBoostRegressor", n_estimators=5),
    "isolation_forest": counted("IsolationForest", n_estimators=5),
    "random_trees_embedding": counted("RandomTreesEmbedding", n_estimators=4, max_depth=3),
}
SEVERAL = {
    "decision_tree_regressor": lambda: tree.DecisionTreeRegressor(max_depth=depth(), random_state=1),
    "random_forest_regressor": counted("RandomForestRegressor", max_depth=5),
    "extra_trees_regressor": counted("ExtraTreesRegressor", max_depth=5),
}
SEVERAL_CLASSES = {
    "decision_tree_classifier": CLASSIFIERS["decision_tree_classifier"],
    "random_forest_classifier": CLASSIFIERS["random_forest_classifier"],
    "extra_trees_classifier": CLASSIFIERS["extra_trees_classifier"],
}
HIST = "HistGradientBoosting"


def cases():
    """Each with what makes it."""
    yield from classifiers(CLASSIFIERS, doubles=double)
    yield from others(REGRESSORS, doubles=double)
    for stem, make in (CLASSIFIERS | REGRESSORS).items():
        if stem.startswith(("random_forest", "gradient_boosting_classifier", "decision_tree_regressor")):
            given = {"dtype": np.float64, "classes": 2 if stem in CLASSIFIERS else 0}
            yield f"{stem}_double_unaided", partial(number_case, make=make, given=given)
    for stem, make in SEVERAL.items():
        yield f"{stem}_outputs", partial(number_case, make=make, given={"outputs": 3})
    for stem, make in SEVERAL_CLASSES.items():
        yield f"{stem}_outputs", partial(number_case, make=make, given={"outputs": 2, "classes": 3})
    for stem in ("decision_tree_classifier", "random_forest_classifier"):
        make = CLASSIFIERS[stem]
        yield f"{stem}_missing", partial(number_case, make=make, given={"classes": 3, "missing": True})
        for option in ("decision_path", "decision_leaf"):
            yield f"{stem}_{option}", partial(number_case, make=make, given={"classes": 3}, **{option: True})
    yield (
        "random_forest_regressor_missing",
        partial(number_case, make=REGRESSORS["random_forest_regressor"], given={"missing": True}),
    )
    yield "isolation_forest_scores", partial(number_case, make=REGRESSORS["isolation_forest"], score_samples=True)
    for variant in ("raw_scores",):
        make = CLASSIFIERS["gradient_boosting_classifier"]
        yield (
            f"gradient_boosting_classifier_3_{variant}",
            partial(number_case, make=make, given={"classes": 3}, **{variant: True}),
        )
    exponential = counted("GradientBoostingClassifier", loss="exponential")
    yield "gradient_boosting_classifier_exponential", partial(number_case, make=exponential, given={"classes": 2})
    started = counted("GradientBoostingClassifier", init=GaussianNB())
    yield "gradient_boosting_classifier_started", partial(number_case, make=started, given={"classes": 3})
    for stem in ("random_forest_classifier", "decision_tree_classifier", "gradient_boosting_classifier"):
        for classes, labels in ((2, [3, 7]), (3, [7, -2, 30])):
            yield (
                f"{stem}_{classes}_labels",
                partial(
                    number_case,
                    make=CLASSIFIERS[stem],
                    given={"classes": classes, "labels": labels},
                    zipmap=classes == 3,
                ),
            )
    deep = lambda: ensemble.RandomForestClassifier(100, random_state=1, min_samples_leaf=1)  # noqa: E731
    yield "random_forest_classifier_100_deep", partial(number_case, make=deep, given={"classes": 2})
    huge = counted("RandomForestClassifier", n_estimators=12, max_depth=4)
    yield "random_forest_classifier_wide", partial(number_case, make=huge, given={"classes": 2, "columns": 120})
    yield (
        "random_forest_classifier_integers",
        partial(
            number_case,
            make=CLASSIFIERS["random_forest_classifier"],
            given={"classes": 3},
            change=lambda values: np.round(values).astype(np.int64),
        ),
    )
    yield from hist_cases()


def hist_cases():
    """Histogram boosting: as the converter is, and with its lists put right."""
    classifier, regressor = f"{HIST}Classifier", f"{HIST}Regressor"
    stem = "hist_gradient_boosting"
    yield f"{stem}_classifier_unaided", partial(number_case, make=counted(classifier), given={"classes": 2})
    yield f"{stem}_regressor_unaided", partial(number_case, make=counted(regressor))
    for missing in (False, True):
        end = "_missing" if missing else ""
        for classes in (2, 10):
            given = {"classes": classes, "missing": missing}
            yield f"{stem}_classifier_{classes}{end}", partial(hist, make=counted(classifier), given=given)
        yield f"{stem}_regressor{end}", partial(hist, make=counted(regressor), given={"missing": missing})
    yield (
        f"{stem}_classifier_10_string_zipmap",
        partial(hist, make=counted(classifier), given={"classes": 10, "strings": True}, zipmap=True),
    )
    for loss in ("poisson", "gamma"):
        make = counted(regressor, loss=loss)
        yield f"{stem}_regressor_{loss}", partial(hist, make=make, given={"values": lambda y: np.abs(y) + 0.1})
    make = counted(regressor, categorical_features=[1])
    change = lambda values: np.hstack([values[:, :1], np.abs(np.round(values[:, 1:2])), values[:, 2:]])  # noqa: E731
    yield f"{stem}_regressor_categorical", partial(hist, make=make, change=change)
