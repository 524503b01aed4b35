"""LISTS.md: what the converters and ONNX Runtime refuse, what is outside, where answers differ, and which operators occur."""

import collections
import re
from pathlib import Path

import case

FILE = Path(__file__).parent / "LISTS.md"
ERROR = 110
# Below this share of training rows, the converted model is not the estimator.
AGREEMENT = 0.98


def brief(error):
    """An error's kind and the beginning of its text, on one line of a table; or that of a text."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    text = text.replace("|", "/").replace("<", "‹").replace(">", "›")
    text = f"{text[:ERROR]}…" if len(text) > ERROR else text
    return text if isinstance(error, str) else f"{type(error).__name__}: {text}"


def table(head, rows):
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


class Found:
    """What came of a run."""

    def __init__(self):
        self.made = []
        self.refused = collections.defaultdict(list)
        self.outside = collections.defaultdict(list)
        self.strays = collections.defaultdict(list)
        self.noted = collections.defaultdict(list)
        self.disagreeing = []
        self.operators = collections.defaultdict(
            lambda: {"opsets": set(), "cases": set(), "nodes": 0, "attributes": set()}
        )

    def add(self, made, header):
        """Notes a case that was made."""
        self.made.append(made.name)
        if made.strays:
            self.strays[made.strays].append(made.name)
        if made.agreement is not None and made.agreement < AGREEMENT:
            self.disagreeing.append(made.name)
        for note in header["notes"]:
            self.noted[note.split(" replaced: ")[-1]].append(made.name)
        for refused in header["refused"]:
            self.noted[f"a batch of {refused['batch']}: {brief(refused['error'])}"].append(made.name)
        versions = {opset.domain: opset.version for opset in made.model.opset_import}
        for node in made.model.graph.node:
            seen = self.operators[node.domain, node.op_type]
            seen["opsets"].add(versions[node.domain])
            seen["cases"].add(made.name)
            seen["nodes"] += 1
            seen["attributes"] |= set(case.attributes(node))

    def summary(self):
        """The counts."""
        refused, outside = (sum(map(len, names.values())) for names in (self.refused, self.outside))
        return f"{len(self.made)} cases, {refused} refused, {outside} outside"

    def missing(self, names):
        """Those of the names that were not made."""
        return sorted(set(names) - set(self.made))

    def unlisted(self):
        """What differs from LISTS.md is printed: some of it depends on the processor that trains. Another number of cases that were
        made, refused or left out is a fault: so a faulty script does not pass as a refusal.
        """
        listed, found = FILE.read_text().splitlines(), self.text().splitlines()
        for line in found:
            if line not in listed:
                print(f"not in {FILE.name}: {line[:300]}")
        for line in listed:
            if line not in found:
                print(f"only in {FILE.name}: {line[:300]}")
        told = any(f" {self.summary()};" in line for line in listed)
        return [] if told else [f"{FILE.name} does not say: {self.summary()}"]

    def text(self):
        """The file."""
        names = {key: ", ".join(values) for key, values in self.refused.items()}
        operators = [
            (
                f"{domain}.{operator}" if domain else operator,
                ", ".join(map(str, sorted(seen["opsets"]))),
                len(seen["cases"]),
                seen["nodes"],
                ", ".join(sorted(seen["attributes"])),
            )
            for (domain, operator), seen in sorted(self.operators.items())
        ]
        return "\n".join(
            [
                "# What came of the zoo\n",
                f"`make.py --lists` writes this file. {self.summary()}; their names say the estimator and what is particular.\n",
                "## Refused\n",
                "Who refuses, the error, and the cases.\n",
                table(["by", "error", "cases"], [(who, error, found) for (who, error), found in names.items()]),
                "## Outside\n",
                "The converter's graph has an operator that the engine does not set out to run.\n",
                table(["operators", "cases"], [(key, ", ".join(found)) for key, found in self.outside.items()]),
                "## Where ONNX Runtime strays from the specification\n",
                "The case's answers are those of a model that means the same, or of the onnx package's reference.\n",
                table(["what", "cases"], [(key, ", ".join(found)) for key, found in self.strays.items()]),
                "## Rows and batches that ONNX Runtime refuses or shapes otherwise\n",
                "Rows are replaced by others.\n",
                table(["what", "cases"], [(key, ", ".join(found)) for key, found in self.noted.items()]),
                "## Where the converted model is not the estimator\n",
                f"On fewer than {AGREEMENT:.0%} of 200 training rows ONNX Runtime answers as the estimator itself does.\n",
                ", ".join(self.disagreeing) + "\n",
                "## Operators\n",
                "Over the cases that were made.\n",
                table(["operator", "opsets", "cases", "nodes", "attributes"], operators),
            ]
        )
