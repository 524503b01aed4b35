"""Writes the models that `cargo bench --bench tabular` times, with 1,000 rows for each.

    python models/zoo/speed.py --out target/speed    a folder a model: model.onnx, and rows.oip with the inputs and no outputs

Of a size that people train: 2,000 rows of 20 columns, 100 trees grown as far as each library grows them by itself. Scores are
plain tensors, without ZipMap, so that both engines write the same. `large`, for the time and the memory of loading, is a forest of
100 MB that nobody trained: full trees of random tests.
"""

import argparse
import sys
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import xgboost
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import convert
import oip

MODELS = Path(__file__).parent.parent
ROWS = 1000


def data(classes):
    """Rows to train with, their classes, and other rows to ask."""
    values, labels = make_classification(
        2000 + ROWS, 20, n_informative=12, n_classes=classes, class_sep=0.8, random_state=7
    )
    values = values.astype(np.float32)
    return values[:2000], labels[:2000], values[2000:]


def trained(estimator, classes, write):
    """A model, and its rows."""
    values, labels, rows = data(classes)
    estimator.fit(values, labels)
    return write(estimator, {"input": rows}), {"input": rows}


def without_zip_map(path):
    """A committed model whose scores stay a tensor."""
    model = onnx.load(path)
    ends = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "ZipMap"}
    kept = [node for node in model.graph.node if node.op_type != "ZipMap"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for index, output in enumerate(model.graph.output):
        if output.name in ends:
            scores = onnx.helper.make_tensor_value_info(ends[output.name], onnx.TensorProto.FLOAT, [None, None])
            model.graph.output[index].CopyFrom(scores)
    return model


def parcels():
    """The example with words and numbers."""
    rng = np.random.default_rng(5)
    word = lambda words: rng.choice(np.array(words, object), (ROWS, 1))
    number = lambda high: rng.uniform(0, high, (ROWS, 1)).astype(np.float32)
    return without_zip_map(MODELS / "parcels" / "model.onnx"), {
        "carrier": word(["Tortoise", "Swift", "Heron", "unknown"]),
        "city": word(["Köln", "東京", "Lagos", "Lima", ""]),
        "weight_kg": number(30),
        "distance_km": number(2000),
    }


def digits():
    """The embedded model."""
    rng = np.random.default_rng(6)
    model = onnx.load(MODELS / "digits" / "model.onnx")
    return model, {model.graph.input[0].name: rng.integers(0, 17, (ROWS, 64)).astype(np.float32)}


def large(trees=38, depth=15):
    """Full trees in the order in which skl2onnx writes those of scikit-learn: a node, all that passes its test, all that fails it."""
    rng = np.random.default_rng(8)
    height = np.zeros(1, dtype=np.int64)
    for levels in range(1, depth + 1):
        height = np.concatenate([[levels], height, height])
    count, is_leaf = len(height), height == 0
    child = lambda offset: np.tile(np.where(is_leaf, 0, np.arange(count) + offset), trees)
    leaves = np.tile(np.flatnonzero(is_leaf), trees)
    owner = np.repeat(np.arange(trees), np.count_nonzero(is_leaf))
    node = onnx.helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["scores"],
        domain="ai.onnx.ml",
        name="large",
        n_targets=1,
        nodes_treeids=np.repeat(np.arange(trees), count).tolist(),
        nodes_nodeids=np.tile(np.arange(count), trees).tolist(),
        nodes_featureids=rng.integers(0, 20, count * trees).tolist(),
        nodes_modes=np.tile(np.where(is_leaf, "LEAF", "BRANCH_LEQ"), trees).tolist(),
        nodes_values=rng.standard_normal(count * trees).astype(np.float32).tolist(),
        nodes_hitrates=[1.0] * (count * trees),
        nodes_missing_value_tracks_true=[0] * (count * trees),
        nodes_truenodeids=child(1).tolist(),
        nodes_falsenodeids=child(2**height).tolist(),
        target_treeids=owner.tolist(),
        target_nodeids=leaves.tolist(),
        target_ids=[0] * len(leaves),
        target_weights=rng.standard_normal(len(leaves)).astype(np.float32).tolist(),
    )
    row = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [None, 20])
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [None, 1])
    graph = onnx.helper.make_graph([node], "large", [row], [scores])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), {"input": data(2)[2]}


CASES = {
    "forest": lambda: trained(RandomForestClassifier(100, random_state=1), 2, convert.sklearn),
    "boosting": lambda: trained(GradientBoostingClassifier(n_estimators=20, random_state=1), 10, convert.sklearn),
    "lightgbm": lambda: trained(lightgbm.LGBMClassifier(verbose=-1, random_state=1), 2, convert.lightgbm),
    "xgboost": lambda: trained(xgboost.XGBClassifier(n_estimators=100, random_state=1), 2, convert.xgboost),
    "logistic": lambda: trained(make_pipeline(StandardScaler(), LogisticRegression()), 2, convert.sklearn),
    "parcels": parcels,
    "digits": digits,
    "large": large,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    for name, make in CASES.items():
        model, inputs = make()
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        oip.write(folder / "rows.oip", {"case": name}, inputs, {})
        print(f"{name}: {(folder / 'model.onnx').stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
