"""The cases that are committed, small, for the tests."""

COMMITTED = set(
    """random_forest_classifier_2 random_forest_classifier_10_string_zipmap random_forest_regressor
    gradient_boosting_classifier_2 gradient_boosting_classifier_10 hist_gradient_boosting_regressor_missing
    lightgbm_classifier_2 lightgbm_classifier_10_zipmap lightgbm_regressor_missing
    xgboost_classifier_2 xgboost_classifier_10 xgboost_regressor_missing
    logistic_regression_2 linear_regression scaler_logistic_regression_10_string_zipmap
    columns_logistic_regression columns_logistic_regression_zipmap""".split()
)
