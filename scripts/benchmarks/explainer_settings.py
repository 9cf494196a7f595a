"""Where the maps of an explainer peak under several settings, on the phantoms of several runs.

All true findings of some validation views of every run are explained with each setting, on the same views. Printed are
means over the maps of all runs, with 95 % intervals by resampling the studies of each run, and the number of maps: a
map without positive evidence has no peak.

    python scripts/benchmarks/explainer_settings.py RUN... --settings lime lime:fill=black,samples=320 rise:cells=5

Peaks at the border are those in the frame of 1/16 of each side, which has .23 of the area; the evidence at border and
corners is over their area. The sanity value is the mean size of the rank correlation with the map of a model whose top
block was shuffled, once.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.console import open_streams

if TYPE_CHECKING:
    import pandas as pd

    from chexpert.checkpoints import Loaded
    from chexpert.explain import Attribution, Explainer, View


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, each on a phantom of its own")
    parser.add_argument("--settings", nargs="+", required=True, metavar="EXPLAINER[:KEY=VALUE,...]")
    parser.add_argument("--views", type=int, default=8, help="of each run (8)")
    parser.add_argument("--observation", help="only views that show it (any finding with a mask)")
    parser.add_argument("--sanity", action="store_true", help="explain a model with a shuffled top block, too")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a row for each map there")
    given = parser.parse_args()
    import pandas as pd  # after the parsing, so that --help is quick

    import chexpert

    explainers = {setting: make_explainer(setting) for setting in given.settings}
    rows: list[dict[str, Any]] = []
    for run in given.runs:
        loaded = chexpert.load(run)
        views = choose_views(loaded, given.observation, given.views)
        for setting, explainer in explainers.items():
            for row in score(loaded, explainer, views, given.sanity):
                rows.append({"seed": str(run), "setting": setting, **row})
            print(f"{run.name}: {setting}: {len(views)} views", flush=True)
    maps = pd.DataFrame(rows)
    if given.csv:
        maps.to_csv(given.csv, index=False)
    print_table(maps)


def make_explainer(setting: str) -> "Explainer":
    """Return the explainer of ``NAME:KEY=VALUE,...``, as conf has it but for these values."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from chexpert.conf_folder import find_conf

    name, _, options = setting.partition(":")
    shipped = OmegaConf.load(find_conf() / "explainer" / f"{name}.yaml")
    own = OmegaConf.from_dotlist(options.split(",") if options else [])
    config = OmegaConf.create({"seed": 0, "explainer": OmegaConf.merge(shipped, {name: own})})
    explainer: Explainer = instantiate(config.explainer[name])
    return explainer


def choose_views(loaded: "Loaded", observation: str | None, count: int) -> "list[View]":
    """Return some views of the valid split with the outline of a true finding, in an order of their own."""
    import numpy as np

    from chexpert.explain import find_masks
    from chexpert.explain.view import find_view
    from chexpert.inference.opened_run import open_data

    data = open_data(loaded)
    masks = find_masks(None, data.layout.folder)
    dataset, chosen = data.datasets["valid"], []
    for row in np.random.default_rng(0).permutation(len(dataset)):
        view = find_view(dataset, int(row), loaded.observations, masks)
        if view is not None and find_outlined(view, loaded.observations, observation):
            chosen.append(view)
        if len(chosen) == count:
            break
    if not chosen:
        raise SystemExit(f"{data.root}: no validation view with an outline of {observation or 'a finding'}")
    return chosen


def find_outlined(view: "View", observations: list[str], observation: str | None = None) -> list[str]:
    """Return the true findings of a view that have an outline; none where it lacks the observation that is asked."""
    found = [o for o in observations if view.truth.get(o) == 1 and o in view.masks and view.masks[o].any()]
    return found if observation in (None, *found) else []


def score(loaded: "Loaded", explainer: "Explainer", views: "list[View]", sanity: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each true finding of the views."""
    import torch

    from chexpert.explain.quality.weight_randomization import find_blocks, randomize
    from chexpert.metrics import spearman

    images = torch.stack([view.image for view in views])
    shuffled = randomize(loaded.model, find_blocks(loaded.model)[0], images, 0) if sanity else None
    for view in views:
        names = find_outlined(view, loaded.observations)
        outputs = [loaded.observations.index(name) for name in names]
        started = time.perf_counter()
        (maps,) = explainer(loaded.model, view.image[None], [outputs])
        seconds = time.perf_counter() - started
        others = explainer(shuffled, view.image[None], [outputs])[0] if shuffled is not None else maps
        for name, own, other in zip(names, maps, others, strict=True):
            row = {"view": view.path, "observation": name, "seconds": seconds, **measure(view, name, own)}
            yield row | ({} if shuffled is None else {"sanity": abs(spearman(own.signed, other.signed))})


def measure(view: "View", name: str, attribution: "Attribution") -> dict[str, float]:
    """Return the metrics of one map."""
    import numpy as np

    from chexpert.explain.geometry import mark_frame
    from chexpert.explain.quality.view_scores import locate, measure_border

    found = locate(view, name, attribution, True)
    frame, signed = mark_frame(attribution.signed.shape), attribution.signed
    error = attribution.manifest.get("completeness_error")
    return {
        "hit": found["hit"],
        "less_chance": (found["hit"] - found["chance"]) / (1 - found["chance"]),
        "mass_over_area": found["mass"] / found["chance"],
        "border_peak": float(frame[signed == signed.max()].mean()) if signed.max() > 0 else np.nan,
        "border_mass": measure_border(attribution),
        "incomplete": np.nan if error is None else float(error > 0.02),
    }


COLUMNS = {
    "hit": "hit rate", "less_chance": "less chance", "mass_over_area": "mass over area",
    "border_peak": "peaks at the border", "border_mass": "evidence at the border", "sanity": "sanity",
    "incomplete": "incomplete", "seconds": "seconds a view",
}  # fmt: skip


def print_table(maps: "pd.DataFrame") -> None:
    """Print the means by setting, of all findings and of each observation."""
    from explanation_seeds import describe

    shown = [key for key in COLUMNS if key in maps and maps[key].notna().any()]
    groups = {"all findings": maps} | {str(name): own for name, own in maps.groupby("observation")}
    for what, own in groups.items():
        print(f"\n{what:<40}" + "".join(f"{COLUMNS[key]:>24}" for key in shown))
        for setting, part in own.groupby("setting", sort=False):
            print(f"{setting:<40}" + "".join(f"{describe(part, part[key]):>24}" for key in shown), flush=True)


if __name__ == "__main__":
    open_streams()
    main()
