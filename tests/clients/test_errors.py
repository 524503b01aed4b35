"""What does not fit is refused in words that name it: the exact text, as tritonclient hands it to its user."""

import numpy as np
import pytest
from tensors import tensor, wanted
from tritonclient.utils import InferenceServerException

ONES = np.ones((1, 64), np.float32)
THREE = np.ones((1, 3), np.float32)


def refused(triton, *arguments, **named):
    with pytest.raises(InferenceServerException) as error:
        triton.infer(*arguments, **named)
    return error.value.status(), error.value.message()


@pytest.mark.parametrize(
    "model, inputs, message",
    [
        ("digits", {"input": ONES[:, :63]}, "input 'input': expected [-1,64], got [1,63]"),
        ("digits", {"input": ONES[0]}, "input 'input': expected [-1,64], got [64]"),
        ("digits", {"input": ONES.astype(np.float64)}, "input 'input': expected FP32, got FP64"),
        (
            "digits",
            {"input": ONES[0].astype(np.int64)},
            "input 'input': expected FP32 [-1,64], got INT64 [64]",
        ),
        ("digits", {"image": ONES}, "input 'image': the model has no such input; it takes 'input'"),
        ("add", {"a": THREE}, "input 'b': missing; expected FP32 [-1,3]"),
        ("digits", {}, "input 'input': missing; expected FP32 [-1,64]"),
        (
            "identity_int64",
            {"x": np.array([0, 2**31], np.int64)},
            "input 'x': element 1 is 2147483648, beyond the 32 bits in which this model's engine computes INT64",
        ),
        ("nobody", {"x": ONES}, "no model 'nobody'"),
    ],
)
@pytest.mark.parametrize("binary", [True, False], ids=["raw", "json"])
def test_inputs_that_do_not_fit(triton, model, inputs, message, binary):
    tensors = [tensor(name, array, binary) for name, array in inputs.items()]
    status = "404" if model == "nobody" else "400"
    assert refused(triton, model, tensors) == (status, message)


def test_shapes_that_do_not_go_together(triton):
    inputs = [tensor("a", np.ones((2, 3), np.float32)), tensor("b", np.ones((5, 3), np.float32))]
    assert refused(triton, "add", inputs) == ("400", "input 'b': expected 2 for 'n' as in input 'a', got 5")


def test_an_input_twice(triton):
    inputs = [tensor("a", THREE), tensor("a", THREE)]
    assert refused(triton, "add", inputs) == ("400", "input 'a': given twice")


def test_outputs_that_there_are_not(triton):
    assert refused(triton, "digits", [tensor("input", ONES)], outputs=wanted("labels")) == (
        "400",
        "output 'labels': the model has no such output; it gives 'label', 'probabilities'",
    )
    assert refused(triton, "digits", [tensor("input", ONES)], outputs=wanted("label", "label")) == (
        "400",
        "output 'label': asked for twice",
    )


def test_a_version_that_there_is_not(triton):
    assert refused(triton, "versions", [tensor("x", ONES[0])], model_version="3") == (
        "404",
        "model 'versions' has no version '3'; it has 1, 2, 10",
    )


def test_strings_where_numbers_are_taken(triton):
    strings = np.array([["a"] * 64], np.object_)
    for binary in (True, False):
        assert refused(triton, "digits", [tensor("input", strings, binary)]) == (
            "400",
            "input 'input': expected FP32, got BYTES",
        )


def test_what_is_not_offered(triton):
    output = wanted("label")[0]
    output._parameters["classification"] = 3
    assert refused(triton, "digits", [tensor("input", ONES)], outputs=[output]) == (
        "400",
        "output 'label': classification is not offered: ask for the tensor itself",
    )
    shared = tensor("input", ONES)
    shared.set_shared_memory("region", 256)
    assert refused(triton, "digits", [shared]) == (
        "400",
        "input 'input': shared memory is not offered: send the data",
    )


def test_a_body_beyond_the_limit(triton):
    status, message = refused(triton, "identity_fp32", [tensor("x", np.zeros(2_000_000, np.float32))])
    assert status == "413"
    assert message.startswith("the body has 8000") and message.endswith("bytes, the limit is 6291456")
