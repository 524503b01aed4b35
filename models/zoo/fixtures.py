"""The cases that are committed under tests/zoo, small, and their comparison with what is made again."""

from pathlib import Path

import numpy as np
import onnx

import case
import oip

FOLDER = Path(__file__).parents[2] / "tests" / "zoo"
NAMES = set(
    """
    random_forest_classifier_2 random_forest_classifier_10_string_zipmap random_forest_regressor random_forest_regressor_outputs
    random_forest_classifier_3_labels extra_trees_classifier_10_double gradient_boosting_classifier_2
    gradient_boosting_classifier_10_string_zipmap hist_gradient_boosting_classifier_10_missing hist_gradient_boosting_regressor_missing
    isolation_forest ada_boost_classifier_2 bagging_regressor_subset
    lightgbm_classifier_2 lightgbm_classifier_10_zipmap lightgbm_classifier_2_categories_missing lightgbm_regressor_missing
    xgboost_classifier_2_missing xgboost_classifier_10 xgboost_regressor_missing xgboost_ranker xgboost_dart_3
    logistic_regression_2 linear_regression poisson_regressor sgd_classifier_log_loss_10_double
    scaler_logistic_regression_10_string_zipmap gaussian_nb_2 multinomial_nb_10_string_zipmap
    linear_discriminant_analysis_2 pca polynomial_features_2 k_bins_discretizer_onehot_dense_quantile simple_imputer_mean
    select_k_best voting_classifier_soft_2 stacking_regressor calibrated_classifier_isotonic_2 multi_output_regressor_outputs
    mlp_classifier_relu_10_string_zipmap columns_logistic_regression_5_zipmap columns_random_forest columns_lightgbm
    columns_opset9 ordinal_encoder_words hand_trees_every_mode hand_tree_ensemble_float32_member
    hand_tree_classes_one_score_none hand_label_encoder_v4_nan plain_cast_float32_int64
    """.split()
)


def close(committed, made):
    """Whether two tensors say the same: words and integers alike, numbers within a thousandth."""
    if committed.shape != made.shape or committed.dtype != made.dtype:
        return False
    if committed.dtype.kind != "f":
        return bool((committed == made).all())
    return bool(np.isclose(committed, made, rtol=1e-3, atol=1e-3, equal_nan=True).all())


def runs(folder):
    """Whether ONNX Runtime gives the stored answers to the committed model, to 1e-6; cases answered otherwise are believed."""
    head, inputs, outputs = oip.read(folder / "rows.oip")
    if head["strays"]:
        return True
    found = case.Asked(onnx.load(folder / "model.onnx"))(inputs)
    return all(
        got.shape == stored.shape
        and bool(
            np.isclose(got, stored, rtol=1e-6, atol=1e-6, equal_nan=True).all()
            if stored.dtype.kind == "f"
            else (got == stored).all()
        )
        for got, stored in zip(found, outputs.values())
    )


def differing(made, exact):
    """The paths at which tests/zoo and what was made again are not the same.

    Training may differ in its last bits from processor to processor, which may move a threshold, and with it a row. So without
    `exact`, a case with other bytes is held to its stored answers only: ONNX Runtime must still give them.
    """
    paths = {
        str(file.relative_to(folder)) for folder in (FOLDER, made) for file in folder.rglob("*") if file.is_file()
    }
    faults, other = [], set()
    for path in sorted(paths):
        both = [folder / path for folder in (FOLDER, made)]
        if not all(file.is_file() for file in both):
            faults.append(path)
        elif both[0].read_bytes() != both[1].read_bytes():
            (faults.append if exact else other.add)(path if exact else path.split("/")[0])
    print(f"{len(paths)} files, {len(other)} cases with other bytes")
    return faults + sorted(name for name in {path.split("/")[0] for path in paths} if not runs(FOLDER / name))
