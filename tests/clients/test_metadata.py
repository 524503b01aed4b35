"""Health, metadata, configuration and statistics by tritonclient."""

import pytest
from tensors import digits, tensor
from tritonclient.utils import InferenceServerException


def test_the_server_is_live_and_ready(triton):
    assert triton.is_server_live() is True
    assert triton.is_server_ready() is True


@pytest.mark.parametrize(
    "model, version, ready",
    [
        ("digits", "", True),
        ("digits", "1", True),
        ("digits", "2", False),
        ("versions", "10", True),
        ("nobody", "", False),
    ],
)
def test_a_model_is_ready_if_it_is_served(triton, model, version, ready):
    assert triton.is_model_ready(model, version) is ready


def test_the_server_names_its_extensions(triton):
    metadata = triton.get_server_metadata()
    assert metadata["name"] == "twofold"
    assert metadata["extensions"] == [
        "binary_tensor_data",
        "model_configuration",
        "model_repository",
        "statistics",
    ]


def test_metadata_has_inputs_and_outputs(triton):
    metadata = triton.get_model_metadata("mixed")
    assert metadata == {
        "name": "mixed",
        "versions": ["1"],
        "platform": "rten_onnx",
        "inputs": [
            {"name": "integers", "datatype": "INT64", "shape": [-1, 2]},
            {"name": "floats", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "flags", "datatype": "BOOL", "shape": [-1, 2]},
        ],
        "outputs": [
            {"name": "integers_out", "datatype": "INT64", "shape": [-1, 2]},
            {"name": "floats_out", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "flags_out", "datatype": "BOOL", "shape": [-1, 2]},
        ],
    }
    assert triton.get_model_metadata("versions", "2")["versions"] == ["1", "2", "10"]


def test_configuration_has_tritons_form(triton):
    config = triton.get_model_config("add", "1")
    assert config["max_batch_size"] == 0
    assert config["input"] == [
        {"name": "a", "data_type": "TYPE_FP32", "dims": [-1, 3]},
        {"name": "b", "data_type": "TYPE_FP32", "dims": [-1, 3]},
    ]
    assert config["output"] == [{"name": "sum", "data_type": "TYPE_FP32", "dims": [-1, 3]}]


def test_statistics_count_rows_and_requests(triton):
    def counts():
        (one,) = triton.get_inference_statistics("digits", "1")["model_stats"]
        outcomes = one["inference_stats"]
        return (
            one["inference_count"],
            one["execution_count"],
            outcomes["success"]["count"],
            outcomes["fail"]["count"],
        )

    before = counts()
    images, _, _ = digits()
    triton.infer("digits", [tensor("input", images[:5])])
    with pytest.raises(InferenceServerException):
        triton.infer("digits", [tensor("input", images[:5, :63])])
    assert [after - before for after, before in zip(counts(), before)] == [5, 1, 1, 1]
    everything = triton.get_inference_statistics()["model_stats"]
    assert {"digits", "add", "versions"} <= {one["name"] for one in everything}


@pytest.mark.parametrize(
    "call", ["get_model_metadata", "get_model_config", "get_inference_statistics"]
)
def test_what_is_unknown_is_named(triton, call):
    with pytest.raises(InferenceServerException) as refused:
        getattr(triton, call)("nobody")
    assert (refused.value.status(), refused.value.message()) == ("404", "no model 'nobody'")
    with pytest.raises(InferenceServerException) as refused:
        getattr(triton, call)("versions", "3")
    assert refused.value.status() == "404"
    assert refused.value.message() == "model 'versions' has no version '3'; it has 1, 2, 10"
