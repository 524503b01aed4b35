"""Compares what template.yaml becomes, for both AuthTypes, with the files beside this one; --write makes them anew.

SAM's translator decides a good part of what is deployed. A change of template.yaml or of the translator shows here, line by
line, before it shows in an account.
"""

import difflib
import json
import sys
from pathlib import Path

import expand

FOLDER = Path(__file__).resolve().parent


def text(auth_type):
    parts = expand.resolved({"AuthType": auth_type})
    # The hash is SAM's own, of everything: it would change with every comma.
    version = expand.version_id(parts["Resources"])
    return json.dumps(parts, indent=1, sort_keys=True).replace(version, "FunctionVersion") + "\n"


def versions():
    """Whether SAM publishes another version exactly where it must: the alias would else go on with what was there."""
    def name(parameters, code="s3://artefacts/twofold/0"):
        return expand.version_id(expand.expanded(parameters, code)["Resources"])

    same = name({})
    faults = []
    if name({}) != same:
        faults.append("the same template and code give two versions")
    if name({}, "s3://artefacts/twofold/1") == same:
        faults.append("another code gives no other version")
    if name({"Release": "aaaa"}) == name({"Release": "bbbb"}):
        faults.append("another Release gives no other version")
    if name({"Models": "embedded:digits", "Release": "aaaa"}) == same:
        faults.append("a Release gives no version of its own")
    return faults


def main():
    faults = versions()
    for auth_type in ("AWS_IAM", "NONE"):
        path = FOLDER / f"expanded-{auth_type}.json"
        now = text(auth_type)
        if "--write" in sys.argv:
            path.write_text(now)
        committed = path.read_text() if path.exists() else ""
        difference = difflib.unified_diff(
            committed.splitlines(), now.splitlines(), f"{path.name}, committed", "template.yaml, expanded", lineterm=""
        )
        faults.extend(difference)
        resources = len(json.loads(now)["Resources"])
        print(f"{path.name}: {resources} resources, {len(now.splitlines())} lines, {len(now)} bytes")
    if faults:
        raise SystemExit("\n".join([*faults, "as wanted? then tests/template/golden.py --write"]))
    print("golden files: as committed")


main()
