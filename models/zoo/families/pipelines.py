"""Words and categories, and pipelines over columns of words and of numbers with an input each."""

from functools import partial

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import ensemble, feature_extraction, linear_model, naive_bayes, neural_network, preprocessing, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

import case
import convert
import data
import scale
from families.build import STRINGS, TRAINING_ROWS, title

WORDS = ["word0", "word1"]
NUMBERS = ["number0", "number1", "number2"]


def columns(rows=TRAINING_ROWS, dtype=np.float32):
    """Two columns of words, three of numbers, some of them missing, one of integers and one of truths."""
    numbers = data.with_missing(data.features(rows, 3, dtype=dtype))
    words = {name: data.words(rows, 30 + i).reshape(-1, 1) for i, name in enumerate(WORDS)}
    whole = np.random.default_rng(34).integers(0, 6, (rows, 1))
    return (
        words
        | {name: numbers[:, i : i + 1] for i, name in enumerate(NUMBERS)}
        | {"whole": whole, "truth": whole % 2 == 1}
    )


def asked(trained, missing=True):
    """Rows for each of the columns."""
    made = {}
    for i, (name, values) in enumerate(trained.items()):
        if values.dtype == object:
            drawn = [data.word_rows(scale.rows(), 60 + i + 9 * j) for j in range(values.shape[1])]
            made[name] = np.stack(drawn, axis=1)
        elif values.dtype == bool:
            made[name] = np.random.default_rng(60 + i).random((scale.rows(), 1)) < 0.5
        elif values.dtype.kind == "i":
            made[name] = data.integer_rows(values, scale.rows(), seed=60 + i)
        else:
            made[name] = data.number_rows(values, scale.rows(), missing=missing, seed=60 + i)
    return made


def one_hot(**options):
    """One-hot codes that are noughts for a word never seen."""
    return OneHotEncoder(**({"handle_unknown": "ignore"} | options))


