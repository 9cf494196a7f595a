"""The precision in which a model trains fastest on a device without harm."""

import torch
from torch import nn

WIDE = 0.25
"""Share of depthwise channels above which a CPU is faster in float32. Inverted bottlenecks have .27 to .46 of them (all
EfficientNets, MNASNet, MobileNets: .6 to .9 times as fast in bfloat16), ConvNeXt .16 (1.3 times), the others 0."""


def choose_precision(model: nn.Module, accelerator: str = "auto") -> str:
    """Lightning's name of the precision in which this model is fastest: that of the device, or on a CPU 32-true."""
    native = native_precision(accelerator)
    return "32-true" if find_device(accelerator) == "cpu" and depthwise_share(model) > WIDE else native


def native_precision(accelerator: str = "auto") -> str:
    """Lightning's name: ``bf16-mixed`` where the device multiplies bfloat16 in hardware, ``32-true`` elsewhere.

    Emulated bfloat16 is slower than float32; float16 would need a loss scale. On a CPU with AMX or AVX512-BF16 a
    DenseNet-121 step is 2 to 3 times faster in bfloat16.
    """
    device, has_bf16 = find_device(accelerator), False
    if device == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # from torch 2.12 on
        has_bf16 = bool(found.get("amx_bf16") or found.get("avx512_bf16"))
    return "bf16-mixed" if has_bf16 else "32-true"


def find_device(accelerator: str = "auto") -> str:
    """The type of device on which Lightning will train: cuda, mps, cpu, or the accelerator's name if it is another."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu" if accelerator == "auto" else accelerator


def depthwise_share(model: nn.Module) -> float:
    """Of the channels that convolutions and linear layers put out, the share of those made from one channel each.

    Such a convolution multiplies too little for each number that it moves: a CPU gains nothing from narrower numbers.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    depthwise = [layer for layer in layers if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1]
    return sum(map(_width, depthwise)) / max(1, sum(map(_width, layers)))


def _width(layer: nn.Conv2d | nn.Linear) -> int:
    return layer.weight.shape[0]
