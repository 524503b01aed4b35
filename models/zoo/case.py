"""A case of the zoo: a model, the rows that it is asked, and what ONNX Runtime answers."""

from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import oip
import scale

onnxruntime.set_default_logger_severity(4)


@dataclass
class Case:
    """One model with its rows. `missing` tells whether NaN stands for a missing value, which the model was taught."""

    name: str
    estimator: str
    model: onnx.ModelProto
    inputs: dict
    missing: bool = False
    batches: list = field(default_factory=lambda: list(scale.BATCHES))
    about: dict = field(default_factory=dict)


def thresholds(model):
    """(feature, value) of the branches of every tree in the model, without repetition."""
    found = set()
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_featureids" in attributes:
            features = attributes["nodes_featureids"].ints
            values, tensor = attributes.get("nodes_values"), attributes.get("nodes_values_as_tensor")
            values = numpy_helper.to_array(tensor.t) if tensor is not None else values.floats
            modes = [mode.decode() for mode in attributes["nodes_modes"].strings]
            found |= {(f, float(v)) for f, v, mode in zip(features, values, modes) if mode != "LEAF"}
        elif "nodes_splits" in attributes:
            values = numpy_helper.to_array(attributes["nodes_splits"].t)
            found |= {(f, float(v)) for f, v in zip(attributes["nodes_featureids"].ints, values)}
    return sorted(found)


def zip_labels(model):
    """The class labels of each ZipMap, by the name of its output."""
    found = {}
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            attribute = next(a for a in node.attribute if a.name.startswith("classlabels"))
            found[node.output[0]] = [s.decode() for s in attribute.strings] or list(attribute.ints)
    return found


def as_array(value, labels):
    """ONNX Runtime's value as a tensor: a list of maps becomes a row of each, in the order of the labels."""
    if isinstance(value, list) and labels is not None:
        rows = [[row[label] for label in labels] for row in value]
        return np.array(rows, np.float32).reshape(len(rows), len(labels))
    if isinstance(value, list):
        raise TypeError("an output is a sequence of tensors")
    return value


def session(model):
    """ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def answers(case):
    """What ONNX Runtime answers to each batch: the outputs of all rows, the batches that it took, those that it refused."""
    running, labels = session(case.model), zip_labels(case.model)
    names = [output.name for output in running.get_outputs()]
    rows = len(next(iter(case.inputs.values())))
    parts, taken, refused, at = [], [], [], 0
    for size in case.batches:
        feed = {name: values[at : at + size] for name, values in case.inputs.items()}
        at += size
        try:
            values = running.run(names, feed)
        except Exception as error:
            if size:
                raise
            refused.append({"batch": size, "error": str(error)[:300]})
            continue
        parts.append([as_array(value, labels.get(name)) for name, value in zip(names, values)])
        taken.append(size)
    if at != rows:
        raise ValueError(f"{case.name}: batches of {at} rows, {rows} rows")
    joined = {}
    notes = []
    for name, values in zip(names, zip(*parts)):
        full = [v for v, size in zip(values, taken) if size]
        for value, size in zip(values, taken):
            if value.shape != (size, *full[-1].shape[1:]):
                notes.append(f"{name}: a batch of {size} gave {list(value.shape)}")
        joined[name] = np.concatenate(full)
        if len(joined[name]) != rows:
            raise ValueError(f"{case.name}: {name} has {len(joined[name])} rows for {rows}")
    return joined, taken, refused, notes


def write(case, folder):
    """Writes the model and its rows, and returns the JSON's first part."""
    outputs, taken, refused, notes = answers(case)
    about = {name: {"labels": labels} for name, labels in zip_labels(case.model).items()}
    header = {
        "case": case.name,
        "estimator": case.estimator,
        "missing": case.missing,
        "batches": taken,
        "refused": refused,
        "notes": notes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    oip.write(folder / "rows.oip", header, case.inputs, outputs, about)
    return header
