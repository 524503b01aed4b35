"""TreeEnsemble, the tree operator of version 5, written by hand."""

from functools import partial

import numpy as np
from onnx import numpy_helper

from families.by_hand import TYPES, graph, numbers

MEMBERS = "ONNX Runtime refuses sets of anything but whole numbers"
TRANSFORMS = (
    "ONNX Runtime takes the post transforms 1 and 2 of TreeEnsemble for LOGISTIC and SOFTMAX; they are the reverse"
)


def ensemble(
    name,
    dtype=np.float32,
    aggregate=1,
    post=0,
    targets=2,
    member=False,
    missing=False,
    modes=range(6),
    depth=4,
    halves=False,
):
    """The TreeEnsemble of version 5: leaves apart from branches, and sets of values to be a member of."""
    rng = np.random.default_rng(15)
    found = {
        name: []
        for name in (
            "modes",
            "featureids",
            "splits",
            "truenodeids",
            "trueleafs",
            "falsenodeids",
            "falseleafs",
            "tracks",
        )
    }
    sets, leaf_targets, leaf_weights, roots = [], [], [], []

    def leaf():
        leaf_targets.append(int(rng.integers(targets)))
        leaf_weights.append(float(np.round(rng.standard_normal(), 3)))
        return len(leaf_targets) - 1

    def branch(level):
        here = len(found["modes"])
        for column in found.values():
            column.append(0)
        mode = 6 if member and rng.random() < 0.5 else int(rng.choice(list(modes)))
        found["modes"][here] = mode
        found["featureids"][here] = int(rng.integers(4))
        found["splits"][here] = float(rng.integers(-5, 6) / 2) if mode != 6 else 0.0
        found["tracks"][here] = int(missing and rng.random() < 0.5)
        if mode == 6:
            sets.append((here, sorted(rng.choice(np.arange(1, 7) / (2 if halves else 1), 3, replace=False))))
        for side in ("true", "false"):
            ends = level == depth or rng.random() < 0.2
            found[f"{side}nodeids"][here] = leaf() if ends else branch(level + 1)
            found[f"{side}leafs"][here] = int(ends)
        return here

    for _ in range(4):
        roots.append(branch(1))
    tensor = lambda name, values, kind=dtype: numpy_helper.from_array(np.array(values, kind), name)  # noqa: E731
    attributes = {
        "tree_roots": roots,
        "nodes_modes": tensor("nodes_modes", found["modes"], np.uint8),
        "nodes_featureids": found["featureids"],
        "nodes_splits": tensor("nodes_splits", found["splits"]),
        "nodes_truenodeids": found["truenodeids"],
        "nodes_trueleafs": found["trueleafs"],
        "nodes_falsenodeids": found["falsenodeids"],
        "nodes_falseleafs": found["falseleafs"],
        "leaf_targetids": leaf_targets,
        "leaf_weights": tensor("leaf_weights", leaf_weights),
        "n_targets": targets,
        "aggregate_function": aggregate,
        "post_transform": post,
    }
    if missing:
        attributes["nodes_missing_value_tracks_true"] = found["tracks"]
    if member:
        joined = [value for _, values in sorted(sets) for value in [*values, np.nan]]
        attributes["membership_values"] = tensor("membership_values", joined)
    # On NaN and BRANCH_NEQ, the text and the reference of this version contradict each other.
    thresholds = list(zip(found["featureids"], found["splits"]))
    inputs = {"x": numbers(dtype, missing=missing, thresholds=thresholds, nan=5 not in modes)}
    return graph(
        name,
        "TreeEnsemble",
        inputs,
        [TYPES[np.dtype(dtype)]],
        ml=5,
        opset=21,
        missing=missing,
        strays=MEMBERS if halves else "",
        **attributes,
    )


def transformed(name, post, **options):
    """A TreeEnsemble with a post transform that ONNX Runtime takes for another one, which it is asked instead."""
    made, swapped = ensemble(name, post=post, **options), ensemble(name, post=3 - post, **options)
    made.instead, made.strays = swapped.model, TRANSFORMS
    return made


def cases():
    """Each with what makes it."""
    for dtype in (np.float32, np.float64):
        stem = f"hand_tree_ensemble_{np.dtype(dtype).name}"
        yield stem, partial(ensemble, dtype=dtype)
        yield f"{stem}_missing", partial(ensemble, dtype=dtype, missing=True, modes=range(5))
        yield f"{stem}_member", partial(ensemble, dtype=dtype, member=True)
        yield f"{stem}_member_missing", partial(ensemble, dtype=dtype, member=True, missing=True, modes=range(5))
        yield f"{stem}_member_halves", partial(ensemble, dtype=dtype, member=True, modes=range(5), halves=True)
        for aggregate in range(4):
            yield f"{stem}_aggregate{aggregate}", partial(ensemble, dtype=dtype, aggregate=aggregate, targets=1)
        for post in (1, 2):
            yield f"{stem}_post{post}", partial(transformed, dtype=dtype, post=post)
        for post in (3, 4):
            yield f"{stem}_post{post}", partial(ensemble, dtype=dtype, post=post)
    yield "hand_tree_ensemble_shallow", partial(ensemble, depth=1)
