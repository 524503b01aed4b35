"""The other ai.onnx.ml operators, written by hand."""

from functools import partial
from itertools import product

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import data
import scale
from families.by_hand import LACKED, STRINGS, TYPES, graph, numbers


def one(name, operator, dtype=np.float32, output=TensorProto.FLOAT, missing=False, columns=4, **attributes):
    """An operator on a matrix of numbers."""
    return graph(name, operator, {"x": numbers(dtype, columns, missing)}, [output], missing=missing, **attributes)


def on_words(name, operator, output, width=0, **attributes):
    """An operator on words: a vector, or a matrix of so many columns."""
    drawn = [data.word_rows(scale.rows(), 70 + i) for i in range(max(width, 1))]
    values = np.stack(drawn, axis=1) if width else drawn[0]
    return graph(name, operator, {"x": values}, [output], **attributes)


def on_integers(name, operator, output, width=0, dtype=np.int64, **attributes):
    """An operator on small integers, or floats of them."""
    values = np.random.default_rng(17).integers(-2, 9, (scale.rows(), width) if width else scale.rows())
    values = values.astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[::9] = np.nan
        values[1::9] += np.array(0.5, dtype)
        values[2::9] = -0.0
    return graph(name, operator, {"x": values}, [output], **attributes)


def joined(name):
    """Several inputs, which FeatureVectorizer joins. A batch of no rows ends ONNX Runtime's process."""
    inputs = {"a": numbers(columns=2), "b": numbers(columns=3)}
    made = graph(name, "FeatureVectorizer", inputs, [TensorProto.FLOAT], inputdimensions=[2, 3])
    made.batches = made.batches[1:]
    return made


def extracted(name, dtype, indices):
    """ArrayFeatureExtractor, from numbers or words."""
    if dtype is object:
        values = np.stack([data.word_rows(scale.rows(), 70 + i) for i in range(4)], axis=1)
    else:
        values = numbers(dtype)
    return graph(
        name,
        "ArrayFeatureExtractor",
        {"x": values},
        [TYPES[np.dtype(dtype)]],
        constants={"y": np.array(indices, np.int64)},
    )


def tensor(values, name="values"):
    """A tensor attribute."""
    return numpy_helper.from_array(np.array(values, object) if isinstance(values[0], str) else np.array(values), name)


def small_cases():
    """The others."""
    STRING, INT64, FLOAT = TensorProto.STRING, TensorProto.INT64, TensorProto.FLOAT
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        end = np.dtype(dtype).name
        yield (
            f"hand_scaler_{end}",
            partial(one, operator="Scaler", dtype=dtype, offset=[0.5, -1.0, 0.0, 2.25], scale=[2.0, 0.5, 1.0, -3.0]),
        )
        yield f"hand_scaler_one_{end}", partial(one, operator="Scaler", dtype=dtype, offset=[0.5], scale=[0.25])
        for norm in ("MAX", "L1", "L2"):
            yield f"hand_normalizer_{norm.lower()}_{end}", partial(one, operator="Normalizer", dtype=dtype, norm=norm)
    yield "hand_binarizer", partial(one, operator="Binarizer", threshold=0.5)
    yield "hand_binarizer_default", partial(one, operator="Binarizer")
    fill = [9.0, 8.0, 7.0, 6.5]
    yield (
        "hand_imputer",
        partial(one, operator="Imputer", missing=True, imputed_value_floats=fill, replaced_value_float=float("nan")),
    )
    yield (
        "hand_imputer_one",
        partial(
            one, operator="Imputer", missing=True, imputed_value_floats=fill[:1], replaced_value_float=float("nan")
        ),
    )
    yield "hand_imputer_value", partial(one, operator="Imputer", imputed_value_floats=fill, replaced_value_float=0.5)
    yield (
        "hand_imputer_int64",
        partial(
            one,
            operator="Imputer",
            dtype=np.int64,
            output=INT64,
            imputed_value_int64s=[9, 8, 7, 6],
            replaced_value_int64=0,
        ),
    )
    words = ["red", "", "日本", "élan"]
    for width in (0, 1, 3):
        yield (
            f"hand_one_hot_words_{width}",
            partial(on_words, operator="OneHotEncoder", output=FLOAT, width=width, cats_strings=words, zeros=1),
        )
        for dtype in (np.int64, np.int32, np.float32, np.float64):
            yield (
                f"hand_one_hot_{np.dtype(dtype).name}_{width}",
                partial(
                    on_integers,
                    operator="OneHotEncoder",
                    output=FLOAT,
                    width=width,
                    dtype=dtype,
                    cats_int64s=[3, 0, -1, 7, 5],
                    zeros=1,
                    strays=LACKED if dtype is np.int32 else "",
                ),
            )
    yield (
        "hand_category_mapper_to_int",
        partial(
            on_words,
            operator="CategoryMapper",
            output=INT64,
            width=2,
            cats_strings=words,
            cats_int64s=[4, -1, 8, 0],
            default_int64=77,
            default_string="x",
        ),
    )
    yield (
        "hand_category_mapper_to_string",
        partial(
            on_integers,
            operator="CategoryMapper",
            output=STRING,
            width=2,
            cats_strings=words,
            cats_int64s=[4, -1, 8, 0],
            default_int64=77,
            default_string="naïve",
        ),
    )
    yield (
        "hand_category_mapper_defaults",
        partial(on_words, operator="CategoryMapper", output=INT64, cats_strings=words, cats_int64s=[4, -1, 8, 0]),
    )
    yield "hand_feature_vectorizer", joined
    for dtype in (np.float32, np.float64, np.int64, np.int32, object):
        kind = "words" if dtype is object else np.dtype(dtype).name
        yield f"hand_array_feature_extractor_{kind}", partial(extracted, dtype=dtype, indices=[2, 0, 2])
    yield "hand_array_feature_extractor_one", partial(extracted, dtype=np.float32, indices=[3])
    for kind, attributes in (
        (INT64, {"classlabels_int64s": [5, -1, 2]}),
        (STRING, {"classlabels_strings": STRINGS[:3][::-1]}),
    ):
        mapped = helper.make_sequence_type_proto(
            helper.make_map_type_proto(kind, helper.make_tensor_type_proto(FLOAT, []))
        )
        yield (
            f"hand_zip_map_{'string' if kind == STRING else 'int'}",
            partial(one, operator="ZipMap", columns=3, output=mapped, **attributes),
        )
    yield from label_cases(words)


