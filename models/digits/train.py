"""Trains the embedded model: scikit-learn's digits, by a small neural network, written as plain ONNX.

    python models/digits/train.py            writes model.onnx and expected.json beside this file
    python models/digits/train.py --check    trains again and compares with the committed files

The weights are trained in float64 by scikit-learn and rounded to float32 on the way out. Whether the rounding hides the
last bits of the training depends on the processor: BLAS sums in an order of its own on each. So --check demands the same
bytes only where it is told to (--exact); else it demands the same labels, and probabilities within 1e-3. The committed
model itself is run, and must give its stored answers to 1e-6.
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
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
SEED = 7
HIDDEN = 48
PIXEL_MAX = 16.0
LEAST_ACCURACY = 0.97
EXPECTED_ROWS = 96


def train():
    """Returns the classifier, trained on pixels from 0 to 1, and the held-back pixels (0 to 16) and labels."""
    digits = load_digits()
    seen, held_back, seen_labels, held_back_labels = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=SEED, stratify=digits.target
    )
    classifier = MLPClassifier(
        hidden_layer_sizes=(HIDDEN,), alpha=1e-3, learning_rate_init=2e-3, max_iter=400, random_state=SEED
    )
    classifier.fit(seen / PIXEL_MAX, seen_labels)
    return classifier, held_back, held_back_labels


def to_onnx(classifier):
    """Writes the network with the scaling of pixels inside, so that a client sends them as they are."""
    first, second = classifier.coefs_
    first_bias, second_bias = classifier.intercepts_

    def constant(name, values):
        return numpy_helper.from_array(values.astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["input", "hidden.weight", "hidden.bias"], ["hidden"], name="hidden"),
            helper.make_node("Relu", ["hidden"], ["active"], name="active"),
            helper.make_node("Gemm", ["active", "output.weight", "output.bias"], ["logits"], name="output"),
            helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1),
            helper.make_node("ArgMax", ["logits"], ["label"], name="label", axis=1, keepdims=0),
        ],
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["rows", 64])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10]),
        ],
        [
            # Dividing the weights is dividing the pixels; 16 is a power of two, so that nothing is lost.
            constant("hidden.weight", first / PIXEL_MAX),
            constant("hidden.bias", first_bias),
            constant("output.weight", second),
            constant("output.bias", second_bias),
        ],
    )
    model = helper.make_model(graph, producer_name="twofold", opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def expected(classifier, pixels):
    """What scikit-learn answers, in float64."""
    scaled = pixels / PIXEL_MAX
    return {
        "inputs": [[int(pixel) for pixel in row] for row in pixels],
        "labels": [int(label) for label in classifier.predict(scaled)],
        "probabilities": [[float(f"{p:.12g}") for p in row] for row in classifier.predict_proba(scaled)],
    }


def run(model, pixels):
    """ONNX Runtime's labels and probabilities."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"input": np.array(pixels, np.float32)})


def check(model, answers, exact):
    """Compares with the committed files; returns what differs."""
    committed_model = (HERE / "model.onnx").read_bytes()
    if exact:
        return [] if committed_model == model else ["model.onnx has other bytes"]
    committed = json.loads((HERE / "expected.json").read_text())
    faults = [name for name in ("inputs", "labels") if committed[name] != answers[name]]
    stored = np.array(committed["probabilities"])
    labels, served = run(committed_model, committed["inputs"])
    if labels.tolist() != committed["labels"]:
        faults.append("model.onnx's labels")
    for name, other, bound in (("expected.json", np.array(answers["probabilities"]), 1e-3), ("model.onnx", served, 1e-6)):
        difference = np.abs(stored - other).max()
        print(f"{name}: largest difference of a probability: {difference:.2e}")
        # Written this way round, NaN is a fault too.
        if not difference <= bound:
            faults.append(f"{name}'s probabilities")
    return faults


def main():
    """Trains, measures, and writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--exact", action="store_true", help="with --check: demand the same bytes")
    options = parser.parse_args()

    classifier, held_back, labels = train()
    accuracy = classifier.score(held_back / PIXEL_MAX, labels)
    print(f"accuracy on {len(labels)} held-back images: {accuracy:.4f}")
    if accuracy <= LEAST_ACCURACY:
        sys.exit(f"accuracy is not above {LEAST_ACCURACY}")
    model, answers = to_onnx(classifier), expected(classifier, held_back[:EXPECTED_ROWS])

    if options.check:
        faults = check(model, answers, options.exact)
        sys.exit(f"differs: {', '.join(faults)}" if faults else 0)
    (HERE / "model.onnx").write_bytes(model)
    (HERE / "expected.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")
    print(f"model.onnx: {len(model)} bytes")


if __name__ == "__main__":
    main()
