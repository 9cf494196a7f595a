"""The network of an exported model in 8-bit integers."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

OPERATORS = ["Conv", "MatMul", "Gemm"]
"""What is quantized. Resampling and calibration have none of them, and stay as exact as they are."""
Feed = dict[str, np.ndarray]


def quantize(model: Any, feeds: Iterable[Feed]) -> Any:
    """Return a model of ONNX whose convolutions and products take 8-bit integers, each channel with its own scale.

    The ranges of the values between layers are the extremes over images (static quantization). Values and weights have
    no sign: of an unsigned value and a signed weight, processors without VNNI add products in 16 bits, which overflow
    (onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8?").

    Args:
        model: ``onnx.ModelProto`` in float32.
        feeds: inputs of single images.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """Gives the images one by one."""

        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self.left, None)

    with TemporaryDirectory() as folder:
        given, source, target = (Path(folder) / f"{name}.onnx" for name in ("given", "shapes", "int8"))
        onnx.save(model, given)
        quant_pre_process(given, source, skip_symbolic_shape=True, skip_optimization=True)  # without it: warnings
        quantize_static(
            source, target, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=OPERATORS, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8,
        )  # fmt: skip
        return onnx.load(target)
