"""Speed of a training step in float32 and bfloat16, in both memory formats, of one or more backbones on this device.

Goal for DenseNet-121 on a CPU that has bfloat16: both together 2 times.
"""

from collections.abc import Callable

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

PLAIN = "float32"
# Name of a case: whether it is autocast to bfloat16, and whether its memory format is channels_last.
MODES = {PLAIN: (False, False), "channels_last": (False, True), "bfloat16": (True, False), "both": (True, True)}


def make_cases(name: str, size: int, batch: int) -> dict[str, Callable[[], object]]:
    """A training step in each mode."""
    return {mode: make_step(name, size, batch, *how) for mode, how in MODES.items()}


def make_step(name: str, size: int, batch: int, bf16: bool, channels_last: bool) -> Callable[[], object]:
    """A training step of a model of its own."""
    import torch

    from chexpert.models import Backbone, Single
    from chexpert.training import MaskedBCE

    device = "cuda" if torch.cuda.is_available() else "cpu"
    formats = {True: torch.channels_last, False: torch.contiguous_format}
    model = Single(Backbone(name), 5).to(device).to(memory_format=formats[channels_last])
    images = torch.randint(0, 256, (batch, 1, size, size), dtype=torch.uint8, device=device)
    targets, mask = torch.zeros(batch, 5, device=device), torch.ones(batch, 5, dtype=torch.bool, device=device)
    optimizer, loss = torch.optim.AdamW(model.parameters()), MaskedBCE()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = model.training_logits(images)
        loss(logits, targets, mask).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    given = parse(__doc__, backbones="densenet121", size=224, batch=8)
    content = {}
    for name in given.backbones.split(","):
        seconds = take_turns(make_cases(name, given.size, given.batch), given.rounds, given.clock)
        found = {mode: ratios(seconds, PLAIN, mode) for mode in list(MODES)[1:]}
        line = "  ".join(f"{mode} {spread(values, 2).strip()}" for mode, values in found.items())
        print(f"{name} at {given.size} px, {given.batch} images, times as fast as {PLAIN}: {line}", flush=True)
        content[name] = {"seconds": seconds, "ratios": found}
    write(given.json, {"clock": given.clock, "size": given.size, "batch": given.batch, "backbones": content})


if __name__ == "__main__":
    open_streams()
    main()
