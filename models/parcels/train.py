"""Trains the example for tables: will a parcel be late? Words and numbers in, a label and probabilities out.

    python models/parcels/train.py            writes model.onnx and expected.json beside this file
    python models/parcels/train.py --check    trains again and compares with the committed files

The parcels are made up here, from a fixed seed. Training sums in an order that depends on the processor, so --check demands
the same labels, and probabilities within 1e-3, and only where it is told to (--exact) the same bytes. The committed model
itself is run, and must give its stored answers to 1e-6.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).parent
SEED = 11
PARCELS = 4000
MISSING = 0.08
LEAST_ACCURACY = 0.75
OPSET = 17
# How much each word delays a parcel.
CARRIERS = {"Swift": -2.4, "Tortoise": 0.6, "Post": -0.9, "Pigeon": -0.3}
CITIES = {"Köln": -0.4, "Malmö": 0.2, "Łódź": 0.5, "Porto": 0.0, "São Paulo": 1.3, "東京": 0.8}
WORDS = ["carrier", "city"]
NUMBERS = ["weight_kg", "distance_km"]
# What a client may send too: words never seen, empty ones, missing and odd numbers.
ODD = [
    ("Swift", "Atlantis", 2.0, 300.0),
    ("", "", 2.0, 300.0),
    ("swift", "köln", 0.5, 120.0),
    ("Tortoise", "東京", None, None),
    ("Pigeon 🐦", "Łódź", None, 800.0),
    ("Post", "Porto", 0.0, 0.0),
    ("Post", "São Paulo", 1000000.0, 20000.0),
]


def parcels():
    """The parcels, as a table, and whether each was late."""
    rng = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {
            "carrier": rng.choice(list(CARRIERS), PARCELS),
            "city": rng.choice(list(CITIES), PARCELS),
            "weight_kg": np.round(rng.gamma(2.0, 2.0, PARCELS), 1).astype(np.float32),
            "distance_km": np.round(rng.gamma(2.0, 400.0, PARCELS)).astype(np.float32),
        }
    )
    delay = table["carrier"].map(CARRIERS) + table["city"].map(CITIES)
    delay += 0.15 * (table["weight_kg"] - 4) + 0.002 * (table["distance_km"] - 800)
    late = rng.random(PARCELS) < 1 / (1 + np.exp(-1.5 * delay))
    for column in NUMBERS:
        table.loc[rng.random(PARCELS) < MISSING, column] = np.nan
    return table, np.where(late, "late", "on time")


def pipeline():
    """Words by one-hot codes, all noughts for a word never seen; missing numbers by the median, then scaled."""
    columns = [
        ("words", OneHotEncoder(handle_unknown="ignore"), WORDS),
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
    ]
    return make_pipeline(ColumnTransformer(columns), LogisticRegression())


def to_onnx(trained):
    """The pipeline as the converter writes it: an input per column, the probabilities as ZipMap gives them."""
    inputs = [(name, StringTensorType([None, 1])) for name in WORDS]
    inputs += [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    model = skl2onnx.convert_sklearn(trained, "parcels", inputs, target_opset={"": OPSET, "ai.onnx.ml": 3})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def expected(trained, table):
    """What scikit-learn answers, in float64; a missing number is null."""
    numbers = {
        name: [[None if math.isnan(number) else round(float(number), 6)] for number in table[name]] for name in NUMBERS
    }
    return {
        "inputs": {name: [[word] for word in table[name]] for name in WORDS} | numbers,
        "labels": trained.predict(table).tolist(),
        "classes": trained.classes_.tolist(),
        "probabilities": [[float(f"{p:.12g}") for p in row] for row in trained.predict_proba(table)],
    }


def run(model, inputs):
    """ONNX Runtime's labels and probabilities."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = {name: np.array(inputs[name], object) for name in WORDS}
    feed |= {name: np.array(inputs[name], np.float32) for name in NUMBERS}
    labels, maps = session.run(["output_label", "output_probability"], feed)
    return labels.tolist(), [list(row) for row in maps], np.array([list(row.values()) for row in maps])


def check(model, answers, exact):
    """Compares with the committed files; returns what differs."""
    committed_model = (HERE / "model.onnx").read_bytes()
    if exact:
        return [] if committed_model == model else ["model.onnx has other bytes"]
    committed = json.loads((HERE / "expected.json").read_text())
    faults = [name for name in ("inputs", "labels", "classes") if committed[name] != answers[name]]
    stored = np.array(committed["probabilities"])
    labels, classes, served = run(committed_model, committed["inputs"])
    if labels != committed["labels"]:
        faults.append("model.onnx's labels")
    if any(row != committed["classes"] for row in classes):
        faults.append("model.onnx's classes")
    for name, other, bound in (
        ("expected.json", np.array(answers["probabilities"]), 1e-3),
        ("model.onnx", served, 1e-6),
    ):
        difference = np.abs(stored - other).max()
        print(f"{name}: largest difference of a probability: {difference:.2e}")
        # Written this way round, NaN is a fault too.
        if not difference <= bound:
            faults.append(f"{name}'s probabilities")
    return faults


def main():
    """Trains, measures, and writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--exact", action="store_true", help="with --check: demand the same bytes")
    options = parser.parse_args()

    table, late = parcels()
    seen, held_back, seen_late, held_back_late = train_test_split(table, late, test_size=0.25, random_state=SEED)
    trained = pipeline().fit(seen, seen_late)
    accuracy = trained.score(held_back, held_back_late)
    on_time = (held_back_late == "on time").mean()
    print(f"accuracy on {len(held_back)} held-back parcels: {accuracy:.4f}; saying 'on time' to all: {on_time:.4f}")
    if accuracy <= LEAST_ACCURACY:
        sys.exit(f"accuracy is not above {LEAST_ACCURACY}")
    odd = pd.DataFrame(ODD, columns=WORDS + NUMBERS).astype({name: np.float32 for name in NUMBERS})
    model, answers = to_onnx(trained), expected(trained, pd.concat([held_back[:89], odd]))

    if options.check:
        faults = check(model, answers, options.exact)
        sys.exit(f"differs: {', '.join(faults)}" if faults else 0)
    (HERE / "model.onnx").write_bytes(model)
    (HERE / "expected.json").write_text(json.dumps(answers, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"model.onnx: {len(model)} bytes")


if __name__ == "__main__":
    main()
