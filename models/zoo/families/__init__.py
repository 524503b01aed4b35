"""The zoo's families: each yields (name, function that makes the case)."""

from . import boosters, linear, pipelines, trees

FAMILIES = [trees, boosters, linear, pipelines]


def every():
    """Every case's name with what makes it."""
    for family in FAMILIES:
        yield from family.cases()
