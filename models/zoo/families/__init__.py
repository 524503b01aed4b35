"""The zoo's families: each yields (name, function that makes the case)."""

from . import bayes, boosters, linear, meta, pipelines, transforms, trees

FAMILIES = [trees, boosters, linear, bayes, transforms, meta, pipelines]


def every():
    """Every case's name with what makes it."""
    for family in FAMILIES:
        yield from family.cases()
