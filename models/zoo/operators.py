"""The operators that the tabular engine sets out to run; a model with any other is outside.

ReduceLogSumExp is for naive Bayes and mixtures, ReduceProd for polynomials, Reciprocal for SGDClassifier with several classes,
GatherElements and CumSum for AdaBoostRegressor; Size, Mean and ReduceLogSum are of a kind with others.
"""

ML = set(
    """
    TreeEnsembleClassifier TreeEnsembleRegressor TreeEnsemble LinearClassifier LinearRegressor Scaler Normalizer
    Imputer Binarizer OneHotEncoder LabelEncoder CategoryMapper FeatureVectorizer ArrayFeatureExtractor CastMap
    ZipMap
    """.split()
)
PLAIN = set(
    """
    Cast Identity Constant Shape Reshape Flatten Squeeze Unsqueeze Concat Split Slice Gather Transpose Where
    Equal Less LessOrEqual Greater GreaterOrEqual And Or Not Xor Add Sub Mul Div Pow Sqrt Exp Log Abs Neg Sign
    Floor Ceil Sigmoid Tanh Relu Softmax LogSoftmax Clip MatMul Gemm ReduceSum ReduceMean ReduceMax ReduceMin
    ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd Reciprocal ArgMax ArgMin TopK IsNaN Max
    Min Sum Mean ConstantOfShape Expand Tile Size GatherElements CumSum
    """.split()
)


def of(model):
    """(domain, operator, opset version) of each node of an ONNX model; an operator that is not ours is `outside`."""
    versions = {opset.domain: opset.version for opset in model.opset_import}
    return [(node.domain, node.op_type, versions.get(node.domain)) for node in model.graph.node]


def outside(model):
    """The model's operators that the engine does not set out to run."""
    ours = {"": PLAIN, "ai.onnx.ml": ML}
    found = {(domain, operator) for domain, operator, _ in of(model) if operator not in ours.get(domain, ())}
    return sorted(f"{domain}.{operator}" if domain else operator for domain, operator in found)
