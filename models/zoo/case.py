"""A case of the zoo: a model, the rows that it is asked, and what ONNX Runtime answers."""

import re
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import oip
import scale
import single

onnxruntime.set_default_logger_severity(4)
ERROR = 160


@dataclass
class Case:
    """One model with its rows. `missing` tells whether NaN stands for a missing value, which the model was taught.

    Where ONNX Runtime strays from the specification or lacks what it has, `strays` says how. The answers are then those that
    it gives to `instead`, a model that means the same, or, without one, those of the onnx package's reference.
    `agreement` is the share of training rows to which ONNX Runtime answers as the estimator does.
    """

    name: str
    estimator: str
    model: onnx.ModelProto
    inputs: dict
    missing: bool = False
    batches: list = field(default_factory=lambda: list(scale.BATCHES))
    strays: str = ""
    instead: onnx.ModelProto | None = None
    agreement: float | None = None


def attributes(node):
    """A node's attributes by name, as Python values."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def thresholds(model):
    """(feature, value) of the branches of every tree in the model, without repetition."""
    found = set()
    for node in model.graph.node:
        known = attributes(node)
        if node.op_type == "TreeEnsemble":
            found |= set(zip(known["nodes_featureids"], numpy_helper.to_array(known["nodes_splits"]).tolist()))
        elif "nodes_featureids" in known:
            tensor = known.get("nodes_values_as_tensor")
            values = known["nodes_values"] if tensor is None else numpy_helper.to_array(tensor).tolist()
            triples = zip(known["nodes_featureids"], values, known["nodes_modes"])
            found |= {(feature, value) for feature, value, mode in triples if mode != b"LEAF"}
    return sorted(found)


def zip_labels(model):
    """The class labels of each ZipMap, by the name of its output."""
    zips = [node for node in model.graph.node if node.op_type == "ZipMap"]
    labels = [next(v for name, v in attributes(node).items() if name.startswith("classlabels")) for node in zips]
    return {
        node.output[0]: [label.decode() if isinstance(label, bytes) else label for label in known]
        for node, known in zip(zips, labels)
    }


def as_array(value, labels):
    """ONNX Runtime's value as a tensor: a list of maps becomes a row of each, in the order of the labels."""
    if isinstance(value, list) and labels is not None:
        rows = [[row[label] for label in labels] for row in value]
        return np.array(rows, np.float32).reshape(len(rows), len(labels))
    if isinstance(value, list):
        raise TypeError("an output is a sequence of tensors")
    return value


def brief(error):
    """An error on one short line."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    # Which row it was is beside the point.
    return re.sub(r"Name:'\w*' |index: \d+", "", text)[:ERROR]


class Asked:
    """ONNX Runtime on one thread, with the model of a case."""

    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        loaded = model.SerializeToString()
        self.session = onnxruntime.InferenceSession(loaded, options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        self.labels = zip_labels(model)

    def __call__(self, inputs):
        values = self.session.run(self.names, inputs)
        return [as_array(value, self.labels.get(name)) for name, value in zip(self.names, values)]


class Reference:
    """The onnx package's reference with the model of a case."""

    def __init__(self, model):
        self.evaluator = ReferenceEvaluator(model)
        self.names = [output.name for output in model.graph.output]
        self.kinds = [output.type.tensor_type.elem_type for output in model.graph.output]
        self.labels = {}

    def __call__(self, inputs):
        values = self.evaluator.run(self.names, inputs)
        # The reference is loose about the types that it answers with.
        return [value.astype(onnx.helper.tensor_dtype_to_np_dtype(kind)) for value, kind in zip(values, self.kinds)]


def same(one, other):
    """Whether two lists of arrays are the same to the bit."""
    return all(
        a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes() for a, b in zip(one, other)
    )


def without_refused(asked, inputs, notes):
    """The rows, those that ONNX Runtime refuses by themselves replaced by ones that it takes."""
    count = len(next(iter(inputs.values())))
    try:
        asked(inputs)
        return inputs
    except Exception as error:
        first, good = error, []
    for row in range(count):
        try:
            asked({name: values[row : row + 1] for name, values in inputs.items()})
            good.append(row)
        except Exception:
            continue
    if not good or len(good) == count:
        raise first
    notes.append(f"{count - len(good)} rows refused by ONNX Runtime and replaced: {brief(first)}")
    taken = set(good)
    chosen = [row if row in taken else good[row % len(good)] for row in range(count)]
    return {name: values[chosen] for name, values in inputs.items()}


def rows_axis(shapes, batches):
    """The axis along which an output's shapes follow the batch."""
    for axis in range(min(map(len, shapes))):
        if all(shape[axis] == size for shape, size in zip(shapes, batches)):
            return axis
    raise ValueError(f"no axis of {[list(shape) for shape in shapes]} follows the batches {batches}")


def answers(case):
    """What ONNX Runtime answers: the outputs of all rows, and what the JSON says of them and of the case."""
    notes, refused, taken, parts, at = [], [], [], [], 0
    if not case.strays and (spelled_out := single.spelled_out(case.model)):
        case.strays, case.instead = single.STRAYS, spelled_out
    asked = Asked(case.instead or case.model) if case.instead or not case.strays else Reference(case.model)
    case.inputs = without_refused(asked, case.inputs, notes)
    if isinstance(asked, Asked) and not same(asked(case.inputs), Asked(case.instead or case.model)(case.inputs)):
        raise ValueError("two runs of ONNX Runtime give different answers")
    for size in case.batches:
        feed = {name: values[at : at + size] for name, values in case.inputs.items()}
        at += size
        try:
            parts.append(asked(feed))
            taken.append(size)
        except Exception as error:
            if size:
                raise
            refused.append({"batch": size, "error": brief(error)})
    outputs, about = {}, {name: {"labels": labels} for name, labels in asked.labels.items()}
    for name, values in zip(asked.names, zip(*parts)):
        full = [value for value, size in zip(values, taken) if size]
        axis = rows_axis([value.shape for value in full], [size for size in taken if size])
        if axis:
            about.setdefault(name, {})["axis"] = axis
        shape = list(full[0].shape)
        for value, size in zip(values, taken):
            shape[axis] = size
            if list(value.shape) != shape:
                notes.append(f"{name}: a batch of {size} gave {list(value.shape)}")
        outputs[name] = np.concatenate(full, axis)
    header = {
        "case": case.name,
        "estimator": case.estimator,
        "missing": case.missing,
        "batches": taken,
        "refused": refused,
        "notes": notes,
        "answered_by": "ONNX Runtime" if isinstance(asked, Asked) else "onnx.reference",
        "strays": case.strays,
        "agreement": case.agreement,
    }
    return outputs, about, header


def write(case, folder):
    """Writes the model and its rows, and returns the JSON's first part."""
    outputs, about, header = answers(case)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    oip.write(folder / "rows.oip", header, case.inputs, outputs, about)
    return header