def label_cases(words):
    """LabelEncoder, of each version."""
    STRING, INT64, FLOAT, DOUBLE = TensorProto.STRING, TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE
    yield (
        "hand_label_encoder_v1_to_int",
        partial(on_words, operator="LabelEncoder", output=INT64, ml=1, classes_strings=words, default_int64=-5),
    )
    yield (
        "hand_label_encoder_v1_to_string",
        partial(
            on_integers, operator="LabelEncoder", output=STRING, ml=1, classes_strings=words, default_string="none"
        ),
    )
    values = {
        "int64s": ([3, 0, -1, 7], INT64, {"default_int64": 99}),
        "floats": ([0.5, 3.0, -0.25, 7.0], FLOAT, {"default_float": 2.5}),
        "strings": (words, STRING, {"default_string": "naïve"}),
    }
    for ml in (2, 4):
        for (given, (keys, _, _)), (to, (found, output, default)) in product(values.items(), values.items()):
            source = {
                "int64s": partial(on_integers, width=2),
                "floats": partial(on_integers, dtype=np.float32),
                "strings": partial(on_words, width=1),
            }[given]
            attributes = {f"keys_{given}": keys, f"values_{to}": found}
            for end, more in (("", default), ("_default", {})):
                yield (
                    f"hand_label_encoder_v{ml}_{given}_{to}{end}",
                    partial(source, operator="LabelEncoder", output=output, ml=ml, **attributes, **more),
                )
    yield (
        "hand_label_encoder_v4_nan",
        partial(
            on_integers,
            operator="LabelEncoder",
            dtype=np.float32,
            output=STRING,
            ml=4,
            keys_floats=[float("nan"), 0.0, 3.5],
            values_strings=["missing", "nought", "three"],
            default_string="other",
        ),
    )
    yield (
        "hand_label_encoder_v4_tensor_double",
        partial(
            on_integers,
            operator="LabelEncoder",
            dtype=np.float64,
            output=DOUBLE,
            ml=4,
            keys_tensor=tensor([3.5, float("nan"), 0.0]),
            values_tensor=tensor([1.25, 2.5, 3.75]),
            default_tensor=tensor([-1.0]),
        ),
    )
    yield (
        "hand_label_encoder_v4_tensor_strings",
        partial(
            on_words,
            operator="LabelEncoder",
            output=INT64,
            ml=4,
            keys_tensor=tensor(words),
            values_tensor=tensor([4, 3, 2, 1]),
            default_tensor=tensor([-1]),
        ),
    )


def cases():
    """Each with what makes it."""
    yield from small_cases()
