"""The scores of a single target, which ONNX Runtime leaves as they are though a post transform is asked for."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

STRAYS = "ONNX Runtime leaves the score of a single target as it is, whatever the post transform but PROBIT"
TARGETS = {"TreeEnsembleRegressor": "n_targets", "LinearRegressor": "targets"}


def transformed(node):
    """The post transform of a regression with one target, if it has one that ONNX Runtime leaves out."""
    known = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type not in TARGETS or known.get(TARGETS[node.op_type], 1) != 1:
        return None
    post = known.get("post_transform", b"NONE").decode()
    return None if post in ("NONE", "PROBIT") else post


def after(post, raw, out):
    """The nodes that do to a column of scores what the post transform does."""
    if post == "LOGISTIC":
        return [helper.make_node("Sigmoid", [raw], [out])]
    if post == "SOFTMAX":
        return [helper.make_node("Softmax", [raw], [out], axis=1)]
    # A zero stays zero.
    return [
        helper.make_node("Softmax", [raw], [f"{raw}_share"], axis=1),
        helper.make_node("Abs", [raw], [f"{raw}_size"]),
        helper.make_node("Less", [f"{raw}_least", f"{raw}_size"], [f"{raw}_counts"]),
        helper.make_node("IsNaN", [raw], [f"{raw}_nan"]),
        helper.make_node("Or", [f"{raw}_counts", f"{raw}_nan"], [f"{raw}_either"]),
        helper.make_node("Where", [f"{raw}_either", f"{raw}_share", raw], [out]),
    ]


def spelled_out(model):
    """The same model with these post transforms as nodes of their own, or nothing where it has none."""
    if not any(transformed(node) for node in model.graph.node):
        return None
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = list(made.graph.node)
    del made.graph.node[:]
    for index, node in enumerate(nodes):
        made.graph.node.append(node)
        if post := transformed(node):
            own = made.graph.node[-1]
            own.attribute.remove(next(a for a in own.attribute if a.name == "post_transform"))
            raw, out = f"raw_{index}", own.output[0]
            own.output[0] = raw
            made.graph.node.extend(after(post, raw, out))
            made.graph.initializer.append(numpy_helper.from_array(np.array(1e-7, np.float32), f"{raw}_least"))
    if not any(opset.domain == "" for opset in made.opset_import):
        made.opset_import.append(helper.make_opsetid("", 17))
    return made
