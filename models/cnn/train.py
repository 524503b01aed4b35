"""Trains an example with a convolution: scikit-learn's digits as images, [-1,1,8,8].

    python models/cnn/train.py            writes model.onnx and expected.json beside this file
    python models/cnn/train.py --check    trains again and compares; --exact demands the same bytes

The filters are random and stay so; what is trained is the layer after them, by scikit-learn. That is enough for an example,
and needs no deep-learning framework.

Training must end at the same weights whatever order a processor sums in, or the committed file could be checked on one
machine only. So the filters are multiples of 1/64, which makes the convolution exact in float32, and the layer is solved by
Newton's method in float64: its last steps come closer to the one solution than the rounding to float32 can tell.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SEED = 11
FILTERS = 16
FILTER_STEP = 1 / 64
LEAST_ACCURACY = 0.97
LARGEST_DIFFERENCE = 1e-5
EXPECTED_ROWS = 8


def build(weights=None, bias=None):
    """The network; without a last layer its output is the features that the last layer is trained on."""
    random = np.random.default_rng(SEED)
    filters = np.round(random.normal(0, 0.4, (FILTERS, 1, 3, 3)) / FILTER_STEP) * FILTER_STEP
    nodes = [
        helper.make_node("Mul", ["image", "scale"], ["scaled"], name="scale"),
        helper.make_node("Conv", ["scaled", "filters"], ["found"], name="filters", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["found"], ["active"], name="active"),
        helper.make_node("MaxPool", ["active"], ["pooled"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flatten", axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array(1 / 16, dtype=np.float32), "scale"),
        numpy_helper.from_array(filters.astype(np.float32), "filters"),
    ]
    output = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", FILTERS * 16])
    if weights is not None:
        nodes += [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], name="layer"),
            helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1),
        ]
        constants += [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ]
        output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["rows", 1, 8, 8])
    graph = helper.make_graph(nodes, "cnn", [image], [output], constants)
    model = helper.make_model(graph, producer_name="twofold", opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def run(model, images):
    """ONNX Runtime's answer."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


def train():
    """Returns the model and the held-back images."""
    digits = load_digits()
    images = digits.images.astype(np.float32).reshape(-1, 1, 8, 8)
    seen, held_back, seen_labels, labels = train_test_split(
        images, digits.target, test_size=0.25, random_state=SEED, stratify=digits.target
    )
    features = run(build(), seen).astype(np.float64)
    layer = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10).fit(features, seen_labels)
    model = build(layer.coef_.T, layer.intercept_)
    accuracy = (run(model, held_back).argmax(axis=1) == labels).mean()
    print(f"accuracy on {len(labels)} held-back images: {accuracy:.4f}")
    if accuracy <= LEAST_ACCURACY:
        sys.exit(f"accuracy is not above {LEAST_ACCURACY}")
    return model, held_back[:EXPECTED_ROWS]


def check(model, answers, exact):
    """Compares with the committed files, the model by what it answers; returns what differs."""
    committed_model = (HERE / "model.onnx").read_bytes()
    if exact:
        return [] if committed_model == model else ["model.onnx has other bytes"]
    committed = json.loads((HERE / "expected.json").read_text())
    stored = np.array(committed["probabilities"])
    served = run(committed_model, np.array(committed["image"], np.float32))
    faults = []
    for name, other in (("expected.json", answers), ("model.onnx", served)):
        difference = np.abs(stored - other).max()
        print(f"{name}: largest difference of a probability: {difference:.2e}")
        # Written this way round, NaN is a fault too.
        if not difference <= LARGEST_DIFFERENCE:
            faults.append(name)
    return faults


def main():
    """Trains, and writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--exact", action="store_true", help="with --check: demand the same bytes")
    options = parser.parse_args()
    model, images = train()
    answers = run(model, images)
    if options.check:
        faults = check(model, answers, options.exact)
        sys.exit(f"differs: {', '.join(faults)}" if faults else 0)
    (HERE / "model.onnx").write_bytes(model)
    expected = {"image": images.tolist(), "probabilities": [[float(f"{p:.9g}") for p in row] for row in answers]}
    (HERE / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    print(f"model.onnx: {len(model)} bytes")


if __name__ == "__main__":
    main()
