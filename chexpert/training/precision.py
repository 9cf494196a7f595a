"""The precision in which a model trains fastest on a device without harm."""

import torch
from torch import nn

WIDE = 0.25
"""Share of depthwise channels above which a CPU is faster in float32. Inverted bottlenecks have .27 to .46 of them (all
EfficientNets, MNASNet, MobileNets: .6 to .9 times as fast in bfloat16), ConvNeXt .16 (1.3 times), the others 0."""


def choose_precision(model: nn.Module, accelerator: str = "auto") -> str:
    """Return the precision in which a model trains fastest on a device.

    This is the device's precision, except on a CPU for a model with many depthwise convolutions, see ``WIDE``.

    Args:
        model: the model; its convolutions and linear layers are counted.
        accelerator: Lightning's name of the accelerator, such as ``auto``, ``gpu`` or ``cpu``.

    Returns:
        Lightning's name of the precision: ``bf16-mixed`` or ``32-true``.
    """
    native = native_precision(accelerator)
    return "32-true" if find_device(accelerator) == "cpu" and depthwise_share(model) > WIDE else native


def native_precision(accelerator: str = "auto") -> str:
    """Return ``bf16-mixed`` if the device multiplies bfloat16 in hardware, ``32-true`` otherwise.

    Emulated bfloat16 is slower than float32; float16 would need a loss scale. On a CPU with AMX or AVX512-BF16 a
    DenseNet-121 step is 2 to 3 times faster in bfloat16.

    Args:
        accelerator: Lightning's name of the accelerator, such as ``auto``, ``gpu`` or ``cpu``.

    Returns:
        Lightning's name of the precision.
    """
    device, has_bf16 = find_device(accelerator), False
    if device == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # from torch 2.12 on
        has_bf16 = bool(found.get("amx_bf16") or found.get("avx512_bf16"))
    return "bf16-mixed" if has_bf16 else "32-true"


def find_device(accelerator: str = "auto") -> str:
    """Return the type of device on which Lightning will train.

    Args:
        accelerator: Lightning's name of the accelerator; ``auto`` takes a GPU if one is available.

    Returns:
        ``cuda``, ``mps``, ``cpu``, or the name of any other accelerator.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu" if accelerator == "auto" else accelerator


def depthwise_share(model: nn.Module) -> float:
    """Return the share of depthwise channels among all that convolutions and linear layers put out.

    Such a convolution multiplies too little for each number that it moves: a CPU gains nothing from narrower numbers.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    depthwise = [layer for layer in layers if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1]
    return sum(map(_width, depthwise)) / max(1, sum(map(_width, layers)))


def _width(layer: nn.Conv2d | nn.Linear) -> int:
    return layer.weight.shape[0]
