"""Makes an example with the shape of a sentence encoder: token ids and a mask in, one vector per sentence out.

    python models/encoder/make.py            writes model.onnx and expected.json beside this file
    python models/encoder/make.py --check    fails where they differ

The weights are random, from a fixed seed: it says nothing about sentences. It is there for what such models ask of a server:
several inputs, INT64, any batch and any length of sequence.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
SEED = 5
VOCABULARY = 1000
WIDTH = 64
INNER = 128
LAYERS = 2


class Builder:
    """Collects nodes and constants."""

    def __init__(self):
        self.random = np.random.default_rng(SEED)
        self.nodes, self.constants = [], []

    def weights(self, name, *shape):
        """Random weights, scaled so that sums stay of size one."""
        values = self.random.normal(0, shape[-2] ** -0.5 if len(shape) > 1 else 0.1, shape)
        return self.constant(name, values.astype(np.float32))

    def constant(self, name, values):
        """Adds a constant and gives its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, operator, inputs, name, **attributes):
        """Adds a node with one output, which has the node's name."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def layer(self, x, bias, n):
        """One layer of attention and a feed-forward network, each with its residual and normalisation."""

        def projected(what):
            return self.node("MatMul", [x, self.weights(f"{n}.{what}.weight", WIDTH, WIDTH)], f"{n}.{what}")

        keys = self.node("Transpose", [projected("key")], f"{n}.keys", perm=[0, 2, 1])
        scores = self.node("MatMul", [projected("query"), keys], f"{n}.scores")
        scale = self.constant(f"{n}.scale", np.float32(WIDTH**-0.5))
        masked = self.node("Add", [self.node("Mul", [scores, scale], f"{n}.scaled"), bias], f"{n}.masked")
        attention = self.node("Softmax", [masked], f"{n}.attention", axis=-1)
        mixed = self.node("MatMul", [attention, projected("value")], f"{n}.mixed")
        x = self.normal(self.node("Add", [x, mixed], f"{n}.first"), f"{n}.normal")
        inner = self.node("MatMul", [x, self.weights(f"{n}.inner.weight", WIDTH, INNER)], f"{n}.inner")
        active = self.node("Relu", [inner], f"{n}.active")
        outer = self.node("MatMul", [active, self.weights(f"{n}.outer.weight", INNER, WIDTH)], f"{n}.outer")
        return self.normal(self.node("Add", [x, outer], f"{n}.second"), f"{n}.result")

    def normal(self, x, name):
        """Layer normalisation."""
        scale = self.constant(f"{name}.scale", np.ones(WIDTH, np.float32))
        bias = self.weights(f"{name}.bias", WIDTH)
        return self.node("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-5)


def build():
    """The bytes of the model."""
    b = Builder()
    x = b.node("Gather", [b.weights("embedding", VOCABULARY, WIDTH), "input_ids"], "embedded")
    mask = b.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    absent = b.node("Sub", [b.constant("one", np.float32(1)), mask], "absent")
    away = b.node("Mul", [absent, b.constant("far", np.float32(-1e9))], "away")
    bias = b.node("Unsqueeze", [away, b.constant("axis1", np.array([1], np.int64))], "bias")
    for n in range(LAYERS):
        x = b.layer(x, bias, f"layer{n}")
    column = b.node("Unsqueeze", [mask, b.constant("axis2", np.array([2], np.int64))], "column")
    total = b.node("ReduceSum", [b.node("Mul", [x, column], "kept"), "axis1"], "total", keepdims=0)
    count = b.node("ReduceSum", [mask, "axis1"], "count", keepdims=1)
    b.node("Div", [total, b.node("Max", [count, "one"], "at_least_one")], "sentence_embedding")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", WIDTH])
    graph = helper.make_graph(b.nodes, "encoder", inputs, [output], b.constants)
    model = helper.make_model(graph, producer_name="twofold", opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def expected(model):
    """ONNX Runtime's answers to batches of several sizes and lengths."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(SEED + 1)
    cases = []
    for batch, sequence in [(1, 1), (1, 7), (3, 16), (2, 128)]:
        ids = random.integers(0, VOCABULARY, (batch, sequence))
        lengths = random.integers(1, sequence + 1, batch)
        mask = (np.arange(sequence)[None, :] < lengths[:, None]).astype(np.int64)
        answer = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        cases.append(
            {
                "input_ids": ids.tolist(),
                "attention_mask": mask.tolist(),
                "sentence_embedding": [[float(f"{v:.9g}") for v in row] for row in answer],
            }
        )
    return cases


def main():
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    model = build()
    answers = expected(model)
    if check:
        committed = json.loads((HERE / "expected.json").read_text())
        close = all(
            np.allclose(a["sentence_embedding"], b["sentence_embedding"], atol=1e-4)
            for a, b in zip(committed, answers, strict=True)
        )
        same = (HERE / "model.onnx").read_bytes() == model
        print(f"model.onnx has {'the same' if same else 'other'} bytes")
        sys.exit(0 if same and close else "differs")
    (HERE / "model.onnx").write_bytes(model)
    (HERE / "expected.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")
    print(f"model.onnx: {len(model)} bytes")


if __name__ == "__main__":
    main()
