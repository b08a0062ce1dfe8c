"""export: the tuned transformer as an ONNX file in int8, written node by node."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from outworks.detectors.deep import HEADS, TOKENS
from outworks.detectors.grams import Array
from outworks.detectors.meaning import MIDDLE
from outworks.detectors.training import base
from outworks.detectors.training.coarse import coarse
from outworks.detectors.training.tuning import BIAS, WEIGHT

_OPSET, _FORMAT = 20, 10
"""Versions of ONNX's operators and of its file that every supported onnxruntime reads."""
_STEPS = 63
"""Weights are whole numbers from -63 to 63: with seven bits the sums of two products of bytes, which processors without
the newer instructions form, cannot overflow, so that scores and thresholds are the same everywhere."""


def exported(net: Mapping[str, Array]) -> bytes:
    """The file: `ids` [rows, tokens] and `mask` [rows, tokens] to `logits` [rows, heads].

    Products of layers are of whole numbers, weights scaled by column, what comes in by its own range at that moment;
    the tokens' vectors are kept as `Coarse`; norms, attention and heads are floats. Raises `ModuleNotFoundError` naming
    the extra where onnx is missing.
    """
    graph = _Graph()
    x = _embedded(graph, net)
    fill = graph.add("Mul", graph.add("Sub", "mask", graph.floats(1.0)), graph.floats(1e4))
    fill = graph.add("Unsqueeze", fill, graph.whole([1, 2]))
    for n in range(base.LAYERS):
        x = _layer(graph, net, f"encoder.layer.{n}", x, fill)
    there = graph.add("Unsqueeze", "mask", graph.whole([2]))
    whole = graph.add("ReduceSum", graph.add("Mul", x, there), graph.whole([1]), keepdims=0)
    mean = graph.add("Div", whole, graph.add("ReduceSum", there, graph.whole([1]), keepdims=0))
    graph.add("Gemm", mean, graph.floats(net[WEIGHT].T), graph.floats(net[BIAS]), out="logits")
    return graph.file()


class _Graph:
    """Nodes in their order, and the numbers that they use."""

    def __init__(self) -> None:
        self._onnx = base.onnx_or_say()
        self._nodes: list[Any] = []
        self._stored: list[Any] = []

    def add(self, kind: str, *given: str, out: str = "", **settings: Any) -> str:
        """A node with one result; its name."""
        return self.each(kind, 1, *given, out=out, **settings)[0]

    def each(self, kind: str, results: int, *given: str, out: str = "", **settings: Any) -> list[str]:
        """A node with several."""
        names = [out or f"{kind}_{len(self._nodes)}_{n}" for n in range(results)]
        self._nodes.append(self._onnx.helper.make_node(kind, list(given), names, **settings))
        return names

    def store(self, numbers: Array) -> str:
        """Numbers that the file holds; their name."""
        name = f"stored_{len(self._stored)}"
        self._stored.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(numbers), name))
        return name

    def floats(self, numbers: Array | float) -> str:
        return self.store(np.asarray(numbers, np.float32))

    def whole(self, numbers: list[int]) -> str:
        return self.store(np.array(numbers, np.int64))

    def file(self) -> bytes:
        make, kinds = self._onnx.helper, self._onnx.TensorProto
        given = [
            make.make_tensor_value_info("ids", kinds.INT64, ["rows", "tokens"]),
            make.make_tensor_value_info("mask", kinds.FLOAT, ["rows", "tokens"]),
        ]
        result = [make.make_tensor_value_info("logits", kinds.FLOAT, ["rows", len(HEADS)])]
        graph = make.make_graph(self._nodes, "second", given, result, self._stored)
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=_FORMAT)
        self._onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def check_installed() -> None:
    """Raises as `exported` does."""
    base.onnx_or_say()


