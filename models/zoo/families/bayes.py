"""Naive Bayes, discriminants and mixtures."""

from functools import partial

import numpy as np
from sklearn import discriminant_analysis, mixture, naive_bayes

from families.build import classifiers, number_case, others

CLASSIFIERS = {
    "gaussian_nb": naive_bayes.GaussianNB,
    "bernoulli_nb": lambda: naive_bayes.BernoulliNB(binarize=0.25),
    "linear_discriminant_analysis": discriminant_analysis.LinearDiscriminantAnalysis,
    "quadratic_discriminant_analysis": lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
}
# They learn counts.
COUNTS = {
    "multinomial_nb": naive_bayes.MultinomialNB,
    "complement_nb": naive_bayes.ComplementNB,
    "complement_nb_norm": lambda: naive_bayes.ComplementNB(norm=True),
}
MIXTURES = {
    "gaussian_mixture": lambda: mixture.GaussianMixture(3, random_state=1),
    "gaussian_mixture_diagonal": lambda: mixture.GaussianMixture(3, covariance_type="diag", random_state=1),
    "bayesian_gaussian_mixture": lambda: mixture.BayesianGaussianMixture(n_components=3, random_state=1),
}


def counts(values):
    """Whole numbers from nought, as floats."""
    return np.abs(np.round(values))


def integers(values):
    """The same as integers, each value below five present in each column."""
    made = np.minimum(counts(values), 4).astype(np.int64)
    made[:5] = np.arange(5)[:, None]
    return made


def cases():
    """Each with what makes it."""
    yield from classifiers(CLASSIFIERS)
    yield from classifiers(COUNTS, change=counts)
    for classes in (2, 10):
        given = {"classes": classes}
        yield (
            f"categorical_nb_{classes}",
            partial(number_case, make=naive_bayes.CategoricalNB, given=given, change=integers, odd=(0, 5)),
        )
        yield (
            f"multinomial_nb_{classes}_integers",
            partial(number_case, make=naive_bayes.MultinomialNB, given=given, change=integers),
        )
        yield (
            f"bernoulli_nb_{classes}_unbinarized",
            partial(
                number_case,
                make=lambda: naive_bayes.BernoulliNB(binarize=None),
                given=given,
                change=lambda values: (values > 0).astype(np.float32),
            ),
        )
    stem = "linear_discriminant_analysis"
    yield f"{stem}_3_raw_scores", partial(number_case, make=CLASSIFIERS[stem], given={"classes": 3}, raw_scores=True)
    yield (
        "linear_discriminant_analysis_shrunk",
        partial(
            number_case,
            make=lambda: discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            given={"classes": 3},
        ),
    )
    yield from others(MIXTURES)
