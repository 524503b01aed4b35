"""Tensors for the clients, and what the served models make of them."""

import json

import numpy as np
import tritonclient.http as http
from conftest import ROOT
from tritonclient.utils import np_to_triton_dtype

# Every datatype of the protocol, by the model that passes it on; within 32 bits for INT64 and exact in binary32 for FP64, since
# rten passes them.
CARRIED = {
    "bool": np.array([True, False, True]),
    "uint8": np.array([0, 1, 255], np.uint8),
    "uint16": np.array([0, 1, 2**16 - 1], np.uint16),
    "uint32": np.array([0, 1, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 1, 2**64 - 1], np.uint64),
    "int8": np.array([-128, 0, 127], np.int8),
    "int16": np.array([-(2**15), 0, 2**15 - 1], np.int16),
    "int32": np.array([-(2**31), -1, 2**31 - 1], np.int32),
    "int64": np.array([-(2**31), -1, 2**31 - 1], np.int64),
    "fp16": np.array([-65504.0, 6e-8, 0.1], np.float16),
    "fp32": np.array([-3.4028235e38, 1e-45, 0.1], np.float32),
    "fp64": np.array([-3.4028234663852886e38, 0.5, 2.0**-149], np.float64),
    "bytes": np.array(["", "é 東京 \U0001f980", 'a "quoted"\n\tline\\'], np.object_),
}
# What only an engine of 64 bits passes on.
EXACT = {
    "int64": np.array([-(2**63), 2**53 + 1, 2**63 - 1], np.int64),
    "fp64": np.array([-1.7976931348623157e308, 0.1, 5e-324], np.float64),
}
NONFINITE = [np.nan, np.inf, -np.inf, -0.0, 1.5]


def tensor(name, array, binary=True):
    """An input of tritonclient's."""
    made = http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def wanted(*names, binary=True):
    return [http.InferRequestedOutput(name, binary_data=binary) for name in names]


def same(got, expected):
    """To the bit, which NaN and the sign of zero are part of; strings as the bytes that they are in UTF-8."""
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if expected.dtype == np.object_:
        assert encoded(got) == encoded(expected)
    else:
        assert got.tobytes() == expected.tobytes()


def encoded(strings):
    """tritonclient gives bytes for raw tensors, and text for JSON."""
    return [string if isinstance(string, bytes) else string.encode() for string in strings.ravel()]


def digits():
    """96 images, their labels and probabilities."""
    expected = json.loads((ROOT / "models/digits/expected.json").read_text())
    return (
        np.array(expected["inputs"], np.float32),
        np.array(expected["labels"], np.int64),
        np.array(expected["probabilities"], np.float32),
    )


def checked(result, rows=slice(None)):
    """Holds an answer of digits against what the model gave when it was trained."""
    _, labels, probabilities = digits()
    same(result.as_numpy("label"), labels[rows])
    np.testing.assert_allclose(result.as_numpy("probabilities"), probabilities[rows], atol=1e-5)
