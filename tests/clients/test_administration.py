"""Loading and unloading by tritonclient, where administration is switched off."""

import pytest
from tritonclient.utils import InferenceServerException

MESSAGE = "by the API is switched off: this server's models are those that it started with"


def test_loading_and_unloading_are_switched_off(triton):
    for call, word in ((triton.load_model, "loading"), (triton.unload_model, "unloading")):
        with pytest.raises(InferenceServerException) as refused:
            call("digits")
        assert refused.value.status() == "403"
        assert refused.value.message() == f"{word} {MESSAGE}"
    assert triton.is_model_ready("digits") is True
