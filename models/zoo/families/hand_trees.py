"""The tree operators, written by hand: every mode, aggregate, post transform, base value and type."""

from functools import partial
from itertools import product

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from families.by_hand import BASE, POST, STRINGS, graph, numbers

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
# The text says that NaN takes the branch that the missing-value tracking names, whatever the comparison.
NAN = "ONNX Runtime sends NaN down the true branch of BRANCH_NEQ even where missing values track false"
ORDER = "ONNX Runtime refuses trees whose nodes do not stand together, the root first"
SIGN = "of two classes with a score each, ONNX Runtime takes the second where its score is above 0; integer labels are 0 and 1"
UNVOTED = "ONNX Runtime takes no class for the top one that no leaf weighs on, though its score of 0 is the greatest"
INTEGERS = "ONNX Runtime has no TreeEnsembleRegressor of integers"


def trees(count, modes, depth=4, features=4, missing=False, seed=12):
    """Random trees as rows of (tree, node, mode, feature, value, true, false, tracks): each tree's root, then the others."""
    rng = np.random.default_rng(seed)
    every, leaves = [], []
    for tree in rng.permutation(count * 3)[:count]:
        rows, waiting, found = [], [(0, 0)], 0
        while waiting:
            node, level = waiting.pop()
            if level == depth or (level and rng.random() < 0.15):
                rows.append((tree, node, "LEAF", 0, 0.0, 0, 0, 0))
                leaves.append((tree, node))
                continue
            true, false = found + 1, found + 2
            found += 2
            value = rng.integers(-5, 6) / 2
            tracks = int(missing and rng.random() < 0.5)
            rows.append(
                (tree, node, modes[rng.integers(len(modes))], rng.integers(features), value, true, false, tracks)
            )
            waiting += [(true, level + 1), (false, level + 1)]
        every += [rows[0], *(rows[1 + index] for index in rng.permutation(len(rows) - 1))]
    return every, leaves


def nodes(rows, double):
    """The attributes of the nodes."""
    columns = list(zip(*rows))
    names = ["treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids"]
    found = {f"nodes_{name}": list(column) for name, column in zip(names, columns)}
    found = {name: [v if isinstance(v, (str, float)) else int(v) for v in column] for name, column in found.items()}
    found["nodes_missing_value_tracks_true"] = list(columns[7])
    return as_tensors(found, ["nodes_values"]) if double else found


def as_tensors(attributes, names):
    """The attributes with some of them as tensors of doubles."""
    kept = {name: value for name, value in attributes.items() if name not in names}
    found = [name for name in names if name in attributes]
    return kept | {f"{n}_as_tensor": numpy_helper.from_array(np.array(attributes[n], np.float64), n) for n in found}


def regressor(
    name,
    modes=MODES[:1],
    targets=1,
    aggregate="SUM",
    post="NONE",
    base=None,
    missing=False,
    dtype=np.float32,
    double=False,
    strays="",
    voted=None,
):
    """A TreeEnsembleRegressor; some leaves weigh on several targets, and with three of them some on none.

    `voted` are the targets that leaves weigh on, all of them unless given.
    """
    rows, leaves = trees(5, modes, missing=missing)
    rng = np.random.default_rng(13)
    weights = [
        (t, n, target) for t, n in leaves for target in voted or range(targets) if targets < 3 or rng.random() < 0.6
    ]
    attributes = nodes(rows, double) | {
        "target_treeids": [int(t) for t, _, _ in weights],
        "target_nodeids": [int(n) for _, n, _ in weights],
        "target_ids": [target for _, _, target in weights],
        "target_weights": [float(v) for v in np.round(rng.standard_normal(len(weights)), 3)],
        "n_targets": targets,
        "aggregate_function": aggregate,
        "post_transform": post,
    }
    if base is not None:
        attributes["base_values"] = base
    if double:
        attributes = as_tensors(attributes, ["target_weights", "base_values"])
    inputs = {"x": numbers(dtype, missing=missing, thresholds=[(r[3], r[4]) for r in rows])}
    return graph(
        name,
        "TreeEnsembleRegressor",
        inputs,
        [TensorProto.FLOAT],
        missing=missing,
        strays=strays or unequal(modes, dtype),
        **attributes,
    )


def unequal(modes, dtype):
    """What ONNX Runtime does with NaN, if this case shows it."""
    return NAN if "BRANCH_NEQ" in modes and np.dtype(dtype).kind == "f" else ""


def shuffled(name):
    """A case whose nodes stand in no order at all; ONNX Runtime is asked the same with each tree's nodes together."""
    made = regressor(name, targets=2)
    ordered = made.model
    mixed = onnx.ModelProto()
    mixed.CopyFrom(ordered)
    attributes = {a.name: a for a in mixed.graph.node[0].attribute if a.name.startswith("nodes_")}
    order = np.random.default_rng(18).permutation(len(attributes["nodes_nodeids"].ints))
    for attribute in attributes.values():
        kind = next(k for k in ("ints", "floats", "strings") if getattr(attribute, k))
        values = list(getattr(attribute, kind))
        getattr(attribute, kind)[:] = [values[index] for index in order]
    made.model, made.instead, made.strays = mixed, ordered, ORDER
    return made


def around(name, first=None, last=None, **options):
    """A case of which ONNX Runtime is asked the same with one node more, before or behind the trees."""
    made = regressor(name, **options)
    made.instead = onnx.ModelProto()
    made.instead.CopyFrom(made.model)
    trees = made.instead.graph.node.pop()
    if first:
        trees.input[0] = "before"
    if last:
        base = next(a for a in trees.attribute if a.name == "base_values")
        made.instead.graph.initializer.append(numpy_helper.from_array(np.array(base.floats, np.float32), "base"))
        trees.attribute.remove(base)
        trees.output[0] = "behind"
    before = [helper.make_node(first, ["x"], ["before"], to=TensorProto.FLOAT)] if first else []
    behind = [helper.make_node(last, ["behind", "base"], ["out0"])] if last else []
    made.instead.graph.node.extend([*before, trees, *behind])
    return made


