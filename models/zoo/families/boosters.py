"""XGBoost and LightGBM."""

import json
from functools import partial

import lightgbm
import numpy as np
import onnxmltools.convert.lightgbm.operator_converters.LightGbm as light_converter
import onnxmltools.convert.xgboost.operator_converters.XGBoost as extreme_converter
import xgboost
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import case
import convert
import data
import scale
from families.build import asked_about, number_case, training
from families.by_hand import BASE


def registered():
    """Tells skl2onnx of the four estimators, for pipelines."""
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for kind in (lightgbm.LGBMClassifier, xgboost.XGBClassifier):
        converter = (
            light_converter.convert_lightgbm if kind is lightgbm.LGBMClassifier else extreme_converter.convert_xgboost
        )
        update_registered_converter(
            kind, kind.__name__, calculate_linear_classifier_output_shapes, converter, options=options
        )
    for kind in (lightgbm.LGBMRegressor, xgboost.XGBRegressor):
        converter = (
            light_converter.convert_lightgbm if kind is lightgbm.LGBMRegressor else extreme_converter.convert_xgboost
        )
        update_registered_converter(
            kind, kind.__name__, calculate_linear_regressor_output_shapes, converter, options={"split": None}
        )


def light(kind="Classifier", **options):
    """A LightGBM estimator."""
    settings = {"n_estimators": scale.trees(), "n_jobs": 1, "random_state": 1, "verbose": -1, "num_leaves": 15}
    settings |= {"deterministic": True, "force_row_wise": True, "min_child_samples": 5}
    return lambda: getattr(lightgbm, f"LGBM{kind}")(**(settings | options))


def extreme(kind="Classifier", **options):
    """An XGBoost estimator."""
    settings = {"n_estimators": scale.trees(), "max_depth": 4, "n_jobs": 1, "random_state": 1, "tree_method": "hist"}
    return lambda: getattr(xgboost, f"XGB{kind}")(**(settings | options))


def rewritten(estimator, change, kind):
    """The estimator with `change` made to its model's JSON, as another kind of estimator."""
    model = json.loads(estimator.get_booster().save_raw("json"))
    change(model["learner"])
    made = kind()
    made.load_model(bytearray(json.dumps(model).encode()))
    return made


def folded(learner):
    """DART's weights of trees multiplied into their leaves: what is left is plain boosting, which the converter takes."""
    dart = learner["gradient_booster"]
    for tree, weight in zip(dart["gbtree"]["model"]["trees"], dart["weight_drop"]):
        for node, left in enumerate(tree["left_children"]):
            if left == -1:
                leaf = np.float32(tree["split_conditions"][node]) * np.float32(weight)
                tree["split_conditions"][node] = tree["base_weights"][node] = float(leaf)
    learner["gradient_booster"] = {**dart["gbtree"], "name": "gbtree"}


def unranked(learner):
    """A ranker's trees as a regressor's: their sum is the score."""
    learner["objective"] = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}


def dart(name, kind="Classifier", **given):
    """XGBoost's DART, folded."""
    values, answers = training(**given)
    trained = extreme(kind, booster="dart", rate_drop=0.3)().fit(values, answers)
    plain = rewritten(trained, folded, type(trained))
    return asked_about(
        name, f"{type(trained).__name__}, DART folded", trained, convert.xgboost(plain, {"input": values}), values
    )


def unvoted(name, **options):
    """Several targets, of which the converter has all leaves weigh on the first."""
    made = number_case(name, **options)
    made.strays = BASE
    return made


