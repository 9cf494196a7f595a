"""Explain views of a finished run, or any images, by its best weights."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from chexpert.checkpoints import Loaded, get_local_path, load
from chexpert.config import build
from chexpert.console import NOTE, log
from chexpert.data import CheXpertDataModule
from chexpert.errors import UserError
from chexpert.explain import (
    ExplainedViews,
    ExplainerEvaluation,
    Explanation,
    Failures,
    TimeBudget,
    View,
    choose_rows,
    explain_view,
    explain_views,
    find_masks,
    find_views,
    hide_names,
    open_view,
    resolve_minutes,
)
from chexpert.explain.masks import check_masks
from chexpert.explain.regions import Thresholds
from chexpert.inference.choices import hides_names
from chexpert.inference.explain_settings import check_layers, compose_settings, resolve_observations
from chexpert.inference.inputs import is_table, list_images
from chexpert.inference.opened_run import move_to_device, open_data, predict_valid
from chexpert.inference.output_folder import find_folder, find_home
from chexpert.inference.predict import find_roots
from chexpert.metrics.localization.thresholds import read_threshold
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import HASH_NOTE, find_public, is_hash, name_safely, read_salt, shorten_names
from chexpert.runs.identifiers import ORIGIN
from chexpert.runs.synthetic import TRAINED

OF_EXPORTED: Mapping[str, Any] = {"explainer": {}, "explain": {}, "seed": 0}
"""Settings of a run that exported weights do not have."""


def explain_run(
    run: Path,
    images: Sequence[str],
    explainers: Sequence[str],
    conf: Path,
    *,
    observations: Sequence[str] | None = None,
    out: Path | None = None,
    ids: str = "hash",
    overrides: Sequence[str] = (),
    threshold: str = "otsu",
    boxed: bool = False,
    root: Path | None = None,
) -> tuple[Path, Failures]:
    """Explain images, or the validation views that the run's own ``explain`` chooses, by the run's best weights.

    Args:
        run: the run folder, or a checkpoint.
        images: image files, or one table with the column Path; none for validation views of the run's data.
        explainers: names of files in conf/explainer; where the run had that explainer, it keeps its settings.
        conf: the folder of configs.
        observations: explain these of every view.
        out: a new folder for the explanations; by default that of the run.
        ids: ``hash``: image files other than CheXpert's own are called by salted hashes, and so are validation views of
            an external data set where ``out`` is no part of the run folder; ``path``: by their names.
        overrides: explainer.<name>.<setting>=<value> and explain.<setting>=<value>.
        threshold: of the maps' regions: ``otsu``, a number in [0, 1], or a file of thresholds by observation.
        boxed: plot the boxes of the regions over the maps.
        root: of the paths in a table; by default the run's data root, then the table's folder.

    Returns:
        The folder of the explanations, and which explainers failed; the others have left theirs.

    Raises:
        UserError: something the user can fix; nothing is then written.
    """
    hashed = hides_names(ids)
    thresholds = read_region_threshold(threshold)
    folder = find_folder(run, out)
    run = get_local_path(run)
    loaded = load(run)
    loaded = replace(loaded, config={**OF_EXPORTED, **loaded.config})
    if loaded.synthetic:
        log.log(NOTE, f"the model was {TRAINED}")
    nodes, choice = compose_settings(loaded.config, explainers, conf, overrides)
    only = resolve_observations(
        observations or choice["observations"],
        loaded.observations,
        "--observations" if observations else "explain.observations",
    )
    built = {name: build(node, f"explainer.{name}") for name, node in nodes.items()}
    check_layers(built, loaded.model)
    data = None if images else open_data(loaded)
    salt = read_salt(find_home(run)) if hashed and (images or hides_own(data, run, folder)) else None
    evaluate = ExplainerEvaluation(choice["score"], choice["passes"], loaded.config["seed"], None if images else salt)
    first = choose_first(data, choice, loaded.config["seed"])
    scored = evaluate.choose(data.datasets["valid"], first) if data else []
    views = (
        hide_names(choose_views(data, loaded, choice, scored), salt) if data else open_given(images, loaded, salt, root)
    )
    model = move_to_device(loaded.model)
    failures = Failures(folder)
    needed = evaluate.needed(data.datasets["valid"], views, loaded.observations, first) if data else {}
    budget = TimeBudget(resolve_minutes(choice["minutes"]))
    shared: dict[str, Any] = {"failures": failures, "explained": ExplainedViews(needed), "budget": budget}
    regions: dict[str, Any] = {"thresholds": thresholds, "boxed": boxed}
    explain_views(model, built, views, loaded.observations, folder, only=only, top=choice["top"], **shared, **regions)
    if salt and any(is_hash(view.path) for view in views):
        run_files.write_text(folder / run_files.IDS, f"{HASH_NOTE}\n")
    if data and choice["score"]:
        masks, rows = find_masks(choice["masks"], data.layout.folder), predict_valid(model, data)
        left = {name: explainer for name, explainer in built.items() if name not in failures}
        evaluate(model, left, data.datasets["valid"], rows, loaded.observations, masks, folder, first=first, **shared)
    failures.write()
    return folder, failures


def read_region_threshold(text: str) -> Thresholds:
    """Return ``otsu``, a number, or the thresholds by observation in the file with this name.

    Raises:
        UserError: it is none of them.
    """
    hint = "otsu, a number in [0, 1], or a file; to tune one: chexpert localize --threshold tuned"
    if text == "tuned":
        raise UserError("nothing is tuned here", code="choice", where="--threshold", hint=hint)
    return read_threshold(text)  # type: ignore[return-value]  # it is not tuned


def explain_image(
    loaded: Loaded,
    view: View,
    explainer: str,
    conf: Path,
    *,
    observation: str | None = None,
    overrides: Sequence[str] = (),
) -> Explanation:
    """Explain one output for one view, and write nothing.

    Args:
        loaded: the run's model; it is moved to its device.
        view: the view.
        explainer: name of a file in conf/explainer; where the run had that explainer, it keeps its settings.
        conf: the folder of configs.
        observation: the observation to explain; None: the most probable one.
        overrides: explainer.<name>.<setting>=<value>.

    Returns:
        The explanation.

    Raises:
        UserError: an unknown explainer, observation or setting, or an explainer that the model is not made for.
    """
    nodes, _ = compose_settings(loaded.config, [explainer], conf, overrides, "explainer")
    only = resolve_observations(observation and [observation], loaded.observations, "observation")
    built = {explainer: build(nodes[explainer], f"explainer.{explainer}")}
    check_layers(built, loaded.model)
    model = move_to_device(loaded.model).to(memory_format=torch.contiguous_format)  # a prediction may have left another
    return explain_view(model, built[explainer], view, loaded.observations, explainer, only=only)[0]


def hides_own(data: CheXpertDataModule | None, run: Path, folder: Path) -> bool:
    """Return whether the run's own validation views are external, and are explained into a folder outside the run.

    The run folder has their names already, and the report finds explained views in the predictions by name.
    """
    if data is None or folder.resolve().is_relative_to(find_home(run).resolve()):
        return False
    return any(map(ORIGIN.search, data.datasets["valid"].paths))


def open_given(images: Sequence[str], loaded: Loaded, salt: str | None, root: Path | None) -> list[View]:
    """Open the views of a table, or in image files.

    Raises:
        UserError: an image of the table is missing, or a root is given without a table.
    """
    first = Path(images[0])
    if not is_table(first):
        if root:
            raise UserError("a root is of the paths in a table", code="conflict", where="--root", hint="give a table")
        return open_views(images, loaded, salt)
    listed, _ = list_images([Path(image) for image in images], find_roots(loaded, first, root))
    if missing := [image for image in listed if image.file is None]:
        message = f"{len(missing)} of {len(listed)} images are missing, the first: {missing[0].name}"
        raise UserError(message, code="missing-image", where=str(first), hint="give the folder of the images: --root")
    return [open_view(name_safely(one.name, salt), str(one.file), loaded.preprocessing) for one in listed]


def open_views(images: Sequence[str], loaded: Loaded, salt: str | None = None) -> list[View]:
    """Open the views in image files, each of a name of its own; with a salt, of a safe one."""
    paths = [image.replace(os.sep, "/") for image in images]  # Windows has others
    short = shorten_names(paths)
    called = [name_safely(path if salt is None or find_public(path) else short[path], salt) for path in paths]
    for kind, keys in (
        ("the same file", [str(Path(image).resolve()) for image in images]),
        ("of one name in the explanations", list(map(run_files.view_name, called))),
    ):
        for row, key in enumerate(keys):
            if (first := keys.index(key)) < row:
                hint = "give each image once; two of one name in two calls with --out"
                raise UserError(
                    f"{images[first]} and {images[row]} are {kind}", code="repeated", where="the images", hint=hint
                )
    return [open_view(name, image, loaded.preprocessing) for name, image in zip(called, images, strict=True)]


def choose_first(data: CheXpertDataModule | None, choice: Mapping[str, Any], seed: int) -> list[int]:
    """Return the rows that are explained and scored before others: those of a fair sample."""
    if data is None or choice["views"]:
        return []
    return choose_rows(data.datasets["valid"], None, choice["count"], seed)


def choose_views(
    data: CheXpertDataModule, loaded: Loaded, choice: Mapping[str, Any], scored: Sequence[int] = ()
) -> list[View]:
    """Read the validation views of the run's data that its ``explain`` chooses, with labels and masks.

    The masks of these rows and of those that are ``scored`` later are checked before.
    """
    dataset, masks = data.datasets["valid"], find_masks(choice["masks"], data.layout.folder)
    rows = choose_rows(dataset, choice["views"], choice["count"], loaded.config["seed"])
    if choice["views"] is None and choice["count"] > len(rows):
        log.log(NOTE, f"explain.count={choice['count']}, and valid has {len(rows):,} views")
    if masks:
        check_masks(dataset, [*rows, *scored], masks)
    views = find_views(dataset, rows, loaded.observations, masks)
    if not views:
        message, hint = f"none of the {len(rows)} chosen views can be read", "choose others, or more: explain.count=N"
        raise UserError(message, code="unreadable-image", where="explain.views", hint=hint)
    return views
