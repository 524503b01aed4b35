"""What the zoo's models are trained on, and the rows that they are asked: all made here, from fixed seeds."""

import numpy as np

FEATURES = 8
WORDS = ["red", "green", "blue", "", "élan", "naïve café", "日本"]
UNKNOWN = ["🦀", " red", "RED", "purple", "unknown", "ré\u0301d", "a" * 300, "red ", "\u00a0", "0", "nan", "🦀🦀"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1.1754944e-38, 1e10, -1e10, np.inf, -np.inf]
# Whether a sum of these overflows depends on its order, so only models that compare hear of them.
HUGE = [3e38, -3e38]


def features(rows, columns=FEATURES, seed=0, dtype=np.float32):
    """Numbers that a decimal form holds, as data that people bring does: many rows share a value."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal((rows, columns)) * 2, 2)
    values[:, 1] = np.round(values[:, 1])
    return values.astype(dtype)


def classes(values, count, seed=1):
    """A class from 0 to count - 1 per row, which depends on the values and on some noise."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((count, values.shape[1]))
    clean = np.nan_to_num(values.astype(np.float64))
    scores = (clean[:, None, :] * weights).sum(axis=2) + clean[:, :1] * clean[:, 2:3] * weights[:, 0]
    found = (scores + rng.standard_normal(scores.shape)).argmax(axis=1)
    # Each class occurs, so that a model knows all of them.
    found[:count] = np.arange(count)
    return found


def targets(values, count=1, seed=2):
    """Numbers that depend on the values and on some noise; a column each if there are several."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((count, values.shape[1]))
    clean = np.nan_to_num(values.astype(np.float64))
    made = (clean[:, None, :] * weights).sum(axis=2) + clean[:, :1] ** 2 + rng.standard_normal((len(clean), count))
    made = np.round(made, 3)
    return made[:, 0] if count == 1 else made


def words(rows, seed=3):
    """A word per row."""
    picked = np.random.default_rng(seed).integers(0, len(WORDS), rows)
    return np.array([WORDS[index] for index in picked], object)


def with_missing(values, share=0.1, seed=4):
    """A copy of which a share is NaN."""
    made = values.copy()
    made[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    return made


def number_rows(like, rows, thresholds=(), missing=False, seed=5, huge=False):
    """Rows for a matrix of numbers: like the training data, far from it, on thresholds, and of special values."""
    rng = np.random.default_rng(seed)
    columns, dtype = like.shape[1], like.dtype
    base = np.nan_to_num(like, nan=0.5)[rng.integers(0, len(like), rows)]
    quarter = rows // 4
    base[quarter : 2 * quarter] = (rng.standard_normal((quarter, columns)) * 3).astype(dtype)
    known = [(column, dtype.type(value)) for column, value in thresholds if column < columns]
    for row in range(2 * quarter, 3 * quarter if known else 2 * quarter):
        # Several features of a row sit on a threshold, or one step beside it.
        for _ in range(1 + row % 3):
            column, value = known[rng.integers(len(known))]
            side = rng.integers(4)
            base[row, column] = value if side < 2 else np.nextafter(value, dtype.type([-np.inf, np.inf][side - 2]))
    values = [dtype.type(value) for value in SPECIAL + (HUGE if huge else [])]
    for row in range(3 * quarter, rows):
        for column in rng.choice(columns, 1 + row % 3 if columns > 2 else 1, replace=False):
            base[row, column] = values[rng.integers(len(values))]
        # NaN reaches every model: a tenth of the special rows where it does not stand for a missing value.
        if missing or row % 10 == 0:
            base[row, rng.integers(columns)] = np.nan
    if missing:
        base[:quarter][rng.random((quarter, columns)) < 0.2] = np.nan
        base[rows - 1] = np.nan
    return base[rng.permutation(rows)]


def word_rows(rows, seed=6):
    """Known, unknown, empty and non-ASCII words."""
    rng = np.random.default_rng(seed)
    pool = WORDS * 6 + UNKNOWN
    return np.array([pool[index] for index in rng.integers(0, len(pool), rows)], object)


def integer_rows(like, rows, low=-3, high=40, seed=7):
    """Integers that the training data holds, and some that it does not."""
    rng = np.random.default_rng(seed)
    base = like[rng.integers(0, len(like), rows)].copy()
    odd = rng.random(base.shape) < 0.15
    base[odd] = rng.integers(low, high, odd.sum())
    return base
