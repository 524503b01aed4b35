"""The form of a case's rows, `rows.oip`: tensors as the Open Inference Protocol's binary extension lays them out.

A little-endian u32, the length of the JSON that follows it; then the tensors, in the order of the JSON's `inputs` and then
of its `outputs`, each row by row and little-endian, BOOL a byte, BYTES a u32 length and UTF-8 for each element.
"""

import json
import struct
from math import prod

import numpy as np

DATATYPES = {
    np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
    np.dtype(np.int64): "INT64",
    np.dtype(np.int32): "INT32",
    np.dtype(np.bool_): "BOOL",
    np.dtype(np.object_): "BYTES",
}
DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}


def as_tensor(values):
    """The array with a dtype that the protocol has; strings of a fixed width become objects."""
    values = np.asarray(values)
    return values.astype(object) if values.dtype.kind in "US" else values


def raw(values):
    """The tensor's bytes."""
    if values.dtype != object:
        return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [text if isinstance(text, bytes) else text.encode() for text in values.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def described(name, values, more):
    """A tensor's entry in the JSON."""
    return {"name": name, "datatype": DATATYPES[values.dtype], "shape": list(values.shape), **more}


def write(path, header, inputs, outputs, about=None):
    """Writes a case's rows; `about` holds what else the JSON says of an output, by its name."""
    about = about or {}
    tensors = [(name, as_tensor(values)) for name, values in [*inputs.items(), *outputs.items()]]
    described_tensors = [described(name, values, about.get(name, {})) for name, values in tensors]
    head = {**header, "inputs": described_tensors[: len(inputs)], "outputs": described_tensors[len(inputs) :]}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<I", len(text)) + text + b"".join(raw(values) for _, values in tensors))


def read(path):
    """What was written: the JSON, the inputs and the outputs."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data)
    head, at = json.loads(data[4 : 4 + length]), 4 + length
    groups = []
    for described_tensors in (head["inputs"], head["outputs"]):
        tensors = {}
        for tensor in described_tensors:
            dtype, size = DTYPES[tensor["datatype"]], prod(tensor["shape"])
            if dtype == object:
                values = np.empty(size, object)
                for index in range(size):
                    (length,) = struct.unpack_from("<I", data, at)
                    values[index] = data[at + 4 : at + 4 + length].decode()
                    at += 4 + length
            else:
                values = np.frombuffer(data, dtype.newbyteorder("<"), size, at).astype(dtype)
                at += size * dtype.itemsize
            tensors[tensor["name"]] = values.reshape(tensor["shape"])
        groups.append(tensors)
    if at != len(data):
        raise ValueError(f"{path}: {len(data) - at} bytes left over")
    return head, *groups
