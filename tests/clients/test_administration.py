"""Loading and unloading by tritonclient, switched off and on."""

import asyncio
import shutil

import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from conftest import ROOT, served
from tensors import same, tensor
from tritonclient.utils import InferenceServerException

VERSIONS = ROOT / "tests/models/repository/versions"
ZERO = np.zeros(1, np.float32)


@pytest.fixture
def repository(tmp_path):
    """A repository that a test may change: one model, version 1 of it adds 1."""
    folder = tmp_path / "models"
    shutil.copytree(VERSIONS / "1", folder / "plus" / "1")
    return folder


@pytest.fixture
def administered(repository, tmp_path):
    with served(tmp_path, "--models", f"dir:{repository}", "--admin", "on") as address:
        yield address


@pytest.fixture
def admin(administered):
    with tritonclient.http.InferenceServerClient(administered) as client:
        yield client


def refused(call, *arguments, **named):
    with pytest.raises(InferenceServerException) as error:
        call(*arguments, **named)
    return error.value.status(), error.value.message()


def states(client):
    return [(entry["version"], entry["state"], entry["reason"]) for entry in client.get_model_repository_index()]


def test_loading_and_unloading_are_switched_off(triton):
    for call, word in ((triton.load_model, "loading"), (triton.unload_model, "unloading")):
        message = f"{word} by the API is switched off; TWOFOLD_ADMIN=on switches it on"
        assert refused(call, "digits") == ("403", message)
    assert triton.is_model_ready("digits") is True


def test_an_unloaded_model_is_away_until_it_is_loaded_again(admin):
    admin.unload_model("plus")
    assert admin.is_model_ready("plus") is False
    assert admin.is_server_ready() is True
    assert states(admin) == [("1", "UNAVAILABLE", "unloaded")]
    message = "model 'plus' version 1 is not ready: unloaded"
    assert refused(admin.infer, "plus", [tensor("x", ZERO)]) == ("503", message)
    admin.load_model("plus")
    assert states(admin) == [("1", "READY", "")]
    same(admin.infer("plus", [tensor("x", ZERO)]).as_numpy("y"), ZERO + 1)


def test_loading_takes_the_versions_that_are_there_now(admin, repository):
    shutil.copytree(VERSIONS / "10", repository / "plus" / "10")
    shutil.copytree(VERSIONS / "2", repository / "new" / "2")
    same(admin.infer("plus", [tensor("x", ZERO)]).as_numpy("y"), ZERO + 1)
    admin.load_model("plus")
    same(admin.infer("plus", [tensor("x", ZERO)]).as_numpy("y"), ZERO + 10)
    same(admin.infer("plus", [tensor("x", ZERO)], model_version="1").as_numpy("y"), ZERO + 1)
    admin.load_model("new")
    same(admin.infer("new", [tensor("x", ZERO)]).as_numpy("y"), ZERO + 2)


def test_a_load_that_fails_leaves_the_old_one(admin, repository):
    (repository / "plus" / "1" / "model.onnx").write_text("no longer a model")
    status, message = refused(admin.load_model, "plus")
    assert status == "400"
    assert message.startswith("model 'plus' could not be loaded: version 1: model.onnx is not a whole ONNX file")
    assert states(admin) == [("1", "READY", "")]
    same(admin.infer("plus", [tensor("x", ZERO)]).as_numpy("y"), ZERO + 1)


def test_what_there_is_not_and_what_is_not_offered(admin):
    assert refused(admin.load_model, "nobody") == ("404", "no reference holds a model 'nobody'")
    assert refused(admin.unload_model, "nobody") == ("404", "no model 'nobody'")
    message = "parameter 'config' is not offered: a model is what its package says"
    assert refused(admin.load_model, "plus", config="{}") == ("400", message)


def test_aio(administered):
    async def work():
        async with tritonclient.http.aio.InferenceServerClient(administered) as client:
            await client.unload_model("plus")
            away = await client.is_model_ready("plus")
            await client.load_model("plus")
            return away, await client.is_model_ready("plus")

    assert asyncio.run(work()) == (False, True)
