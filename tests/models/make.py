"""Makes the small ONNX models that the tests serve; the committed files are what this writes.

    python tests/models/make.py            writes them
    python tests/models/make.py --check    fails where a committed file differs, or is not one of them

repository/       small models, several versions of one among them, and one per datatype of the protocol that passes it through
heavy/            a model that takes tens of milliseconds
hungry/           a model that takes as much memory as it is asked to
by_value/         a model whose values, and not its shapes, say how long it takes
partly_broken/    one good model among broken ones
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
DATATYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "fp16": TensorProto.FLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bytes": TensorProto.STRING,
}


def value(name, datatype, shape):
    """A named input or output; a string among the sizes stands for any size."""
    return helper.make_tensor_value_info(name, datatype, shape)


def model(nodes, inputs, outputs, constants=(), domains=()):
    """The bytes of a model; the same on every run."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", 17)] + [helper.make_opsetid(domain, 1) for domain in domains]
    made = helper.make_model(graph, producer_name="twofold", opset_imports=opsets)
    made.ir_version = 8
    return made.SerializeToString(deterministic=True)


def identity(datatype, shape=("n",)):
    """Passes `x` on as `y`."""
    return model(
        [helper.make_node("Identity", ["x"], ["y"], name="identity")],
        [value("x", datatype, shape)],
        [value("y", datatype, shape)],
    )


def plus(constant):
    """Adds a constant, so that one sees which version answered."""
    return model(
        [helper.make_node("Add", ["x", "c"], ["y"], name="plus")],
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([constant], dtype=np.float32), "c")],
    )


def add():
    """The sum of two inputs."""
    inputs = [value(name, TensorProto.FLOAT, ["n", 3]) for name in ("a", "b")]
    node = helper.make_node("Add", ["a", "b"], ["sum"], name="add")
    return model([node], inputs, [value("sum", TensorProto.FLOAT, ["n", 3])])


def mixed():
    """Three inputs of three datatypes, each passed on."""
    kinds = {"integers": TensorProto.INT64, "floats": TensorProto.FLOAT, "flags": TensorProto.BOOL}
    return model(
        [helper.make_node("Identity", [name], [f"{name}_out"], name=name) for name in kinds],
        [value(name, kind, ["n", 2]) for name, kind in kinds.items()],
        [value(f"{name}_out", kind, ["n", 2]) for name, kind in kinds.items()],
    )


def by_zero():
    """Divides by zero: infinities, and NaN for zero itself."""
    return model(
        [helper.make_node("Div", ["x", "zero"], ["y"], name="divide")],
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([0], dtype=np.float32), "zero")],
    )


def heavy():
    """Two billion floating-point operations on matrices that are made while it runs, so that the file is small."""
    size = numpy_helper.from_array(np.array([1024, 1024], dtype=np.int64), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"], name="zeros"),
        helper.make_node("Add", ["zeros", "x"], ["matrix"], name="matrix"),
        helper.make_node("MatMul", ["matrix", "matrix"], ["product"], name="product"),
        helper.make_node("ReduceMean", ["product"], ["y"], name="mean", keepdims=0),
    ]
    return model(
        nodes, [value("x", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [])], [size]
    )


def hungry():
    """Makes as many ones as it is told, and gives the largest."""
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    nodes = [
        helper.make_node("ConstantOfShape", ["count"], ["ones"], name="ones", value=one),
        helper.make_node("ReduceMax", ["ones"], ["y"], name="largest", keepdims=0),
    ]
    return model(nodes, [value("count", TensorProto.INT64, [1])], [value("y", TensorProto.FLOAT, [])])


def by_value():
    """Multiplies matrices of as many rows and columns as it is told: nothing for zeros, with which a model is measured."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"], name="zeros"),
        helper.make_node("MatMul", ["zeros", "zeros"], ["product"], name="product"),
        helper.make_node("ReduceSum", ["product"], ["y"], name="sum", keepdims=0),
    ]
    return model(nodes, [value("size", TensorProto.INT64, [2])], [value("y", TensorProto.FLOAT, [])])


def unsupported():
    """Two operators that rten lacks, one of them in a subgraph."""
    branch = helper.make_graph(
        [helper.make_node("MadeUp", ["x"], ["then_y"], domain="example.test", name="made_up")],
        "then",
        [],
        [value("then_y", TensorProto.FLOAT, ["n"])],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["else_y"], name="other")],
        "else",
        [],
        [value("else_y", TensorProto.FLOAT, ["n"])],
    )
    nodes = [
        helper.make_node("If", ["flag"], ["z"], name="choice", then_branch=branch, else_branch=other),
        helper.make_node(
            "TreeEnsembleClassifier", ["z"], ["label", "scores"], domain="ai.onnx.ml", name="forest"
        ),
    ]
    return model(
        nodes,
        [value("x", TensorProto.FLOAT, ["n"]), value("flag", TensorProto.BOOL, [])],
        [value("label", TensorProto.INT64, ["n"])],
        domains=["ai.onnx.ml", "example.test"],
    )


def files():
    """Every file by its path, and its bytes."""
    every = {f"repository/identity_{name}/1/model.onnx": identity(kind) for name, kind in DATATYPES.items()}
    # rten would take them too, and computes in 32 bits.
    exact = {
        f"repository/exact_{name}/1/{file}": content
        for name in ("int64", "fp64")
        for file, content in {
            "model.onnx": identity(DATATYPES[name]),
            "twofold.json": b'{"engine": "tabular"}\n',
        }.items()
    }
    versions = {f"repository/versions/{v}/model.onnx": plus(v) for v in (1, 2, 10)}
    good = identity(TensorProto.FLOAT)
    return {
        **every,
        **exact,
        **versions,
        "repository/add/1/model.onnx": add(),
        "repository/matrix/1/model.onnx": identity(TensorProto.FLOAT, ["n", 2, 3]),
        "repository/scalar/1/model.onnx": identity(TensorProto.FLOAT, []),
        "repository/mixed/1/model.onnx": mixed(),
        "repository/by_zero/1/model.onnx": by_zero(),
        "heavy/model.onnx": heavy(),
        "hungry/model.onnx": hungry(),
        "by_value/model.onnx": by_value(),
        "partly_broken/good/model.onnx": good,
        "partly_broken/truncated/model.onnx": good[: len(good) // 2],
        "partly_broken/not_onnx/model.onnx": b"this is a text, not a model\n",
        "partly_broken/unsupported/model.onnx": unsupported(),
        "partly_broken/unknown_key/model.onnx": good,
        "partly_broken/unknown_key/twofold.json": b'{"colour": "blue"}\n',
    }


def differing(made):
    """The paths at which the folder and what is made are not the same, those of unknown files included."""
    found = {
        str(file.relative_to(HERE)): file.read_bytes()
        for file in HERE.rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    return sorted(path for path in made.keys() | found.keys() if made.get(path) != found.get(path))


def main():
    """Writes the files, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    made = files()
    print(f"{len(made)} files")
    if check:
        faults = differing(made)
        sys.exit(f"differs: {', '.join(faults)}" if faults else 0)
    for path, data in made.items():
        file = HERE / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


if __name__ == "__main__":
    main()
