"""From a trained model and a data root to the content of the shortcut report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chexpert.checkpoints import Loaded
from chexpert.data import CheXpertDataModule
from chexpert.data.metadata import measure_ties, read_known
from chexpert.errors import UserError
from chexpert.explain import Explainer, find_masks
from chexpert.explain.shortcuts import GEOMETRY, Case, Evidence, Search, find_suspects, plot_images, read_cases
from chexpert.inference.opened_run import move_to_device, open_data
from chexpert.metrics import Segmentations
from chexpert.metrics.metadata_baseline import compare_baselines
from chexpert.observations import OBSERVATIONS
from chexpert.runs.synthetic import is_phantom

GONE = "restore them, or give another copy: --root FOLDER"
LEARNED = 2000  # training images for the baselines: more hardly move a regression on a dozen numbers


def find_shortcuts(
    loaded: Loaded,
    explainer: Explainer,
    root: Path | None = None,
    regions: Path | None = None,
    observations: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], Figure | None]:
    """Look for shortcuts on the valid split of a data root, and on a phantom's other trees below it.

    Suspects are Support Devices, where masks lie in the root, and every name in ``regions``.

    Args:
        loaded: the model.
        explainer: of the maps.
        root: data to look at; by default those of the run.
        regions: a file of outlines in CheXlocalize's format, with any names.
        observations: to evaluate; by default all of the model's.
        seed: of all random numbers.

    Returns:
        What ``chexpert.report.describe_shortcuts`` reads, but the name of the run; and a picture of the clearest pair,
        None where nothing could be tested.

    Raises:
        UserError: an observation that the model lacks, no such data, or regions of other images.
    """
    asked = list(observations or loaded.observations)
    if unknown := [name for name in asked if name not in loaded.observations]:
        hint = f"some of {', '.join(loaded.observations)}"
        raise UserError(
            f"the model has no output {', '.join(unknown)}",
            code="unknown-observation",
            where="--observations",
            hint=hint,
        )
    given = [Segmentations.read(regions)] if regions else []
    move_to_device(loaded.model)
    data = open_data(loaded, root, hint=GONE, learned=True)
    chosen = None if root else loaded.config.get("explain", {}).get("masks")
    splits = {"matched": _read(data, loaded, chosen, given)}
    for split in ("independent", "reversed"):
        if (data.root / split).is_dir():
            splits[split] = _read(open_data(loaded, data.root / split), loaded)
    suspects = find_suspects(splits["matched"], set().union(*(masks.observations() for masks in given)))
    labeled = [name for name in suspects if name in OBSERVATIONS and "train" in data.datasets]
    without = {name: _read_without(data.root, loaded, name) for name in suspects}
    evidence = Evidence(splits, without, {name: measure_ties(data, name) for name in labeled})
    search = Search(loaded.model, loaded.observations, evidence, seed)
    content = search.run(asked, suspects, explainer)
    content["unlisted"] = sum(len({case.name for case in splits["matched"]} - set(file)) for file in given)
    content |= {"root": str(data.root), "seed": seed, "geometry": GEOMETRY, "synthetic": is_phantom(data.layout.folder)}
    content["baselines"] = evaluate(data, asked, search.logits["matched"], seed)
    return content, _plot_clearest(search, explainer, content["pairs"])


def evaluate(data: CheXpertDataModule, asked: Sequence[str], logits: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the AUROC of the model, metadata and gray statistics; nothing where there is no training image."""
    if "train" not in data.datasets:
        return {}
    learned, evaluated = (read_known(data, split, most, seed) for split, most in (("train", LEARNED), ("valid", None)))
    sets = [{"metadata": known.metadata, "gray": known.gray} for known in (learned, evaluated)]
    columns = {name: data.observations.index(name) for name in asked}
    return {
        name: compare_baselines(sets[0], learned.labels[:, c], sets[1], evaluated.labels[:, c], logits[:, c], seed)
        for name, c in columns.items()
    }


def _read(
    data: CheXpertDataModule, loaded: Loaded, chosen: str | bool | None = None, given: Sequence[Segmentations] = ()
) -> list[Case]:
    """The valid cases of a root with the masks ``chosen`` as the config has it, and those given."""
    own = find_masks(chosen, data.layout.folder)
    return list(read_cases(data.datasets["valid"], loaded.observations, [*([own] if own else []), *given]))


def _read_without(root: Path, loaded: Loaded, suspect: str) -> dict[str, np.ndarray]:
    """Read the images that a phantom has painted without a suspect, by the name of the view."""
    folder = root / "counterfactual" / suspect
    if not folder.is_dir():
        return {}
    valid = open_data(loaded, folder).datasets["valid"]
    return {case.name: case.image for case in read_cases(valid, loaded.observations)}


def _plot_clearest(search: Search, explainer: Explainer, pairs: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Plot the images on which the clearest shortcut, or else the strongest suspect, mattered most."""
    tested = [pair for pair in pairs if np.isfinite(pair["effect"]["value"])]
    if not tested:
        return None
    clearest = max(tested, key=lambda p: (p["alarm"], not p["tied"] and not p["finding"], abs(p["effect"]["value"])))
    return plot_images(search, explainer, clearest["observation"], clearest["suspect"], clearest["by"])
