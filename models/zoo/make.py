"""Makes the zoo: models that people train, the rows that they are asked, and ONNX Runtime's answers.

    python models/zoo/make.py --out target/zoo            every case, a folder each; compares LISTS.md with what came out
    python models/zoo/make.py --out target/zoo --only X   those whose name contains X
    python models/zoo/make.py --lists                     every case, into a temporary folder; writes LISTS.md
    python models/zoo/make.py --fixtures                  writes tests/zoo: some of them, with small models and few rows
    python models/zoo/make.py --check                     makes those again and compares (see fixtures.py)

A case that a converter or ONNX Runtime refuses is listed in LISTS.md; one that is refused without being listed is an error.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

# One thread everywhere, so that sums are in one order.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

# The converters go through sets of names, whose order follows the hashes of strings.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})

import case  # noqa: E402
import fixtures  # noqa: E402
import lists  # noqa: E402
import operators  # noqa: E402
import scale  # noqa: E402
from families import every  # noqa: E402

warnings.filterwarnings("ignore")


def attempt(name, make, out, found):
    """Makes one case, and notes what came of it."""
    started = time.time()
    who = "converter"
    try:
        made = make(name)
        if outside := operators.outside(made.model):
            found.outside[", ".join(outside)].append(name)
            print(f"{name}: outside: {', '.join(outside)}")
            return
        who = "ONNX Runtime"
        header = case.write(made, out / name)
    except Exception as error:  # whatever a converter raises is what is listed
        found.refused[who, lists.brief(error)].append(name)
        print(f"{name}: refused by the {who}: {lists.brief(error)}")
        return
    found.add(made, header)
    remarks = header["notes"] + [f"batch {refused['batch']} refused" for refused in header["refused"]]
    print(f"{name}: {time.time() - started:.1f} s {'; '.join(remarks)}")


def make_all(out, only=lambda name: True):
    """Makes every case whose name is asked for."""
    found = lists.Found()
    for name, make in every():
        if only(name):
            attempt(name, make, out, found)
    print(found.summary())
    return found


def main():
    """Makes all that is asked for and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--lists", action="store_true")
    parser.add_argument("--fixtures", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--exact", action="store_true", help="with --check: demand the same bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.fixtures or options.check:
            scale.shrink()
            out = Path(temporary) if options.check else fixtures.FOLDER
            found = make_all(out, lambda name: name in fixtures.NAMES)
            faults = fixtures.differing(out, options.exact) if options.check else found.missing(fixtures.NAMES)
        elif options.lists:
            lists.FILE.write_text(make_all(Path(temporary)).text())
            faults = []
        else:
            found = make_all(options.out, lambda name: options.only in name)
            faults = [] if options.only else found.unlisted()
    sys.exit(f"faults: {', '.join(faults)}" if faults else 0)


if __name__ == "__main__":
    main()
