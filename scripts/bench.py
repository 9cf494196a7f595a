"""Speed and memory on this machine: loading, a training step, Grad-CAM and LIME. Rates are of interleaved rounds."""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

BATCH = 8


def make_cases(name: str, size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each case handles BATCH films, or one film where it explains."""
    import torch

    from chexpert.data import Augmentation, Preprocessing, ViewDataset, find_phantom, read_gray
    from chexpert.explain import GradCAM
    from chexpert.models import Backbone, Single
    from chexpert.training import MaskedBCE, native_precision

    root = find_phantom("outputs/phantom", patients=2 * BATCH, valid=1, size=320)
    files = sorted(Path(root).glob("*/train/*/*/*_frontal.jpg"))[:BATCH]
    targets, mask = torch.zeros(BATCH, 5), torch.ones(BATCH, 5, dtype=torch.bool)
    paths = [str(file) for file in files]
    views = ViewDataset(paths, files, targets.numpy(), mask.numpy(), Preprocessing(size), Augmentation())
    keys = [(0, row) for row in range(BATCH)]
    model = Single(Backbone(name), 5).to(memory_format=torch.channels_last)
    bf16 = native_precision("cpu") == "bf16-mixed"  # as a run on this machine's CPU would have it
    optimizer, loss = torch.optim.AdamW(model.parameters()), MaskedBCE()
    images = views.__getitems__(keys).images

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model.train()(images)
        loss(logits, targets, mask).backward()
        optimizer.step()

    return {
        f"decode {BATCH} films": lambda: [read_gray(file) for file in files],
        f"load and augment {BATCH} films": lambda: views.__getitems__(keys),
        f"training step, {BATCH} films" + ", bf16" * bf16: step,
        "forward pass, 1 film": torch.inference_mode()(lambda: model.eval()(images[:1])),
        "Grad-CAM of 3 observations, 1 film": lambda: GradCAM()(model, images[0], [0, 1, 2]),
    }


def peak_memory(names: list[str], size: int, samples: int) -> float:
    """Peak MiB of a process that builds a model and explains one film by LIME."""
    import torch

    from chexpert.explain import Lime
    from chexpert.models import Backbone, Combined, Single

    members = {name: Backbone(name) for name in names}
    model = Combined(members, 5) if len(members) > 1 else Single(members[names[0]], 5)
    Lime(samples=samples)(model, torch.randint(60, 200, (1, size, size), dtype=torch.uint8), [0, 1, 2])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", nargs="+", default=["densenet121"], help="timm names; the first is timed")
    parser.add_argument("--size", type=int, default=224, help="side of the input in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that is not")
    given = parser.parse_args()
    cases = make_cases(given.backbone[0], given.size)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(given.rounds + 1):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    print(f"{given.backbone[0]} at {given.size} px, {given.rounds} rounds: median ms [min .. max]")
    for name, (_, *counted) in seconds.items():
        low, middle, high = (1000 * f(counted) for f in (min, statistics.median, max))
        print(f"  {name:<38} {middle:9.1f} [{low:.1f} .. {high:.1f}]")
    for samples in (100, 1000):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            mib = pool.apply(peak_memory, (given.backbone, given.size, samples))
        print(f"  {' + '.join(given.backbone)}, LIME of {samples} samples: peak {mib:.0f} MiB")


if __name__ == "__main__":
    main()