def classifier(
    name,
    classes=3,
    post="NONE",
    base=None,
    strings=False,
    ids=None,
    positive=False,
    missing=False,
    dtype=np.float32,
    double=False,
    modes=MODES[:1],
    strays="",
):
    """A TreeEnsembleClassifier; `ids` are the classes that leaves weigh on, all of them unless given."""
    rows, leaves = trees(4, modes, missing=missing)
    rng = np.random.default_rng(14)
    weights = [(t, n, class_id) for t, n in leaves for class_id in (range(classes) if ids is None else ids)]
    made = np.round(rng.random(len(weights)) / 5 if positive else rng.standard_normal(len(weights)), 3)
    labels = {"classlabels_strings": STRINGS[:classes]} if strings else {"classlabels_int64s": [7, -2, 30, 4][:classes]}
    attributes = nodes(rows, double) | {
        "class_treeids": [int(t) for t, _, _ in weights],
        "class_nodeids": [int(n) for _, n, _ in weights],
        "class_ids": [class_id for _, _, class_id in weights],
        "class_weights": [float(v) for v in made],
        "post_transform": post,
        **labels,
    }
    if base is not None:
        attributes["base_values"] = base
    if double:
        attributes = as_tensors(attributes, ["class_weights", "base_values"])
    inputs = {"x": numbers(dtype, missing=missing, thresholds=[(r[3], r[4]) for r in rows])}
    outputs = [TensorProto.STRING if strings else TensorProto.INT64, TensorProto.FLOAT]
    return graph(
        name,
        "TreeEnsembleClassifier",
        inputs,
        outputs,
        missing=missing,
        strays=strays or unequal(modes, dtype),
        **attributes,
    )


def cases():
    """Each with what makes it."""
    for mode in MODES:
        yield f"hand_trees_{mode.lower()}", partial(regressor, modes=[mode])
    yield "hand_trees_every_mode", partial(regressor, modes=MODES, missing=True)
    for aggregate, targets in product(["SUM", "AVERAGE", "MIN", "MAX"], [1, 3]):
        base = [0.5, -1.25, 2.0][:targets]
        stem = f"hand_trees_{aggregate.lower()}_{targets}"
        yield stem, partial(regressor, targets=targets, aggregate=aggregate)
        made = regressor if targets == 1 else partial(around, last="Add", strays=BASE)
        yield f"{stem}_base", partial(made, targets=targets, aggregate=aggregate, base=base)
    for post, targets in product(POST[1:], [1, 2]):
        yield f"hand_trees_{post.lower()}_{targets}", partial(regressor, targets=targets, post=post)
    yield "hand_trees_float64", partial(regressor, modes=MODES[:5], dtype=np.float64)
    yield "hand_trees_unequal_float64", partial(regressor, modes=MODES, dtype=np.float64)
    for dtype in (np.int64, np.int32):
        made = partial(around, first="Cast", modes=MODES, dtype=dtype, strays=INTEGERS)
        yield f"hand_trees_{np.dtype(dtype).name}", made
    yield "hand_trees_missing", partial(regressor, modes=MODES[:5], missing=True)
    yield "hand_trees_shuffled", shuffled
    yield "hand_trees_base_alone", partial(regressor, targets=2, base=[1.5, -2.25], voted=[0], strays=BASE)
    yield (
        "hand_trees_as_tensor",
        partial(regressor, modes=MODES[:5], dtype=np.float64, double=True, base=[0.1, 0.2], targets=2, missing=True),
    )
    for post in POST:
        end = post.lower()
        yield f"hand_tree_classes_3_{end}", partial(classifier, post=post, positive=post == "PROBIT")
        if post == "PROBIT":
            # For one score, ONNX Runtime answers with memory that it never wrote.
            continue
        yield f"hand_tree_classes_2_{end}", partial(classifier, classes=2, post=post, strings=True, strays=SIGN)
        yield (
            f"hand_tree_classes_2_positive_{end}",
            partial(classifier, classes=2, post=post, positive=True, strays=SIGN),
        )
        # One score for two classes: what boosting writes.
        yield f"hand_tree_classes_one_score_{end}", partial(classifier, classes=2, post=post, ids=[0])
        yield f"hand_tree_classes_one_score_1_{end}", partial(classifier, classes=2, post=post, ids=[1])
        yield (
            f"hand_tree_classes_one_score_positive_{end}",
            partial(classifier, classes=2, post=post, ids=[0], positive=True, strings=True),
        )
    yield "hand_tree_classes_base", partial(classifier, base=[0.5, -0.25, 1.0], modes=MODES[:5], missing=True)
    yield "hand_tree_classes_unequal", partial(classifier, modes=MODES, missing=True)
    yield "hand_tree_classes_one_base", partial(classifier, classes=2, base=[0.3], ids=[0], post="LOGISTIC")
    yield "hand_tree_classes_some", partial(classifier, classes=4, ids=[1, 3], strays=UNVOTED)
    yield (
        "hand_tree_classes_as_tensor",
        partial(classifier, dtype=np.float64, double=True, base=[0.1, 0.2, 0.3], modes=MODES[:5]),
    )
    for dtype in (np.float64, np.int64, np.int32):
        modes = MODES[:5] if dtype is np.float64 else MODES
        yield f"hand_tree_classes_{np.dtype(dtype).name}", partial(classifier, dtype=dtype, modes=modes)
