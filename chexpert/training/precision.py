"""The precision in which a device computes fastest without harm."""

import torch


def native_precision(accelerator: str = "auto") -> str:
    """Lightning's name: ``bf16-mixed`` where the device multiplies bfloat16 in hardware, ``32-true`` elsewhere.

    Emulated bfloat16 is slower than float32; float16 would need a loss scale. On a CPU with AMX or AVX512-BF16 a
    DenseNet-121 step is 2 to 3 times faster in bfloat16.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator in ("auto", "cpu") and not torch.backends.mps.is_available():
        found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # from torch 2.12 on
        return "bf16-mixed" if found.get("amx_bf16") or found.get("avx512_bf16") else "32-true"
    return "32-true"
