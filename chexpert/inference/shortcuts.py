"""From a trained model and a data root to the figures of the shortcut report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chexpert.checkpoints import Loaded
from chexpert.data import CheXpertDataModule
from chexpert.data.metadata import measure_ties, read_known
from chexpert.errors import ProblemError
from chexpert.explain import Explainer, find_masks
from chexpert.explain.shortcuts import GEOMETRY, Case, Evidence, Search, draw_films, find_suspects, read_cases
from chexpert.inference.explain import open_data, place
from chexpert.metrics import Segmentations
from chexpert.metrics.metadata_baseline import compare_baselines
from chexpert.observations import OBSERVATIONS
from chexpert.runs.synthetic import is_phantom

GONE = "restore them, or give another copy: --root FOLDER"
LEARNED = 2000  # training films for the baselines: more hardly move a regression on a dozen numbers


def find_shortcuts(
    loaded: Loaded,
    explainer: Explainer,
    root: Path | None = None,
    regions: Path | None = None,
    observations: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], Figure | None]:
    """Looks for shortcuts on the valid split of a data root, and on a phantom's other trees below it.

    Suspects are Support Devices, where masks lie in the root, and every name in ``regions``.

    Args:
        loaded: the model.
        explainer: of the maps.
        root: data to look at; by default those of the run.
        regions: a file of outlines in CheXlocalize's format, with any names.
        observations: to judge; by default all of the model's.
        seed: of everything that is drawn.

    Returns:
        What ``chexpert.report.describe_shortcuts`` reads, but the name of the run; and a picture of the clearest pair,
        None where nothing could be tested.

    Raises:
        ProblemError: an observation that the model lacks, no such data, or regions of other films.
    """
    asked = list(observations or loaded.observations)
    if unknown := [name for name in asked if name not in loaded.observations]:
        mend = f"some of {', '.join(loaded.observations)}"
        raise ProblemError(f"the model has no output {', '.join(unknown)}", where="--observations", mend=mend)
    given = [Segmentations.read(regions)] if regions else []
    place(loaded.model)
    data = open_data(loaded, root, mend=GONE, learned=True)
    chosen = None if root else loaded.config.get("explain", {}).get("masks")
    splits = {"matched": _read(data, loaded, chosen, given)}
    for split in ("independent", "reversed"):
        if (data.root / split).is_dir():
            splits[split] = _read(open_data(loaded, data.root / split), loaded)
    suspects = find_suspects(splits["matched"], set().union(*(masks.observations() for masks in given)))
    labelled = [name for name in suspects if name in OBSERVATIONS and "train" in data.datasets]
    without = {name: _read_without(data.root, loaded, name) for name in suspects}
    evidence = Evidence(splits, without, {name: measure_ties(data, name) for name in labelled})
    search = Search(loaded.model, loaded.observations, evidence, seed)
    content = search.run(asked, suspects, explainer)
    content["unlisted"] = sum(len({case.name for case in splits["matched"]} - set(file)) for file in given)
    content |= {"root": str(data.root), "seed": seed, "geometry": GEOMETRY, "synthetic": is_phantom(data.layout.folder)}
    content["baselines"] = judge(data, asked, search.logits["matched"], seed)
    return content, _draw(search, explainer, content["pairs"])


def judge(data: CheXpertDataModule, asked: Sequence[str], logits: np.ndarray, seed: int) -> dict[str, Any]:
    """The model's AUROC beside that of metadata and gray statistics; nothing where there is no training film."""
    if "train" not in data.datasets:
        return {}
    learned, judged = (read_known(data, split, most, seed) for split, most in (("train", LEARNED), ("valid", None)))
    sets = [{"metadata": known.metadata, "gray": known.gray} for known in (learned, judged)]
    columns = {name: data.observations.index(name) for name in asked}
    return {
        name: compare_baselines(sets[0], learned.labels[:, c], sets[1], judged.labels[:, c], logits[:, c], seed)
        for name, c in columns.items()
    }


def _read(
    data: CheXpertDataModule, loaded: Loaded, chosen: str | bool | None = None, given: Sequence[Segmentations] = ()
) -> list[Case]:
    """The valid cases of a root with the masks ``chosen`` as the config has it, and those given."""
    own = find_masks(chosen, data.layout.folder)
    return list(read_cases(data.datasets["valid"], loaded.observations, [*([own] if own else []), *given]))


def _read_without(root: Path, loaded: Loaded, suspect: str) -> dict[str, np.ndarray]:
    """The films that a phantom has drawn without a suspect, by the name of the view."""
    folder = root / "counterfactual" / suspect
    if not folder.is_dir():
        return {}
    valid = open_data(loaded, folder).datasets["valid"]
    return {case.name: case.film for case in read_cases(valid, loaded.observations)}


def _draw(search: Search, explainer: Explainer, pairs: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The films on which the clearest culprit, or where there is none the strongest suspect, mattered most."""
    tested = [pair for pair in pairs if np.isfinite(pair["effect"]["value"])]
    if not tested:
        return None
    clearest = max(tested, key=lambda p: (p["alarm"], not p["tied"] and not p["finding"], abs(p["effect"]["value"])))
    return draw_films(search, explainer, clearest["observation"], clearest["suspect"], clearest["by"])
