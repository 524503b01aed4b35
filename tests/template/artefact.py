"""Looks at the artefact of `sam build`: what it needs of al2023, and under the emulator, with the template's own settings, how
fast it starts and how much memory it takes.

    artefact.py BOOTSTRAP EMULATOR
"""

import base64
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import expand

# What provided.al2023 has: glibc 2.34 and its own libraries, and nothing else that a program may count on.
GLIBC = (2, 34)
LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
STARTS = 20
ZERO = [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0] + [
    0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0,
]


def elf(bootstrap):
    def readelf(*arguments):
        return subprocess.run(["readelf", "--wide", *arguments, bootstrap], check=True, capture_output=True, text=True).stdout

    machine = re.search(r"Machine:\s+(.*)", readelf("--file-header"))[1]
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", readelf("--version-info"))}
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", readelf("--dynamic")))
    newest = max(versions, default=(0,))
    if newest > GLIBC:
        raise SystemExit(f"it needs glibc {dotted(newest)}; al2023 has {dotted(GLIBC)}")
    if needed - LIBRARIES:
        raise SystemExit(f"it needs {', '.join(sorted(needed - LIBRARIES))}, which al2023 does not have")
    zipped = BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(bootstrap, "bootstrap")
    size = os.path.getsize(bootstrap)
    print(f"artefact: {size / 1e6:.1f} MB ({len(zipped.getvalue()) / 1e6:.1f} MB zipped), {machine}")
    print(f"artefact: needs glibc {dotted(newest)} (al2023 has {dotted(GLIBC)}) and {', '.join(sorted(needed)) or 'no library'}")


def dotted(version):
    return ".".join(map(str, version))


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


class Function:
    """The artefact under the emulator. It starts when the first event arrives, as on Lambda."""

    def __init__(self, emulator, bootstrap, settings):
        self.address = free_address()
        line = [emulator, "--log-level", "error", "--runtime-interface-emulator-address", self.address]
        api = free_address()
        line += ["--runtime-api-address", api, bootstrap]
        self.process = subprocess.Popen(line, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # An event that comes before the runtime API listens starts a function that finds nobody to talk to.
        for address in (self.address, api):
            self.wait(address)

    @staticmethod
    def wait(address):
        host, port = address.split(":")
        for _ in range(2000):
            try:
                return socket.create_connection((host, int(port))).close()
            except OSError:
                time.sleep(0.005)
        raise SystemExit(f"the emulator does not listen on {address}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def invoke(self, event):
        """Milliseconds and the answer."""
        body = json.dumps(event)
        started = time.perf_counter()
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("POST", "/2015-03-31/functions/function/invocations", body)
        answer = connection.getresponse().read()
        took = (time.perf_counter() - started) * 1000
        connection.close()
        return took, json.loads(answer)

    def memory(self):
        """MB now, and MB at most."""
        # Any thread of the emulator may have started it.
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        (child,) = [child for task in tasks for child in task.read_text().split()]
        status = Path(f"/proc/{child}/status").read_text()
        return tuple(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))


def inference(body, headers=None):
    event = json.loads((expand.ROOT / "tests/events/function-url.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/v2/models/digits/infer"
    event["requestContext"]["http"]["method"] = "POST"
    event["headers"] |= {"content-length": str(len(body))} | (headers or {})
    event["body"] = base64.b64encode(body).decode()
    event["isBase64Encoded"] = True
    return event


def prediction():
    pixels = {"name": "input", "shape": [1, 64], "datatype": "FP32", "data": ZERO}
    return inference(json.dumps({"inputs": [pixels]}).encode())


def most_numbers():
    """5.8 MB of JSON, which travels as text."""
    rows = 45_000
    head = '{"outputs":[{"name":"label"}],"inputs":[{"name":"input","datatype":"FP32","shape":[%d,64],"data":[' % rows
    event = inference(b"", {"content-type": "application/json"})
    event |= {"body": head + "0," * (rows * 64 - 1) + "0]}]}", "isBase64Encoded": False}
    event["headers"]["content-length"] = str(len(event["body"]))
    return event


def most_bytes():
    """4.4 MB of raw tensors: with base64 nearly all that Lambda takes."""
    rows = 17_000
    data = bytes(rows * 64 * 4)
    pixels = {"name": "input", "shape": [rows, 64], "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
    asked = {"inputs": [pixels], "outputs": [{"name": "label", "parameters": {"binary_data": True}}]}
    head = json.dumps(asked).encode()
    return inference(head + data, {"inference-header-content-length": str(len(head))})


def main():
    bootstrap, emulator = map(os.path.abspath, sys.argv[1:3])
    elf(bootstrap)

    resources = expand.resolved(expand.stage("prod"))["Resources"]
    settings = resources["Function"]["Properties"]["Environment"]["Variables"]
    cold, warm, rest, peak = [], [], [], []
    for _ in range(STARTS):
        with Function(emulator, bootstrap, settings) as function:
            for times in (cold, warm):
                took, answer = function.invoke(prediction())
                times.append(took)
                if answer.get("statusCode") != 200 or '"name":"label","datatype":"INT64","shape":[1],"data":[0]' not in answer["body"]:
                    raise SystemExit(f"a zero is not answered as one: {answer}")
            rest.append(function.memory()[0])
            if len(cold) == 1:
                for event in (most_bytes(), most_numbers()):
                    _, answer = function.invoke(event)
                    if answer.get("statusCode") != 200:
                        raise SystemExit(f"the largest request is not answered: {str(answer)[:500]}")
                    peak.append(function.memory()[1])
    start = statistics.median(cold) - statistics.median(warm)
    print(f"artefact: first event {statistics.median(cold):.1f} ms, next {statistics.median(warm):.1f} ms: the start costs {start:.1f} ms (median of {STARTS})")
    print(f"artefact: {statistics.median(rest):.1f} MB after a prediction, {peak[0]:.1f} MB after 4.4 MB of tensors, {peak[1]:.1f} MB after 5.8 MB of JSON")
    memory = int(resources["Function"]["Properties"]["MemorySize"])
    if max(peak) > memory / 2:
        raise SystemExit(f"{max(peak):.0f} MB are more than half of the template's {memory} MB")


main()
