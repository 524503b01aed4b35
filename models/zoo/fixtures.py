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


# Of a case that training made otherwise, so much must still answer alike: thresholds may move, and rows stand on them.
ALIKE = 0.75


def same(got, stored, bound):
    """Where two tensors say the same: words and integers alike, numbers within a bound."""
    if got.shape != stored.shape or got.dtype != stored.dtype:
        return np.zeros(1, bool)
    return (
        np.isclose(got, stored, rtol=bound, atol=bound, equal_nan=True) if stored.dtype.kind == "f" else got == stored
    )


def answers(model, inputs):
    """What ONNX Runtime answers to the model in a folder."""
    return case.Asked(onnx.load(model / "model.onnx"))(inputs)


def faulty(name, made, other):
    """Whether ONNX Runtime gives other answers to a committed model than stored, or far others to one with other bytes."""
    head, inputs, outputs = oip.read(FOLDER / name / "rows.oip")
    if head["strays"]:
        # Not ONNX Runtime's answers. Nothing is trained there, so the bytes must do.
        return other
    stored = list(outputs.values())
    if not all(same(got, kept, 1e-6).all() for got, kept in zip(answers(FOLDER / name, inputs), stored)):
        return True
    again = answers(made / name, inputs) if other else stored
    return not all(same(got, kept, 1e-3).mean() >= ALIKE for got, kept in zip(again, stored))


def differing(made, exact):
    """The paths at which tests/zoo and what was made again are not the same.

    Training may differ in its last bits from processor to processor, which may move a threshold, and with it a row. So without
    `exact`, a case with other bytes must answer most of the committed rows alike, and the committed model all of them.
    """
    paths = {str(file.relative_to(folder)) for folder in (FOLDER, made) for file in folder.rglob("*") if file.is_file()}
    both = {path: [folder / path for folder in (FOLDER, made)] for path in sorted(paths)}
    faults = [path for path, files in both.items() if not all(file.is_file() for file in files)]
    if faults:
        return faults
    other = [path for path, files in both.items() if files[0].read_bytes() != files[1].read_bytes()]
    names, others = ({path.split("/")[0] for path in found} for found in (paths, other))
    print(f"{len(names)} cases, {len(others)} of them with other bytes")
    return other if exact else sorted(name for name in names if faulty(name, made, name in others))
