"""kserve's InferenceRESTClient, by version 2 of the protocol."""

import asyncio

import httpx
import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from tensors import CARRIED, checked, digits, same
from tritonclient.utils import np_to_triton_dtype


def kserve(address, work):
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
            return await work(client, f"http://{address}")

    return asyncio.run(run())


def tensor(name, array, binary):
    made = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def infer(address, model, inputs, **named):
    headers = {}

    async def work(client, url):
        request = InferRequest(model, inputs, **named)
        return await client.infer(url, request, model_name=model, response_headers=headers)

    return kserve(address, work), headers


def test_health(address):
    async def work(client, url):
        return [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, "digits"),
            await client.is_model_ready(url, "nobody"),
        ]

    assert kserve(address, work) == [True, True, True, False]


# The client itself refuses to send FP16 as JSON.
@pytest.mark.parametrize(
    "datatype, binary_in",
    [(datatype, True) for datatype in CARRIED]
    + [(datatype, False) for datatype in CARRIED if datatype != "fp16"],
)
@pytest.mark.parametrize("binary_out", [True, False], ids=["raw_out", "json_out"])
def test_every_datatype_comes_back_to_the_bit(address, datatype, binary_in, binary_out):
    array = CARRIED[datatype]
    response, headers = infer(
        address,
        f"identity_{datatype}",
        [tensor("x", array, binary_in)],
        request_id="7",
        parameters={"binary_data_output": binary_out},
    )
    assert response.id == "7"
    assert headers["content-type"] == ("application/octet-stream" if binary_out else "application/json")
    (output,) = response.outputs
    assert output.datatype == datatype.upper()
    same(output.as_numpy(), array)


@pytest.mark.parametrize("binary", [True, False], ids=["raw", "json"])
def test_a_batch_has_the_trained_answers(address, binary):
    class Named:
        def __init__(self, response):
            self.as_numpy = lambda name: response.get_output_by_name(name).as_numpy()

    images, _, _ = digits()
    response, _ = infer(
        address,
        "digits",
        [tensor("input", images, binary)],
        request_outputs=[
            RequestedOutput("probabilities", {"binary_data": binary}),
            RequestedOutput("label", {"binary_data": not binary}),
        ],
    )
    assert [output.name for output in response.outputs] == ["probabilities", "label"]
    checked(Named(response))


def test_several_inputs_some_raw(address):
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.float32)
    response, _ = infer(address, "add", [tensor("a", a, True), tensor("b", b, False)])
    same(response.outputs[0].as_numpy(), a + b)


def test_a_dictionary(address):
    body = {"inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, -2]}]}

    async def work(client, url):
        return await client.infer(url, body, model_name="identity_int64")

    same(kserve(address, work).outputs[0].as_numpy(), np.array([1, -2], np.int64))


def test_errors_are_told(address):
    for name, array, message in [
        ("input", np.ones((1, 63), np.float32), "input 'input': expected [-1,64], got [1,63]"),
        ("input", np.ones((1, 64), np.int32), "input 'input': expected FP32, got INT32"),
    ]:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            infer(address, "digits", [tensor(name, array, True)])
        assert refused.value.response.status_code == 400
        assert str(refused.value).startswith(f"{message}, '400 Bad Request'")
    with pytest.raises(httpx.HTTPStatusError) as refused:
        infer(address, "nobody", [tensor("x", CARRIED["fp32"], False)])
    assert str(refused.value).startswith("no model 'nobody', '404 Not Found'")


def test_at_once(address):
    images, _, _ = digits()

    async def work(client, url):
        requests = (
            client.infer(url, InferRequest("digits", [tensor("input", images[row : row + 1], row % 2 == 0)]), "digits")
            for row in range(96)
        )
        return await asyncio.gather(*requests)

    labels = [response.get_output_by_name("label").as_numpy()[0] for response in kserve(address, work)]
    assert labels == digits()[1].tolist()
