"""base: an ONNX file's numbers come out under the names of the model that it was made from."""

import io

import numpy as np
import pytest

from outworks.detectors.training import base


def test_a_model_s_numbers_are_read_from_where_they_lie() -> None:
    """Small ones from the graph, large ones from the other file; a product's are named after the bias that follows."""
    onnx = pytest.importorskip("onnx", reason="training needs outworks[lab]")
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    norm = np.array([5.0, 6.0], np.float32)
    make = onnx.helper
    large = onnx.TensorProto(name="val_1", data_type=1, dims=weight.shape, data_location=1)
    for key, value in (("location", "numbers"), ("offset", "4"), ("length", "24")):
        large.external_data.add(key=key, value=value)
    small = [
        onnx.numpy_helper.from_array(np.ones(3, np.float32), "a.dense.bias"),
        onnx.numpy_helper.from_array(norm, "a.norm.weight"),
        onnx.numpy_helper.from_array(np.arange(2), "position_ids.weight"),
    ]
    nodes = [make.make_node("MatMul", ["x", "val_1"], ["p"]), make.make_node("Add", ["a.dense.bias", "p"], ["y"])]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("x", 1, [1, 2])],
        [make.make_tensor_value_info("y", 1, [1, 3])],
        [large, *small],
    )
    stored = io.BytesIO()
    stored.write(make.make_model(graph).SerializeToString())

    found = base.tensors(stored.getvalue(), b"\0\0\0\0" + weight.tobytes())

    assert set(found) == {"a.dense.weight", "a.dense.bias", "a.norm.weight"}
    assert (found["a.dense.weight"] == weight.T).all()
    assert (found["a.norm.weight"] == norm).all()