def filled():
    """Missing numbers filled in, then scaled."""
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def ordinal():
    """Codes by rank, -1 for a word never seen."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def usual():
    """What most tables get."""
    return [("words", one_hot(), WORDS), ("numbers", filled(), NUMBERS)]


def ranked_words():
    """What trees get."""
    return [("words", ordinal(), WORDS), ("numbers", SimpleImputer(), NUMBERS)]


def with_integers():
    """Integers that pass through."""
    return [("words", one_hot(), WORDS), ("whole", "passthrough", ["whole"])]


def filled_words():
    """Missing words filled in first."""
    words = make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), one_hot())
    return [("words", words, WORDS), ("numbers", filled(), NUMBERS)]


def dropped():
    """One code fewer per column."""
    return [("words", OneHotEncoder(drop="first", handle_unknown="ignore"), WORDS), ("numbers", filled(), NUMBERS)]


def refusing():
    """Words never seen are an error."""
    return [("words", OneHotEncoder(), WORDS), ("numbers", filled(), NUMBERS)]


def binned():
    """Numbers in bins."""
    bins = make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense", strategy="quantile"))
    return [("words", one_hot(), WORDS), ("numbers", bins, NUMBERS)]


def whole_words():
    """Categories that are integers."""
    return [("words", one_hot(), WORDS), ("whole", one_hot(), ["whole"])]


def truths():
    """A column of truths."""
    return [("truth", one_hot(), ["truth"]), ("numbers", filled(), NUMBERS)]


def mixed(name, estimator, steps=usual, classes=2, dtype=np.float32, fix=False, **options):
    """The columns by some steps, then the estimator; without a class count it learns numbers."""
    used = [column for _, _, named in steps() for column in named]
    trained = {column: values for column, values in columns(dtype=dtype).items() if column in used}
    frame = pd.DataFrame({column: values[:, 0] for column, values in trained.items()})
    every = columns()
    lengths = sum(np.array([len(word) for word in every[column][:, 0]]) for column in WORDS)
    codes = lengths + np.nan_to_num(every["number0"][:, 0]) * 2 + every["whole"][:, 0]
    answers = [STRINGS[int(code) % classes] for code in np.abs(codes)] if classes else codes
    pipeline = make_pipeline(ColumnTransformer(steps()), estimator())
    pipeline.fit(frame, answers)
    if fix:
        with convert.Integers():
            model = convert.sklearn(pipeline, trained, **options)
    else:
        model = convert.sklearn(pipeline, trained, **options)
    return case.Case(name, title(pipeline), model, asked(trained), True)


def alone(name, make, kind="words", width=2, **options):
    """A transformer of a matrix of words, or of integers."""
    if kind == "words":
        trained = np.stack([data.words(TRAINING_ROWS, 30 + i) for i in range(width)], axis=1)
    else:
        trained = np.random.default_rng(36).integers(0, 6, (TRAINING_ROWS, width))
    answers = data.targets(np.random.default_rng(37).random((TRAINING_ROWS, 2)))
    estimator = make()
    if width:
        estimator.fit(trained, answers)
    model = convert.sklearn(estimator, {"input": trained}, **options)
    return case.Case(name, f"{title(estimator)}, {kind}", model, asked({"input": trained}))


def of_words(name, make, **options):
    """A transformer of one word per row, a vector of them."""
    trained = data.words(TRAINING_ROWS, 30)
    estimator = make()
    estimator.fit(trained)
    model = convert.sklearn(estimator, {"input": trained}, **options)
    return case.Case(name, title(estimator), model, {"input": data.word_rows(scale.rows(), 60)})


def logistic():
    """A quick classifier."""
    return linear_model.LogisticRegression(max_iter=200)


def forest():
    """A small forest."""
    return ensemble.RandomForestClassifier(n_estimators=scale.trees(), max_depth=6, random_state=1)


ESTIMATORS = {
    "logistic_regression": logistic,
    "random_forest": forest,
    "gradient_boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=scale.trees(), random_state=1),
    "lightgbm": lambda: lightgbm.LGBMClassifier(
        n_estimators=scale.trees(), verbose=-1, n_jobs=1, deterministic=True, force_row_wise=True, random_state=1
    ),
    "mlp": lambda: neural_network.MLPClassifier((10,), max_iter=30, random_state=1),
    "gaussian_nb": naive_bayes.GaussianNB,
}
STEPS = {
    "integers": with_integers,
    "filled_words": filled_words,
    "dropped": dropped,
    "refusing": refusing,
    "binned": binned,
    "integer_categories": whole_words,
    "truths": truths,
}
TRANSFORMERS = {
    "one_hot_encoder": one_hot,
    "one_hot_encoder_dense": partial(one_hot, sparse_output=False),
    "one_hot_encoder_drop_first": lambda: OneHotEncoder(drop="first", handle_unknown="ignore"),
    "one_hot_encoder_drop_binary": lambda: OneHotEncoder(drop="if_binary", handle_unknown="ignore"),
    "one_hot_encoder_refusing": OneHotEncoder,
    "one_hot_encoder_rare": lambda: OneHotEncoder(max_categories=4, handle_unknown="infrequent_if_exist"),
    "ordinal_encoder": ordinal,
    "ordinal_encoder_nan": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    "ordinal_encoder_refusing": OrdinalEncoder,
    "target_encoder": lambda: preprocessing.TargetEncoder(random_state=1),
    "feature_hasher": lambda: feature_extraction.FeatureHasher(16, input_type="string"),
}
OF_WORDS = {
    "label_encoder": preprocessing.LabelEncoder,
    "label_binarizer": preprocessing.LabelBinarizer,
    "count_vectorizer": feature_extraction.text.CountVectorizer,
    "tfidf_vectorizer": feature_extraction.text.TfidfVectorizer,
}


def cases():
    """Each with what makes it."""
    for stem, estimator in ESTIMATORS.items():
        steps = usual if stem in ("logistic_regression", "mlp", "lightgbm") else ranked_words
        yield f"columns_{stem}", partial(mixed, estimator=estimator, steps=steps)
        yield f"columns_{stem}_5_zipmap", partial(mixed, estimator=estimator, steps=steps, classes=5, zipmap=True)
    yield "columns_logistic_regression_double", partial(mixed, estimator=logistic, dtype=np.float64)
    yield "columns_ridge", partial(mixed, estimator=linear_model.Ridge, classes=0)
    boosted = lambda: xgboost.XGBRegressor(n_estimators=scale.trees(), n_jobs=1, random_state=1)  # noqa: E731
    yield "columns_xgboost_regressor", partial(mixed, estimator=boosted, classes=0)
    yield (
        "columns_decision_tree_regressor",
        partial(
            mixed,
            estimator=lambda: tree.DecisionTreeRegressor(max_depth=5, random_state=1),
            steps=ranked_words,
            classes=0,
        ),
    )
    hist = lambda: ensemble.HistGradientBoostingClassifier(max_iter=scale.trees(), random_state=1)  # noqa: E731
    yield "columns_hist_gradient_boosting", partial(mixed, estimator=hist, steps=ranked_words, fix=True)
    for stem, steps in STEPS.items():
        yield f"columns_{stem}", partial(mixed, estimator=logistic, steps=steps, zipmap=True)
    for stem, make in TRANSFORMERS.items():
        yield f"{stem}_words", partial(alone, make=make)
        yield f"{stem}_integers", partial(alone, make=make, kind="integers")
    yield "one_hot_encoder_one_column", partial(alone, make=one_hot, width=1)
    for stem, make in OF_WORDS.items():
        yield f"{stem}_words", partial(of_words, make=make)
