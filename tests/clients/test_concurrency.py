"""Many requests at once: async_infer, threads with a client each, and the asyncio client."""

import asyncio
import threading

import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from tensors import CARRIED, checked, digits, same, tensor, wanted
from tritonclient.utils import InferenceServerException


def test_async_infer(address):
    images, _, _ = digits()
    with tritonclient.http.InferenceServerClient(address, concurrency=8) as client:
        handles = [
            client.async_infer("digits", [tensor("input", images[row : row + 1])], request_id=str(row))
            for row in range(96)
        ]
        for row, handle in enumerate(handles):
            result = handle.get_result()
            assert result.get_response()["id"] == str(row)
            checked(result, slice(row, row + 1))
        broken = client.async_infer("digits", [tensor("input", images[:1, :5])])
        with pytest.raises(InferenceServerException) as refused:
            broken.get_result()
        assert refused.value.message() == "input 'input': expected [-1,64], got [1,5]"


def test_32_threads(address):
    images, _, _ = digits()
    start = threading.Barrier(32)
    answered, faults = [], []

    def work(thread):
        try:
            with tritonclient.http.InferenceServerClient(address) as client:
                start.wait()
                for round_ in range(20):
                    row = (thread * 3 + round_) % 96
                    binary = (thread + round_) % 2 == 0
                    result = client.infer(
                        "digits",
                        [tensor("input", images[row : row + 1], binary)],
                        outputs=wanted("label", "probabilities", binary=binary),
                        request_id=f"{thread}/{round_}",
                    )
                    assert result.get_response()["id"] == f"{thread}/{round_}"
                    checked(result, slice(row, row + 1))
                    answered.append(row)
        except BaseException as fault:  # a thread's failure has to reach the test
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(answered) == 640


def aio(address, work):
    async def run():
        async with tritonclient.http.aio.InferenceServerClient(address) as client:
            return await work(client)

    return asyncio.run(run())


def test_aio_metadata(address):
    async def work(client):
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready("digits", "1") is True
        assert await client.is_model_ready("nobody") is False
        assert (await client.get_server_metadata())["name"] == "twofold"
        assert (await client.get_model_metadata("digits"))["inputs"] == [
            {"name": "input", "datatype": "FP32", "shape": [-1, 64]}
        ]
        assert (await client.get_model_config("digits"))["backend"] == "tabular"
        index = await client.get_model_repository_index()
        assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in index
        (one,) = (await client.get_inference_statistics("add"))["model_stats"]
        assert (one["name"], one["version"]) == ("add", "1")
        return True

    assert aio(address, work)


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("datatype", CARRIED)
def test_aio_datatypes(address, datatype, encoding):
    array = CARRIED[datatype]

    async def work(client):
        results = []
        for binary in (True, False):
            results.append(
                await client.infer(
                    f"identity_{datatype}",
                    [tensor("x", array, binary)],
                    outputs=wanted("y", binary=binary),
                    request_compression_algorithm=encoding,
                    response_compression_algorithm=encoding,
                )
            )
        return results

    results = aio(address, work)
    assert len(results) == 2
    for result in results:
        same(result.as_numpy("y"), array)


def test_aio_at_once(address):
    images, _, _ = digits()

    async def work(client):
        requests = (client.infer("digits", [tensor("input", images[row : row + 1])]) for row in range(96))
        return await asyncio.gather(*requests)

    results = aio(address, work)
    assert len(results) == 96
    for row, result in enumerate(results):
        checked(result, slice(row, row + 1))


def test_aio_errors(address):
    async def work(client):
        with pytest.raises(InferenceServerException) as refused:
            await client.infer("digits", [tensor("input", np.ones((1, 63), np.float32))])
        return refused.value.status(), refused.value.message()

    assert aio(address, work) == ("400", "input 'input': expected [-1,64], got [1,63]")
