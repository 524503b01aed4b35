"""The zoo's families: each yields (name, function that makes the case)."""

from . import (
    bayes,
    boosters,
    hand_ensembles,
    hand_linear,
    hand_plain,
    hand_small,
    hand_trees,
    linear,
    meta,
    opsets,
    pipelines,
    transforms,
    trees,
)

TRAINED = [trees, boosters, linear, bayes, transforms, meta, pipelines, opsets]
BY_HAND = [hand_trees, hand_ensembles, hand_linear, hand_small, hand_plain]


def every():
    """Every case's name with what makes it."""
    for family in TRAINED + BY_HAND:
        yield from family.cases()
