"""Images a second on a GPU: the step on ready batches, the whole run from the cache, the loader alone; peak memory.

Goals: the whole run 95 % of ready batches; DenseNet-121 at 224 px 4,000 images/s on an H200. Without a GPU it says so;
--device cpu tries the script out with small numbers, which say nothing.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

MODELS = "densenet121@224,densenet121@320,efficientnet_b0@224,efficientnet_b4@320,densenet121+efficientnet_b0@224"
READY, WHOLE, LOADER = "step on ready batches", "whole run from the cache", "loader alone"


def make_cases(name: str, size: int, given: Any) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """What is timed, and how many images each case counts."""
    from images import make_data
    from prepared_models import Repeated, make_batch, make_model
    from steps import WARM, run_project

    data, ready = make_data(given.images, size, given.batch, given.workers), make_batch(given.batch, size, given.device)
    accelerator, compiled = "gpu" if given.device == "cuda" else "cpu", bool(given.compile)
    how: dict[str, Any] = {"accelerator": accelerator, "precision": "bf16-mixed", "compiled": compiled}
    views, uncounted = len(data.datasets["train"]), WARM * given.batch
    steps = -(-views // given.batch)
    cases: dict[str, Callable[[], object]] = {
        READY: partial(run_project, make_model(name), Repeated(ready, steps), **how),
        WHOLE: partial(run_project, make_model(name), data, max_epochs=2, limit_val_batches=0, **how),
        LOADER: lambda: deque(data.train_dataloader(), maxlen=0),
    }
    return cases, {READY: steps * given.batch - uncounted, WHOLE: views - uncounted, LOADER: views}


def main() -> None:
    given = parse(__doc__, device="cuda", models=MODELS, batch=64, images=2000, workers=8, compile=0)
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        print("no GPU: not run")
        return
    content = {}
    for name, size in (model.split("@") for model in given.models.split(",")):
        cases, images = make_cases(name, int(size), given)
        seconds = take_turns(cases, given.rounds)
        memory = torch.cuda.max_memory_allocated() / 2**30 if given.device == "cuda" else 0.0
        print(f"{name} at {size} px, batch {given.batch}, {given.rounds} rounds: images/s, peak {memory:.1f} GiB")
        for case, values in seconds.items():
            print(f"  {case:<30} {spread([images[case] / value for value in values], 0)}")
        share = [images[WHOLE] / images[READY] * ratio for ratio in ratios(seconds, READY, WHOLE)]
        print(f"  {'whole run over ready batches':<30} {spread(share, 3)}, goal 0.95", flush=True)
        content[f"{name}@{size}"] = {"images": images, "seconds": seconds, "share": share, "peak_gib": memory}
    write(given.json, content)


if __name__ == "__main__":
    open_streams()
    main()