def ranked(name, make, converter, unrank=False):
    """A ranker: groups of rows are put in order. Its converter may need it as a regressor."""
    values, answers = training()
    grades = np.digitize(answers, np.quantile(answers, [0.25, 0.5, 0.75]))
    estimator = make()
    groups = [30] * (len(values) // 30)
    if converter is convert.xgboost:
        estimator.fit(values, grades, qid=np.repeat(np.arange(len(groups)), 30))
    else:
        estimator.fit(values, grades, group=groups)
    plain = rewritten(estimator, unranked, xgboost.XGBRegressor) if unrank else estimator
    return asked_about(name, None, estimator, converter(plain, {"input": values}), values)


def categorical(name, kind="Classifier", classes=2, missing=False, **options):
    """Categorical splits: the first two columns hold codes, of which a split takes a set."""
    values = data.features(600)
    codes = np.random.default_rng(8).integers(0, 12, (len(values), 2))
    values[:, :2] = codes
    good = np.isin(codes[:, 0], [1, 3, 4, 8, 11]).astype(int) + np.isin(codes[:, 1], [0, 2, 7])
    answers = (good + (values[:, 2] > 0)) % classes if kind == "Classifier" else good * 3.0 + values[:, 2]
    if missing:
        values = data.with_missing(values)
    estimator = light(kind, categorical_feature=[0, 1], min_data_per_group=5, cat_smooth=1.0, **options)()
    estimator.fit(values, answers)
    model = convert.lightgbm(estimator, {"input": values})
    made = asked_about(name, f"{type(estimator).__name__}, categories", estimator, model, values, missing)
    rng = np.random.default_rng(9)
    codes = made.inputs["input"][:, :2]
    known = rng.random(codes.shape) < 0.8
    codes[known] = rng.choice([*range(14), 3.5, -1], known.sum())
    return made


def booster(name, library, **parameters):
    """A plain booster, without scikit-learn's form."""
    values, answers = training(2)
    if library is xgboost:
        trained = xgboost.train(parameters | {"nthread": 1}, xgboost.DMatrix(values, answers), scale.trees())
        model = convert.xgboost(trained, {"input": values})
    else:
        settings = parameters | {"verbose": -1, "num_threads": 1, "deterministic": True, "seed": 1, "num_leaves": 15}
        trained = lightgbm.train(settings, lightgbm.Dataset(values, answers), scale.trees())
        model = convert.lightgbm(trained, {"input": values})
    rows = data.number_rows(values, scale.rows(), case.thresholds(model), huge=True)
    return case.Case(name, f"{library.__name__} booster", model, {"input": rows})


def positive(answers):
    """Numbers above nought."""
    return np.abs(answers) / 10 + 0.1


def share(answers):
    """Numbers between nought and one."""
    return (answers - answers.min()) / (answers.max() - answers.min())


def light_cases():
    """LightGBM's."""
    go = partial(number_case, converter=convert.lightgbm)
    for classes in (2, 10):
        for missing in (False, True):
            given = {"classes": classes, "missing": missing}
            yield f"lightgbm_classifier_{classes}{'_missing' * missing}", partial(go, make=light(), given=given)
        yield (
            f"lightgbm_classifier_{classes}_zipmap",
            partial(go, make=light(), given={"classes": classes}, zipmap=True),
        )
        strings = {"classes": classes, "strings": True}
        yield f"lightgbm_classifier_{classes}_string_zipmap", partial(go, make=light(), given=strings, zipmap=True)
        for kind in ("dart", "rf"):
            make = light(boosting_type=kind, **({"bagging_freq": 1, "bagging_fraction": 0.6} if kind == "rf" else {}))
            yield f"lightgbm_{kind}_{classes}", partial(go, make=make, given={"classes": classes})
    odd = {"classes": 3, "labels": [7, -2, 30]}
    yield "lightgbm_classifier_3_labels", partial(go, make=light(), given=odd, zipmap=True)
    make = light(objective="multiclassova")
    yield "lightgbm_classifier_10_ova", partial(go, make=make, given={"classes": 10})
    yield "lightgbm_classifier_zero_as_missing", partial(go, make=light(zero_as_missing=True), given={"classes": 2})
    yield "lightgbm_classifier_unmissing", partial(go, make=light(use_missing=False), given={"classes": 2})
    for missing in (False, True):
        yield (
            f"lightgbm_regressor{'_missing' * missing}",
            partial(go, make=light("Regressor"), given={"missing": missing}),
        )
    yield "lightgbm_regressor_double", partial(go, make=light("Regressor"), given={"dtype": np.float64})
    yield "lightgbm_classifier_2_double", partial(go, make=light(), given={"classes": 2, "dtype": np.float64})
    yield "lightgbm_regressor_split", partial(go, make=light("Regressor"), split=5)
    for objective in ("regression_l1", "huber", "fair", "quantile", "mape"):
        yield f"lightgbm_regressor_{objective}", partial(go, make=light("Regressor", objective=objective))
    for objective in ("poisson", "gamma", "tweedie"):
        make = light("Regressor", objective=objective)
        yield f"lightgbm_regressor_{objective}", partial(go, make=make, given={"values": positive})
    make = light("Regressor", objective="cross_entropy")
    yield "lightgbm_regressor_cross_entropy", partial(go, make=make, given={"values": share})
    yield "lightgbm_ranker", partial(ranked, make=light("Ranker"), converter=convert.lightgbm)
    for classes in (2, 3):
        yield f"lightgbm_classifier_{classes}_categories", partial(categorical, classes=classes)
    yield "lightgbm_classifier_2_categories_missing", partial(categorical, missing=True)
    yield "lightgbm_regressor_categories", partial(categorical, kind="Regressor")
    for objective in ("binary", "regression", "poisson"):
        yield f"lightgbm_booster_{objective}", partial(booster, library=lightgbm, objective=objective)
    yield (
        "lightgbm_classifier_100",
        partial(go, make=light(n_estimators=100, num_leaves=31), given={"classes": 2, "columns": 30}),
    )
    yield (
        "scaler_lightgbm_classifier_3_string_zipmap",
        partial(
            number_case,
            make=lambda: make_pipeline(StandardScaler(), light()()),
            given={"classes": 3, "strings": True},
            zipmap=True,
        ),
    )


def extreme_cases():
    """XGBoost's."""
    go = partial(number_case, converter=convert.xgboost)
    for classes in (2, 3, 10):
        for missing in (False, True):
            given = {"classes": classes, "missing": missing}
            yield f"xgboost_classifier_{classes}{'_missing' * missing}", partial(go, make=extreme(), given=given)
        given = {"classes": classes}
        yield f"xgboost_dart_{classes}", partial(dart, classes=classes)
        yield f"xgboost_forest_{classes}", partial(go, make=extreme("RFClassifier"), given=given)
        yield (
            f"scaler_xgboost_classifier_{classes}_zipmap",
            partial(number_case, make=lambda: make_pipeline(StandardScaler(), extreme()()), given=given, zipmap=True),
        )
    yield "xgboost_classifier_hinge", partial(go, make=extreme(objective="binary:hinge"), given={"classes": 2})
    yield "xgboost_classifier_softmax", partial(go, make=extreme(objective="multi:softmax"), given={"classes": 3})
    yield "xgboost_classifier_base_score", partial(go, make=extreme(base_score=0.2), given={"classes": 2})
    yield "xgboost_classifier_2_double", partial(go, make=extreme(), given={"classes": 2, "dtype": np.float64})
    yield "xgboost_classifier_exact", partial(go, make=extreme(tree_method="exact"), given={"classes": 2})
    yield "xgboost_classifier_linear", partial(go, make=extreme(booster="gblinear"), given={"classes": 2})
    for missing in (False, True):
        given = {"missing": missing}
        yield f"xgboost_regressor{'_missing' * missing}", partial(go, make=extreme("Regressor"), given=given)
    yield "xgboost_regressor_double", partial(go, make=extreme("Regressor"), given={"dtype": np.float64})
    yield "xgboost_regressor_dart_unaided", partial(go, make=extreme("Regressor", booster="dart", rate_drop=0.3))
    yield "xgboost_regressor_dart", partial(dart, kind="Regressor")
    yield "xgboost_regressor_linear", partial(go, make=extreme("Regressor", booster="gblinear"))
    yield "xgboost_regressor_forest", partial(go, make=extreme("RFRegressor"))
    several = partial(unvoted, converter=convert.xgboost, given={"outputs": 3})
    yield "xgboost_regressor_outputs", partial(several, make=extreme("Regressor"))
    yield "xgboost_regressor_deep", partial(go, make=extreme("Regressor", max_depth=12))
    for objective in ("reg:absoluteerror", "reg:pseudohubererror"):
        stem = objective.split(":")[1]
        yield f"xgboost_regressor_{stem}", partial(go, make=extreme("Regressor", objective=objective))
    for objective in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror"):
        make = extreme("Regressor", objective=objective)
        yield f"xgboost_regressor_{objective.split(':')[1]}", partial(go, make=make, given={"values": positive})
    make = extreme("Regressor", objective="reg:logistic")
    yield "xgboost_regressor_logistic", partial(go, make=make, given={"values": share})
    yield "xgboost_ranker_unaided", partial(ranked, make=extreme("Ranker"), converter=convert.xgboost)
    yield "xgboost_ranker", partial(ranked, make=extreme("Ranker"), converter=convert.xgboost, unrank=True)
    for objective in ("binary:logistic", "reg:squarederror"):
        stem = objective.split(":")[1]
        yield f"xgboost_booster_{stem}", partial(booster, library=xgboost, objective=objective)
    yield (
        "xgboost_classifier_100",
        partial(go, make=extreme(n_estimators=100, max_depth=6), given={"classes": 2, "columns": 30}),
    )


def cases():
    """Each with what makes it."""
    registered()
    yield from light_cases()
    yield from extreme_cases()