def _embedded(graph: _Graph, net: Mapping[str, Array]) -> str:
    stored = coarse(net["embeddings.word_embeddings.weight"])
    # Gathered first and unfolded then: unfolded first, all thirty thousand tokens would be in memory.
    pairs = graph.add("Gather", graph.store(stored.pairs), "ids")
    halves = [
        graph.add("BitwiseAnd", pairs, graph.store(np.array(15, np.uint8))),
        graph.add("BitShift", pairs, graph.store(np.array(4, np.uint8)), direction="RIGHT"),
    ]
    numbers = graph.add("Cast", graph.add("Concat", *halves, axis=-1), to=1)
    numbers = graph.add("Sub", numbers, graph.floats(MIDDLE))
    said = graph.add("Mul", numbers, graph.add("Gather", graph.floats(stored.scale), "ids"))
    places = net["embeddings.position_embeddings.weight"][:TOKENS] + net["embeddings.token_type_embeddings.weight"][0]
    width = graph.add("Shape", "ids", start=1, end=2)
    mine = graph.add("Slice", graph.floats(places), graph.whole([0]), width, graph.whole([0]))
    return _norm(graph, net, "embeddings.LayerNorm", graph.add("Add", said, mine))


def _layer(graph: _Graph, net: Mapping[str, Array], at: str, x: str, fill: str) -> str:
    parts = [(net[f"{at}.attention.self.{n}.weight"], net[f"{at}.attention.self.{n}.bias"]) for n in _ATTENTION]
    # A query is scaled beforehand: one product less.
    root = (base.WIDTH / base.HEADS) ** -0.5
    parts[0] = parts[0][0] * root, parts[0][1] * root
    joined = _dense(graph, x, np.concatenate([w for w, _ in parts]), np.concatenate([b for _, b in parts]))
    shape = graph.whole([0, 0, 3 * base.HEADS, base.WIDTH // base.HEADS])
    split = graph.add("Transpose", graph.add("Reshape", joined, shape), perm=[0, 2, 1, 3])
    query, key, value = graph.each("Split", 3, split, axis=1, num_outputs=3)
    near = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    weights = graph.add("Softmax", graph.add("Add", near, fill), axis=-1)
    seen = graph.add("Transpose", graph.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    seen = graph.add("Reshape", seen, graph.whole([0, 0, base.WIDTH]))
    said = _named(graph, net, f"{at}.attention.output.dense", seen)
    x = _norm(graph, net, f"{at}.attention.output.LayerNorm", graph.add("Add", x, said))
    inner = graph.add("Gelu", _named(graph, net, f"{at}.intermediate.dense", x))
    # Tokens differ most in how far these numbers reach: each has a range of its own.
    most = graph.add("ReduceMax", graph.add("Abs", inner), graph.whole([-1]), keepdims=1)
    most = graph.add("Max", most, graph.floats(1e-6))
    thought = _named(graph, net, f"{at}.output.dense", graph.add("Div", inner, most), most)
    return _norm(graph, net, f"{at}.output.LayerNorm", graph.add("Add", x, thought))


_ATTENTION = ("query", "key", "value")


def _named(graph: _Graph, net: Mapping[str, Array], name: str, given: str, by: str = "") -> str:
    return _dense(graph, given, net[f"{name}.weight"], net[f"{name}.bias"], by)


def _dense(graph: _Graph, given: str, weight: Array, bias: Array, by: str = "") -> str:
    """`given` [.., in] by `weight` [out, in], times `by` [.., 1] if it is there, plus `bias` [out]."""
    scale = np.abs(weight).max(1) / _STEPS + 1e-12
    whole = graph.store(np.rint(weight / scale[:, None]).astype(np.int8).T)
    read, step, zero = graph.each("DynamicQuantizeLinear", 3, given)
    product = graph.add("MatMulInteger", read, whole, zero, graph.store(np.array(0, np.int8)))
    scaled = graph.add("Mul", graph.add("Cast", product, to=1), graph.add("Mul", step, graph.floats(scale)))
    if by:
        scaled = graph.add("Mul", scaled, by)
    return graph.add("Add", scaled, graph.floats(bias))


def _norm(graph: _Graph, net: Mapping[str, Array], name: str, given: str) -> str:
    return graph.add(
        "LayerNormalization",
        given,
        graph.floats(net[f"{name}.weight"]),
        graph.floats(net[f"{name}.bias"]),
        axis=-1,
        epsilon=base.DEEPEST,
    )
