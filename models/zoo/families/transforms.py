"""Transformers of numbers: scalers, imputers, discretisers, polynomials, selection, projections, clusters."""

from functools import partial

import numpy as np
from sklearn import (
    cluster,
    decomposition,
    feature_selection,
    impute,
    kernel_approximation,
    linear_model,
    neighbors,
    preprocessing,
    random_projection,
    tree,
)
from sklearn.pipeline import FeatureUnion, make_pipeline

from families.build import number_case, others


def scaled(kind, **options):
    """A transformer of scikit-learn's preprocessing, by its name."""
    return lambda: getattr(preprocessing, kind)(**options)


def selected(kind, score="f_classif", **options):
    """A univariate selection, by its name."""
    return lambda: getattr(feature_selection, kind)(getattr(feature_selection, score), **options)


def ridge():
    """A quick model that says how much a feature matters."""
    return linear_model.Ridge()


TRANSFORMERS = {
    "standard_scaler": scaled("StandardScaler"),
    "standard_scaler_mean_only": scaled("StandardScaler", with_std=False),
    "standard_scaler_scale_only": scaled("StandardScaler", with_mean=False),
    "min_max_scaler": scaled("MinMaxScaler"),
    "min_max_scaler_clip": scaled("MinMaxScaler", clip=True, feature_range=(-1, 2)),
    "max_abs_scaler": scaled("MaxAbsScaler"),
    "robust_scaler": scaled("RobustScaler"),
    "robust_scaler_without_centre": scaled("RobustScaler", with_centering=False),
    "normalizer_l1": scaled("Normalizer", norm="l1"),
    "normalizer_l2": scaled("Normalizer", norm="l2"),
    "normalizer_max": scaled("Normalizer", norm="max"),
    "binarizer": scaled("Binarizer", threshold=0.5),
    "polynomial_features_2": scaled("PolynomialFeatures", degree=2),
    "polynomial_features_3_interaction": scaled("PolynomialFeatures", degree=3, interaction_only=True),
    "polynomial_features_without_bias": scaled("PolynomialFeatures", degree=2, include_bias=False),
    "power_transformer": scaled("PowerTransformer"),
    "power_transformer_unscaled": scaled("PowerTransformer", standardize=False),
    "quantile_transformer": scaled("QuantileTransformer", n_quantiles=50, random_state=1),
    "quantile_transformer_normal": scaled(
        "QuantileTransformer", n_quantiles=50, output_distribution="normal", random_state=1
    ),
    "spline_transformer": scaled("SplineTransformer"),
    "function_transformer": scaled("FunctionTransformer"),
    "function_transformer_log": scaled("FunctionTransformer", func=np.log1p),
    "select_k_best": selected("SelectKBest", "f_regression", k=3),
    "select_percentile": selected("SelectPercentile", "f_regression", percentile=40),
    "select_fdr": selected("SelectFdr", "f_regression"),
    "select_fpr": selected("SelectFpr", "f_regression"),
    "select_fwe": selected("SelectFwe", "f_regression"),
    "generic_univariate_select": selected("GenericUnivariateSelect", "f_regression", mode="k_best", param=3),
    "variance_threshold": lambda: feature_selection.VarianceThreshold(2.0),
    "select_from_model": lambda: feature_selection.SelectFromModel(tree.DecisionTreeRegressor(random_state=1)),
    "sequential_feature_selector": lambda: feature_selection.SequentialFeatureSelector(ridge(), cv=2),
    "rfe": lambda: feature_selection.RFE(ridge()),
    "rfecv": lambda: feature_selection.RFECV(ridge(), cv=2),
    "pca": lambda: decomposition.PCA(4),
    "pca_whiten": lambda: decomposition.PCA(4, whiten=True),
    "incremental_pca": lambda: decomposition.IncrementalPCA(4),
    "truncated_svd": lambda: decomposition.TruncatedSVD(4, random_state=1),
    "kernel_pca_linear": lambda: decomposition.KernelPCA(3, random_state=1),
    "kernel_pca_rbf": lambda: decomposition.KernelPCA(3, kernel="rbf", random_state=1),
    "kernel_pca_poly": lambda: decomposition.KernelPCA(3, kernel="poly", random_state=1),
    "fast_ica": lambda: decomposition.FastICA(3, random_state=1),
    "factor_analysis": lambda: decomposition.FactorAnalysis(3),
    "sparse_pca": lambda: decomposition.SparsePCA(2, max_iter=5, random_state=1),
    "gaussian_random_projection": lambda: random_projection.GaussianRandomProjection(3, random_state=1),
    "sparse_random_projection": lambda: random_projection.SparseRandomProjection(3, random_state=1),
    "nystroem": lambda: kernel_approximation.Nystroem(n_components=5, random_state=1),
    "rbf_sampler": lambda: kernel_approximation.RBFSampler(n_components=5, random_state=1),
    "k_means": lambda: cluster.KMeans(4, n_init=1, random_state=1),
    "mini_batch_k_means": lambda: cluster.MiniBatchKMeans(4, n_init=1, random_state=1),
    "bisecting_k_means": lambda: cluster.BisectingKMeans(3, random_state=1),
    "feature_union": lambda: FeatureUnion([("scaled", preprocessing.StandardScaler()), ("pca", decomposition.PCA(2))]),
    "pca_ridge": lambda: make_pipeline(decomposition.PCA(4), ridge()),
    "polynomial_ridge": lambda: make_pipeline(preprocessing.PolynomialFeatures(2), ridge()),
    "select_tree": lambda: make_pipeline(
        feature_selection.SelectKBest(feature_selection.f_regression, k=4),
        tree.DecisionTreeRegressor(max_depth=4, random_state=1),
    ),
    "quantile_ridge": lambda: make_pipeline(preprocessing.QuantileTransformer(n_quantiles=20, random_state=1), ridge()),
} | {
    f"k_bins_discretizer_{encode.replace('-', '_')}_{strategy}": lambda encode=encode, strategy=strategy: (
        preprocessing.KBinsDiscretizer(4, encode=encode, strategy=strategy, random_state=1)
    )
    for encode in ("ordinal", "onehot-dense", "onehot")
    for strategy in ("uniform", "quantile", "kmeans")
}
# They are asked about missing values.
IMPUTERS = {
    "simple_imputer_mean": impute.SimpleImputer,
    "simple_imputer_median": lambda: impute.SimpleImputer(strategy="median"),
    "simple_imputer_most_frequent": lambda: impute.SimpleImputer(strategy="most_frequent"),
    "simple_imputer_constant": lambda: impute.SimpleImputer(strategy="constant", fill_value=-1.5),
    "simple_imputer_indicator": lambda: impute.SimpleImputer(add_indicator=True),
    "missing_indicator": impute.MissingIndicator,
    "knn_imputer": lambda: impute.KNNImputer(n_neighbors=2),
    "imputer_scaler_ridge": lambda: make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler(), ridge()),
}
POSITIVE = {
    "power_transformer_box_cox": scaled("PowerTransformer", method="box-cox"),
    "nmf": lambda: decomposition.NMF(2, random_state=1, max_iter=50),
    "select_chi2": selected("SelectKBest", "chi2", k=3),
}


def cases():
    """Each with what makes it."""
    yield from others(TRANSFORMERS)
    yield from others(IMPUTERS, given={"missing": True})
    # Classes to learn, for chi2; the others ignore them.
    yield from others(POSITIVE, given={"classes": 2}, change=lambda values: np.abs(values) + 1)
    neighborhood = lambda: neighbors.NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=1)  # noqa: E731
    yield "neighborhood_components_analysis", partial(number_case, make=neighborhood, given={"classes": 2})
    integers = lambda values: np.round(values).astype(np.int64)  # noqa: E731
    for stem in ("standard_scaler", "polynomial_features_2", "min_max_scaler", "binarizer", "k_means", "select_k_best"):
        yield f"{stem}_integers", partial(number_case, make=TRANSFORMERS[stem], change=integers)
    zero = lambda: impute.SimpleImputer(missing_values=0, strategy="most_frequent")  # noqa: E731
    yield "simple_imputer_integers", partial(number_case, make=zero, change=integers)
    odd = lambda: impute.SimpleImputer(missing_values=-1, strategy="mean")  # noqa: E731
    yield "simple_imputer_other_value", partial(number_case, make=odd)
