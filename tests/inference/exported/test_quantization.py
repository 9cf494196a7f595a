"""8-bit integers: close to the floats on any processor."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from chexpert.inference.exported.quantization import quantize


@pytest.fixture
def convolution():
    """One convolution of 64 channels with weights near their extremes, whose sums of products are large."""
    rng = np.random.default_rng(0)
    weights = rng.choice([-1.0, 1.0], (8, 64, 3, 3)).astype(np.float32) * rng.uniform(0.8, 1, (8, 64, 3, 3)).astype(
        "f4"
    )
    shapes = {"x": ["n", 64, "h", "w"], "y": ["n", 8, "i", "j"]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node("Conv", ["x", "k"], ["y"], name="conv", pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "conv", [x], [y], [numpy_helper.from_array(weights, "k")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model, x):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )[0]


def test_large_sums_do_not_overflow(convolution, caplog):
    images = np.random.default_rng(1).uniform(0.9, 1, (4, 1, 64, 16, 16)).astype(np.float32)
    expected = run(convolution, images[0])
    with caplog.at_level(logging.WARNING):
        found = quantize(convolution, ({"x": image} for image in images))
    assert {node.op_type for node in found.graph.node} == {"QuantizeLinear", "DequantizeLinear", "Conv"}
    assert np.abs(run(found, images[0]) - expected).max() <= 0.02 * np.abs(expected).max()
    assert not caplog.records


def test_the_given_model_is_left_as_it_is(convolution):
    before = convolution.SerializeToString(deterministic=True)
    quantize(convolution, iter([{"x": np.ones((1, 64, 8, 8), dtype=np.float32)}]))
    assert convolution.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(convolution)
