"""What a training step costs beside its network: this project's against bare Lightning's and a plain loop's."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

FREE, GOAL_MS, GOAL = "", 0.7, 0.97


def make_cases(name: str, size: int, batch: int, steps: int, precision: str) -> dict[str, Callable[[], object]]:
    """A fit of so many steps each, on one batch that is ready; a network that costs nothing for no name."""
    from prepared_models import Repeated, make_batch, make_model
    from steps import run_bare, run_plain, run_project

    how: dict[str, Any] = {"accelerator": "cpu", "precision": precision}
    loader, bf16 = Repeated(make_batch(batch, size), steps), precision == "bf16-mixed"
    return {
        "plain loop": partial(run_plain, make_model(name), loader, bf16=bf16),
        "bare Lightning": partial(run_bare, make_model(name), loader, **how),
        "this project": partial(run_project, make_model(name), loader, **how),
    }


def main() -> None:
    given = parse(__doc__, backbone="densenet121", size=224, batch=8, steps=8, free_steps=300)
    import steps as ways  # after the parsing, so that --help is quick
    from prepared_models import make_model

    from chexpert.training import choose_precision

    if min(given.steps, given.free_steps) <= ways.WARM:
        raise SystemExit(f"error: more than {ways.WARM} steps are needed: the first {ways.WARM} are not counted")
    ways.CLOCK = given.clock
    precision = choose_precision(make_model(given.backbone), "cpu")
    content: dict[str, object] = {
        "clock": given.clock,
        "backbone": given.backbone,
        "size": given.size,
        "precision": precision,
    }
    for name, steps, kind in ((FREE, given.free_steps, "32-true"), (given.backbone, given.steps, precision)):
        seconds = take_turns(
            make_cases(name, given.size if name else 8, given.batch, steps, kind), given.rounds, given.clock
        )
        print(
            f"{name or 'a network that costs nothing'}, {given.batch} images, {kind}, {given.rounds} rounds: ms a step"
        )
        for case, values in seconds.items():
            print(f"  {case:<34} {spread([1000 * value / (steps - ways.WARM) for value in values], 2)}")
        pairs = zip(seconds["this project"], seconds["bare Lightning"], strict=True)
        added = [1000 * (own - bare) / (steps - ways.WARM) for own, bare in pairs]
        share = ratios(seconds, "plain loop", "this project")
        print(f"  {'more than bare Lightning, ms':<34} {spread(added, 2)}" + f", goal {GOAL_MS} or less" * (not name))
        print(f"  {'as fast as the plain loop':<34} {spread(share, 3)}" + f", goal {GOAL} or more" * bool(name))
        content[name or "free"] = {"seconds": seconds, "added_ms": added, "share": share}
    write(given.json, content)


if __name__ == "__main__":
    open_streams()
    main()
