"""openapi.yaml against the running server: by schemathesis, request by request, and against the router, route by route."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml
from conftest import ROOT, served

HERE = Path(__file__).resolve().parent
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())


def test_the_server_hands_it_out(address):
    with urllib.request.urlopen(f"http://{address}/openapi.yaml") as answer:
        assert answer.headers["content-type"] == "application/yaml"
        assert answer.read() == (ROOT / "openapi.yaml").read_bytes()


def schemathesis(address, folder, operations, *arguments, **variables):
    """Runs it over so many operations; gives what it counted."""
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            HERE / "schemathesis.toml",
            "--no-color",
            "run",
            ROOT / "openapi.yaml",
            "--url",
            f"http://{address}",
            *arguments,
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert f"\n  Tested: {operations}\n" in run.stdout, run.stdout
    return "\n" + run.stdout[run.stdout.index("API Operations:") :]


def test_every_request_is_answered_as_the_document_says(address, tmp_path, capsys):
    operations = sum(len(path) for path in DOCUMENT["paths"].values())
    counted = schemathesis(address, tmp_path, operations)
    with capsys.disabled():
        print(counted)


def test_so_is_administration(tmp_path, capsys):
    with served(tmp_path, "--models", "embedded:digits", "--admin", "on") as address:
        counted = schemathesis(address, tmp_path, 3, "--include-tag", "repository", TAG="repository")
    with capsys.disabled():
        print(counted)


def test_every_route_is_documented_and_no_other():
    source = (ROOT / "src/http/mod.rs").read_text()
    source = re.sub(r"#\[cfg\(feature.*?;", "", source, flags=re.DOTALL)
    prefixes = re.findall(r'"([^"]+)"', re.search(r"for model in \[(.*?)\]", source).group(1))
    assert len(prefixes) == 2
    routes = set()
    count = 0
    for path, verb in re.findall(r"\.route\(&?(?:format!\()?([^,()]+?)\)?, (get|post)\(", source):
        count += 1
        if path == "model":
            path = "{model}"
        path = path.strip('"')
        # Of a model's routes the prefix is a variable; of the others "{model}" is part of the path.
        if path.startswith("{model}"):
            routes |= {(prefix + path.removeprefix("{model}"), verb) for prefix in prefixes}
        else:
            routes.add((path, verb))
    assert count == source.count(".route("), "a route is written in a form that this test does not read"
    assert routes == {(path, verb) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
