"""Writes the ONNX project's own node tests of the engine's operators, in the zoo's form.

    python models/zoo/nodes.py --out target/nodes    a folder a test: model.onnx, and rows.oip with the expected outputs

A test with a type that the engine does not have is left out, and counted by its reason. The models are the `onnx` package's,
each at the opset that the package gives it; so are `rtol` and `atol`, which the JSON holds.
"""

import argparse
import collections
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

import oip
import operators

TYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
    TensorProto.STRING: object,
}


def every_test():
    """The package's tests. Some draw random numbers as they are imported, so the seed comes first."""
    np.random.seed(0)
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases

    return collect_testcases()


def unknown_type(values):
    """Why the engine cannot take this input or output, or nothing."""
    for value in values:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            return kind.replace("_type", "")
        if value.type.tensor_type.elem_type not in TYPES:
            return TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return None


def inner_type(model):
    """Why the engine cannot hold this constant or cast, or nothing."""
    for node in model.graph.node:
        for attribute in node.attribute:
            kinds = [attribute.t.data_type] if attribute.type == onnx.AttributeProto.TENSOR else []
            if node.op_type == "Cast" and attribute.name == "to":
                kinds.append(attribute.i)
            for kind in kinds:
                # TreeEnsemble's modes are bytes, whatever the engine's tensors are.
                if kind not in TYPES and attribute.name != "nodes_modes":
                    return TensorProto.DataType.Name(kind).lower()
    return None


def as_declared(value, info):
    """An array with the dtype that the graph declares: strings arrive as objects or as fixed widths."""
    array = numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
    wanted = TYPES[info.type.tensor_type.elem_type]
    if wanted is object:
        return np.array([t if isinstance(t, str) else t.decode() for t in array.ravel()], object).reshape(array.shape)
    if array.dtype != wanted:
        raise TypeError(f"{info.name}: declared {np.dtype(wanted)}, came {array.dtype}")
    return array


def left_out(test):
    """Why a test is left out, or nothing."""
    graph = test.model.graph
    reason = unknown_type([*graph.input, *graph.output])
    return f"type {reason}" if reason else (f"type {inner}" if (inner := inner_type(test.model)) else None)


def write(test, number, folder):
    """Writes one of a test's data sets."""
    inputs, outputs = test.data_sets[number]
    graph = test.model.graph
    header = {"case": folder.name, "rtol": test.rtol, "atol": test.atol}
    named = [
        {info.name: as_declared(value, info) for info, value in zip(infos, values)}
        for infos, values in ((graph.input, inputs), (graph.output, outputs))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(test.model.SerializeToString(deterministic=True))
    oip.write(folder / "rows.oip", header, *named)


def main():
    """Writes all tests that the engine should pass, and says which it should not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    written, skipped, foreign = collections.Counter(), collections.defaultdict(list), 0
    for test in every_test():
        if operators.outside(test.model):
            foreign += 1
            continue
        name = re.sub(r"[^a-z0-9_]", "_", test.name.removeprefix("test_").lower())
        if reason := left_out(test):
            skipped[reason].append(name)
            continue
        for number in range(len(test.data_sets)):
            write(test, number, options.out / (name if number == 0 else f"{name}_{number}"))
        for operator in {node.op_type for node in test.model.graph.node}:
            written[operator] += 1
    for operator, count in sorted(written.items()):
        print(f"{operator}: {count}")
    wanted = operators.ML | operators.PLAIN
    print(f"without a test: {', '.join(sorted(wanted - set(written)))}")
    for reason, names in sorted(skipped.items()):
        print(f"left out, {reason}: {len(names)}: {', '.join(names)}")
    folders = len(list(options.out.iterdir()))
    print(f"{folders} tests written, {sum(map(len, skipped.values()))} left out, {foreign} of other operators")


if __name__ == "__main__":
    sys.exit(main())
