"""The server under test, and the client that most tests use.

SERVER is the path of the binary (default target/release/server). It runs on a free port, without any variable of the caller's
environment; the one that most tests share serves the embedded digits beside tests/models/repository.
"""

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import tritonclient.http

pytest.register_assert_rewrite("tensors")
ROOT = Path(__file__).resolve().parents[2]
MODELS = "embedded:digits,dir:tests/models/repository"
STARTS_WITHIN = 10.0


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_it_accepts(process, port, log):
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        assert process.poll() is None, f"the server ended with {process.returncode}:\n{log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise AssertionError(f"the server did not listen within {STARTS_WITHIN} s:\n{log.read_text()}")


@contextmanager
def served(folder, *arguments):
    """HOST:PORT of a server that has to end by SIGTERM with 0, without a fault in its log. `folder` takes the log."""
    binary = Path(os.environ.get("SERVER", "target/release/server"))
    binary = binary if binary.is_absolute() else ROOT / binary
    assert binary.is_file(), f"SERVER: no such file: {binary}"
    port = free_port()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "--listen", f"127.0.0.1:{port}", "--log-format", "json", "--drain", "0s", *arguments],
            cwd=ROOT,
            env={},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_it_accepts(process, port, log)
        yield f"127.0.0.1:{port}"
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()[-2000:]
    finally:
        process.kill()
        process.wait()
    faults = [line for line in log.read_text().splitlines() if '"status":500' in line or "panic" in line]
    assert faults == []


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """The server that most tests share."""
    with served(tmp_path_factory.mktemp("server"), "--models", MODELS) as address:
        yield address


@pytest.fixture
def triton(address):
    with tritonclient.http.InferenceServerClient(address) as client:
        yield client
