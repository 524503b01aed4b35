"""Compressed requests; compressed answers are asked for, and may come as they are."""

import gzip
import zlib

import numpy as np
import pytest
from tensors import CARRIED, checked, digits, same, tensor, wanted
from tritonclient.utils import InferenceServerException


@pytest.mark.parametrize("request_encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False], ids=["raw", "json"])
def test_every_pair_of_encodings(triton, request_encoding, response_encoding, binary):
    images, _, _ = digits()
    result = triton.infer(
        "digits",
        [tensor("input", images, binary)],
        outputs=wanted("label", "probabilities", binary=binary),
        request_compression_algorithm=request_encoding,
        response_compression_algorithm=response_encoding,
    )
    checked(result)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_inflated_counts_against_the_limit(triton, encoding):
    with pytest.raises(InferenceServerException) as refused:
        triton.infer(
            "identity_fp32",
            [tensor("x", np.zeros(2_000_000, np.float32))],
            request_compression_algorithm=encoding,
        )
    assert refused.value.status() == "413"
    assert refused.value.message() == "the body has more bytes than the limit of 6291456 when inflated"


@pytest.mark.parametrize(
    "encoding, compress",
    [("gzip", gzip.compress), ("deflate", lambda body: zlib.compress(body)[2:-4])],
    ids=["gzip", "bare_deflate"],
)
def test_what_other_clients_send(triton, encoding, compress):
    x = CARRIED["fp32"]
    body, length = triton.generate_request_body([tensor("x", x)])
    headers = {"Inference-Header-Content-Length": str(length), "Content-Encoding": encoding}
    answer = triton._post("v2/models/identity_fp32/infer", compress(body), headers, None)
    length = int(answer.get("Inference-Header-Content-Length"))
    same(triton.parse_response_body(answer.read(), header_length=length).as_numpy("y"), x)
