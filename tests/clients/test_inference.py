"""Inference by tritonclient: batches, several inputs, versions, outputs, ids, numbers that are none, and every datatype."""

import numpy as np
import pytest
import tritonclient.http as http
from tensors import CARRIED, EXACT, NONFINITE, checked, digits, same, tensor, wanted

BOTH_WAYS = pytest.mark.parametrize("binary_in", [True, False], ids=["raw_in", "json_in"])
AND_BACK = pytest.mark.parametrize("binary_out", [True, False], ids=["raw_out", "json_out"])


@BOTH_WAYS
@AND_BACK
@pytest.mark.parametrize("datatype", CARRIED)
def test_every_datatype_comes_back_to_the_bit(triton, datatype, binary_in, binary_out):
    array = CARRIED[datatype]
    result = triton.infer(
        f"identity_{datatype}",
        [tensor("x", array, binary_in)],
        outputs=wanted("y", binary=binary_out),
    )
    output = result.get_output("y")
    assert output["datatype"] == datatype.upper()
    assert ("data" in output) is not binary_out
    same(result.as_numpy("y"), array)


@BOTH_WAYS
@AND_BACK
@pytest.mark.parametrize("datatype", EXACT)
def test_all_of_64_bits_comes_back_where_the_engine_has_them(triton, datatype, binary_in, binary_out):
    array = EXACT[datatype]
    inputs, outputs = [tensor("x", array, binary_in)], wanted("y", binary=binary_out)
    same(triton.infer(f"exact_{datatype}", inputs, outputs=outputs).as_numpy("y"), array)


def test_strings_that_are_no_text_come_back_raw(triton):
    array = np.array([b"\xff\x00", b"plain"], np.object_)
    same(triton.infer("identity_bytes", [tensor("x", array)]).as_numpy("y"), array)


@BOTH_WAYS
@AND_BACK
@pytest.mark.parametrize("rows", [1, 2, 7, 96])
def test_a_batch_of_any_size_has_the_trained_answers(triton, rows, binary_in, binary_out):
    images, _, _ = digits()
    result = triton.infer(
        "digits",
        [tensor("input", images[:rows], binary_in)],
        outputs=wanted("label", "probabilities", binary=binary_out),
    )
    checked(result, slice(rows))


@BOTH_WAYS
@AND_BACK
def test_shapes_come_back(triton, binary_in, binary_out):
    cube = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    outputs = wanted("y", binary=binary_out)
    same(triton.infer("matrix", [tensor("x", cube, binary_in)], outputs=outputs).as_numpy("y"), cube)
    scalar = np.array(2.5, np.float32)
    same(triton.infer("scalar", [tensor("x", scalar, binary_in)], outputs=outputs).as_numpy("y"), scalar)
    nothing = np.zeros((0,), np.float32)
    same(
        triton.infer("identity_fp32", [tensor("x", nothing, binary_in)], outputs=outputs).as_numpy("y"),
        nothing,
    )


def test_several_inputs_are_bound_by_name(triton):
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.float32)
    for inputs in ([tensor("a", a), tensor("b", b)], [tensor("b", b, False), tensor("a", a)]):
        same(triton.infer("add", inputs).as_numpy("sum"), a + b)


def test_inputs_of_several_datatypes_raw_and_as_json(triton):
    arrays = {
        "integers": np.array([[1, -2], [3, 4]], np.int64),
        "floats": np.array([[0.5, -0.0], [1e-45, 3e38]], np.float32),
        "flags": np.array([[True, False], [False, True]]),
    }
    names = list(arrays)
    for raw in ([], ["floats"], ["flags", "integers"], names):
        inputs = [tensor(name, arrays[name], name in raw) for name in reversed(names)]
        outputs = [
            http.InferRequestedOutput(f"{name}_out", binary_data=name not in raw) for name in names
        ]
        result = triton.infer("mixed", inputs, outputs=outputs)
        for name in names:
            same(result.as_numpy(f"{name}_out"), arrays[name])


def test_outputs_are_selected_and_ordered(triton):
    images, _, _ = digits()
    inputs = [tensor("input", images[:1])]
    for names in (["label"], ["probabilities", "label"], ["label", "probabilities"]):
        answer = triton.infer("digits", inputs, outputs=wanted(*names)).get_response()
        assert [output["name"] for output in answer["outputs"]] == names
    answer = triton.infer("digits", inputs).get_response()
    assert [output["name"] for output in answer["outputs"]] == ["label", "probabilities"]


def test_the_id_is_echoed_and_never_made_up(triton):
    inputs = [tensor("x", CARRIED["fp32"])]
    answer = triton.infer("identity_fp32", inputs, request_id='7 "é" \n').get_response()
    assert answer["id"] == '7 "é" \n'
    assert "id" not in triton.infer("identity_fp32", inputs).get_response()


def test_the_newest_version_answers_unless_one_is_named(triton):
    x = np.array([100], np.float32)
    for version, expected in (("", 110), ("1", 101), ("2", 102), ("10", 110)):
        result = triton.infer("versions", [tensor("x", x)], model_version=version)
        same(result.as_numpy("y"), np.array([expected], np.float32))
        assert result.get_response()["model_version"] == (version or "10")


@BOTH_WAYS
@pytest.mark.parametrize("datatype", ["fp16", "fp32", "fp64"])
def test_numbers_that_are_none_leave_exactly_when_raw(triton, datatype, binary_in):
    array = np.array(NONFINITE, CARRIED[datatype].dtype)
    result = triton.infer(
        f"identity_{datatype}", [tensor("x", array, binary_in)], outputs=wanted("y")
    )
    np.testing.assert_array_equal(result.as_numpy("y"), array)
    np.testing.assert_array_equal(np.signbit(result.as_numpy("y"))[1:], np.signbit(array)[1:])


@pytest.mark.parametrize("datatype", ["fp16", "fp32", "fp64"])
def test_numbers_that_are_none_leave_as_null_in_json(triton, datatype):
    array = np.array(NONFINITE, CARRIED[datatype].dtype)
    result = triton.infer(
        f"identity_{datatype}", [tensor("x", array)], outputs=wanted("y", binary=False)
    )
    assert result.get_output("y")["data"] == [None, None, None, -0.0, 1.5]
    assert np.isnan(result.as_numpy("y")[:3]).all()


def test_a_model_may_make_infinities_itself(triton):
    x = np.array([1, -1, 0], np.float32)
    got = triton.infer("by_zero", [tensor("x", x)]).as_numpy("y")
    np.testing.assert_array_equal(got, np.array([np.inf, -np.inf, np.nan], np.float32))


def test_parameters_that_mean_nothing_here_are_ignored(triton):
    x = CARRIED["fp32"]
    result = triton.infer(
        "identity_fp32",
        [tensor("x", x)],
        sequence_id=7,
        sequence_start=True,
        priority=1,
        timeout=1000,
        headers={"x-other": "1"},
        query_params={"other": "1"},
        parameters={"colour": "blue", "depth": 3},
    )
    same(result.as_numpy("y"), x)


def test_a_body_without_json_is_the_only_input(triton):
    images, labels, _ = digits()
    answer = triton._post(
        "v2/models/digits/infer",
        images[:3].tobytes(),
        {"Inference-Header-Content-Length": "0"},
        None,
    )
    checked(http.InferResult(answer, False), slice(3))
