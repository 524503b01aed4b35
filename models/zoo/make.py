"""Makes the zoo: models that people train, the rows that they are asked, and ONNX Runtime's answers.

    python models/zoo/make.py --out target/zoo            every case, a folder each
    python models/zoo/make.py --out target/zoo --only X   those whose name contains X
    python models/zoo/make.py --fixtures                  tests/zoo: some of them, with small models and few rows
"""

import argparse
import collections
import os
import sys
import time
import warnings
from pathlib import Path

# One thread everywhere, so that sums are in one order.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import case  # noqa: E402
from families import every  # noqa: E402
import operators  # noqa: E402
import scale  # noqa: E402
from committed import COMMITTED  # noqa: E402

FIXTURES = Path(__file__).parents[2] / "tests" / "zoo"

warnings.filterwarnings("ignore")


def operator_table(used):
    """How often each operator occurs, over all cases, with its versions and attributes."""
    lines = ["| operator | opsets | cases | nodes | attributes |", "|---|---|---|---|---|"]
    for (domain, operator), seen in sorted(used.items()):
        name = f"{domain}.{operator}" if domain else operator
        opsets = ", ".join(str(version) for version in sorted(seen["opsets"]))
        attributes = ", ".join(sorted(seen["attributes"]))
        lines.append(f"| {name} | {opsets} | {len(seen['cases'])} | {seen['nodes']} | {attributes} |")
    return "\n".join(lines) + "\n"


def count(used, made):
    """Adds a case's operators."""
    versions = {opset.domain: opset.version for opset in made.model.opset_import}
    for node in made.model.graph.node:
        seen = used[node.domain, node.op_type]
        seen["opsets"].add(versions[node.domain])
        seen["cases"].add(made.name)
        seen["nodes"] += 1
        for attribute in node.attribute:
            text = {2: str(attribute.i), 3: attribute.s.decode(errors="replace")}.get(attribute.type)
            seen["attributes"].add(attribute.name + (f"={text}" if text and len(text) < 20 else ""))


def main():
    """Makes all that is asked for and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FIXTURES)
    parser.add_argument("--fixtures", action="store_true", help="the small cases that are committed, into tests/zoo")
    parser.add_argument("--only", default="")
    parser.add_argument("--operators", type=Path, help="where to write the table of operators")
    options = parser.parse_args()
    if options.fixtures:
        scale.shrink()
    used = collections.defaultdict(lambda: {"opsets": set(), "cases": set(), "nodes": 0, "attributes": set()})
    refused = {}
    done = 0
    for name, make in every():
        if options.only not in name or (options.fixtures and name not in COMMITTED):
            continue
        started = time.time()
        stage = "converter"
        try:
            made = make(name)
            stage = "ONNX Runtime"
            out = operators.outside(made.model)
            folder = options.out / ("outside" if out else "") / name
            header = case.write(made, folder)
        except Exception as error:  # what a converter raises is what we list
            refused[name] = f"{stage}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            print(f"REFUSED {name}: {refused[name]}")
            continue
        done += 1
        count(used, made)
        notes = "; ".join([f"outside: {', '.join(out)}"] * bool(out) + header["notes"] + [str(r) for r in header["refused"]])
        print(f"{name}: {time.time() - started:.1f} s {notes}")
    print(f"{done} cases, {len(refused)} refused")
    if options.operators:
        options.operators.write_text(operator_table(used))


if __name__ == "__main__":
    sys.exit(main())
