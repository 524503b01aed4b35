"""The zoo's families: each yields (name, function that makes the case)."""

from . import bayes, boosters, hand_plain, hand_small, hand_trees, linear, meta, opsets, pipelines, transforms, trees

FAMILIES = [trees, boosters, linear, bayes, transforms, meta, pipelines, opsets, hand_trees, hand_small, hand_plain]


def every():
    """Every case's name with what makes it."""
    for family in FAMILIES:
        yield from family.cases()
