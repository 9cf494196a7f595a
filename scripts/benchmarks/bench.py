"""Speed of a training step and a forward pass on this machine; the other scripts/benchmarks/bench_*.py have more."""

from collections.abc import Callable

from rounds import parse, spread, take_turns, write

from chexpert.console import open_streams

BATCH = 8


def make_cases(name: str, size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    import torch

    from chexpert.models import Backbone, Single
    from chexpert.training import MaskedBCE, choose_precision

    images = torch.randint(0, 256, (BATCH, 1, size, size), dtype=torch.uint8)
    targets, mask = torch.zeros(BATCH, 5), torch.ones(BATCH, 5, dtype=torch.bool)
    model = Single(Backbone(name), 5).to(memory_format=torch.channels_last)
    bf16 = choose_precision(model, "cpu") == "bf16-mixed"  # as a run on this machine's CPU would have it
    optimizer, loss = torch.optim.AdamW(model.parameters()), MaskedBCE()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model.train()(images)
        loss(logits, targets, mask).backward()
        optimizer.step()

    return {
        f"training step, {BATCH} images" + ", bf16" * bf16: step,
        "forward pass, 1 image": torch.inference_mode()(lambda: model.eval()(images[:1])),
    }


def main() -> None:
    given = parse(__doc__, backbone="densenet121", size=224)
    seconds = take_turns(make_cases(given.backbone, given.size), given.rounds)
    print(f"{given.backbone} at {given.size} px, {given.rounds} rounds: median ms [min .. max]")
    for name, values in seconds.items():
        print(f"  {name:<38} {spread([1000 * value for value in values])}")
    write(given.json, {"backbone": given.backbone, "size": given.size, "seconds": seconds})


if __name__ == "__main__":
    open_streams()
    main()
