"""From a run and images to a table of probabilities, as the competition asked for it: one row a study."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, get_local_path, load
from chexpert.config import build, check_tta
from chexpert.data import make_transforms, reporting_dead_workers
from chexpert.data.preprocessing import LEAST_SIDE
from chexpert.errors import UserError
from chexpert.inference.calibration import read_calibration
from chexpert.inference.choices import check_options, hides_names
from chexpert.inference.explained_predictions import ExplainedPredictions, ExplainRequest, find_explanations
from chexpert.inference.gating import open_gating
from chexpert.inference.inputs import InputImage, is_table, list_images
from chexpert.inference.journal import Journal, find_key
from chexpert.inference.opened_run import limit_batch
from chexpert.inference.output_folder import find_home
from chexpert.inference.output_table import choose_columns, hash_own_names, write
from chexpert.inference.predicted_batches import Watch, run_model
from chexpert.inference.prediction_outcome import Outcome
from chexpert.inference.prediction_sets import open_sets
from chexpert.inference.result_rows import ResultRows, find_partly_refused
from chexpert.inference.spread import open_spread
from chexpert.inference.spread_tables import SpreadTables
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_hash, name_safely, read_salt


@reporting_dead_workers()
def predict(
    run: Path,
    inputs: Sequence[Path],
    output: Path,
    *,
    level: str = "study",
    views: str = "max",
    calibrated: bool = False,
    calibration_file: Path | None = None,
    observations: str = "competition",
    root: Path | None = None,
    ids: str = "hash",
    batch_size: int | None = None,
    num_workers: int | None = None,
    tta: int | str | None = None,
    sets: float | None = None,
    gate: str = "flag",
    explain: ExplainRequest | None = None,
    spread: Path | None = None,
    loaded: Loaded | None = None,
    watch: Watch = iter,
) -> Outcome:
    """Predict images by the best weights of a run.

    Args:
        run: the run folder, a checkpoint, or ``hf:OWNER/NAME@REVISION`` of the Hugging Face Hub.
        inputs: one table with the column Path, one folder, or image files.
        output: a new CSV file.
        level: ``study``: one row a study; ``image``: one row an image.
        views: ``max`` (the competition's rule), ``mean`` or ``noisy_or`` over the views of a study.
        calibrated: probabilities by the run's calibration.json, or by that of exported weights.
        calibration_file: calibrated by this file of ``chexpert recalibrate`` instead.
        observations: ``competition``: the five; ``all`` that the model knows.
        root: of the paths in a table; by default the run's data root, then the table's folder.
        ids: ``hash``: names other than CheXpert's own become salted hashes; ``path``: they stay.
        batch_size: images a pass; by default as in training, of a probe 16.
        num_workers: loader processes; likewise.
        tta: test-time augmentation: ``flip``, ``shift``, or a number of views; see :func:`make_transforms`.
        sets: error rate of the prediction sets, between 0 and .5; None: the table has none.
        gate: ``flag``: list images that are no frontal radiograph or unlike the training images, by the run's gate, and
            name the reasons in the table; ``refuse``: give them no probabilities; ``off``.
        explain: what is explained of each image, in a folder beside the output; None: nothing.
        spread: a new folder for the tables of each view (with ``tta``) or of each member of a combined model.
        loaded: the run's model, where it is loaded already.
        watch: shows progress.

    Raises:
        UserError: something the user can fix; an image that cannot be read is none, see :class:`Outcome`.
    """
    calibrated = calibrated if calibration_file is None else True
    check_options(
        level=level, views=views, calibrated=calibrated, observations=observations, ids=ids, batch_size=batch_size,
        num_workers=num_workers, tta=tta, sets=sets, gate=gate,
    )  # fmt: skip
    if output.exists():
        message = "it is there already, and nothing is overwritten"
        raise UserError(message, code="not-empty", where=str(output), hint="give a new file")
    folder = find_explanations(output, inputs) if explain else None
    run = get_local_path(run)
    loaded = loaded or load(run)
    transforms = None if tta is None else open_transforms(loaded, tta)
    apart = SpreadTables(open_spread(loaded, transforms), spread) if spread else None
    explained = ExplainedPredictions(loaded, explain, folder) if explain and folder else None
    names = choose_columns(loaded.observations, observations)
    calibration = read_calibration(run, loaded, level, views, calibration_file) if calibrated else None
    set_columns = open_sets(run, loaded, names, level, views, sets, calibration_file) if sets else None
    gating = open_gating(run, loaded, gate)
    images, aside = list_images(inputs, find_roots(loaded, inputs[0], root))
    salt = read_salt(find_home(run)) if hides_names(ids) else None
    data = loaded.config.get("data", {})  # an exported file has none
    batch_size = batch_size or limit_batch(loaded)
    num_workers = data.get("num_workers", 2) if num_workers is None else num_workers
    options: dict[str, Any] = {} if tta is None else {"tta": tta}
    options |= gating.options | (apart.options if apart else {})
    if explain:
        options |= explain.options | ({"explained": "accepted"} if gating.refuses else {})
    own = hash_own_names(images, inputs, salt)
    called = {image.name: own.get(image.name) or name_safely(image.name, salt) for image in images}
    key = find_key(run_files.checkpoint(run) if run.is_dir() else run, images, **options)
    output.parent.mkdir(parents=True, exist_ok=True)
    width = len(loaded.observations) * (apart.count if apart else 1)
    with Journal(output, key, len(images), width, options) as journal:
        resumed = len(journal.done)
        left = [n for n, image in enumerate(images) if image.file and n not in journal.done]
        if explained:
            before = journal.done.keys() - (journal.flagged.keys() if gating.refuses else ())
            explained.start(images, called, before, journal.path)
        each = apart.spread if apart else None
        for batch in run_model(loaded, images, left, batch_size, num_workers, watch, transforms, each, gating):
            shown = batch.without_flagged() if gating.refuses else batch
            if explained and shown.rows:
                explained.add(images, shown.rows, shown.images)
            journal.add({n: row + batch.apart.get(n, []) for n, row in batch.rows.items()}, batch.flagged)
        done = sorted(journal.done)
        kept, lost = [images[n] for n in done], [image for n, image in enumerate(images) if n not in journal.done]
        failed = {image.name: explain_failure(loaded, image) for image in lost}
        if not kept:
            first, why = next(iter(failed.items()))
            raise UserError(
                f"no image can be read, the first: {why}",
                code="unreadable-image",
                where=first,
                hint="give images: JPEG, PNG or DICOM",
            )
        flagged = {images[n].name: why for n, why in sorted(journal.flagged.items()) if n in journal.done}
        refused = frozenset(flagged) if gating.refuses else frozenset()
        probabilities = run_files.as_written(np.array([journal.done[n] for n in done]))
        columns = [loaded.observations.index(name) for name in names]
        own_scores, *tables = (
            part[:, columns] for part in np.split(probabilities, apart.count if apart else 1, axis=1)
        )
        rows = ResultRows(kept, refused, level, views, names, lambda name: called.get(name) or name_safely(name, salt))
        named = rows.score(own_scores, calibration)
        if explained and explained.begun:
            explained.finish()
        texts = set_columns.make(rows.score(own_scores)) if set_columns else {}
        write(output, level, names, named, texts | (rows.flag(flagged) if gating.gate else {}))
        if apart:
            apart.write(level, names, [rows.score(table) for table in tables])
        journal.remove()
    incomplete = {image.study for image in lost} & {image.study for image in kept} if level == "study" else ()
    return Outcome(
        output=output,
        images=len(kept),
        rows=len(named),
        resumed=resumed,
        failed=failed,
        incomplete=sorted(incomplete),
        flagged=flagged,
        aside=aside,
        refused=[name for name in flagged if name in refused],
        partly_refused=find_partly_refused(kept, refused, level),
        ungated=gating.missing,
        hashed=salt is not None and any(is_hash(name) for name, _ in named),
        synthetic=loaded.synthetic,
        tta=1 if transforms is None else len(transforms),
        explanations=folder,
        missing_sets=set_columns.missing if set_columns else {},
        failed_explainers=explained.failures if explained else {},
    )


def open_transforms(loaded: Loaded, tta: int | str) -> torch.Tensor:
    """Return the views (K, 2, 3) of test-time augmentation, in the ranges that the model was trained with.

    Raises:
        UserError: the model was not trained with such views, or it is of exported weights, which do not say.
    """
    if "data" not in loaded.config:
        message, hint = "exported weights do not hold the augmentation of their training", "give the run folder instead"
        raise UserError(message, code="missing-run", where=f"--tta {tta}", hint=f"{hint}, or without --tta")
    node = loaded.config["data"].get("augmentation")
    check_tta(tta, node)
    augmentation = build(node, "data.augmentation")
    return make_transforms(tta, augmentation, loaded.preprocessing.size, loaded.config["seed"])


def find_roots(loaded: Loaded, first: Path, root: Path | None) -> list[Path]:
    """Return the folders in which the paths of a table may lie."""
    if not is_table(first):
        return []
    if root:
        return [root.absolute()]
    own = loaded.config.get("data", {}).get("root")
    if isinstance(own, Mapping):  # the phantom, which would be painted where it is missing
        own = build(own, "data.root") if Path(own.get("parent", "")).is_dir() else None
    places = [Path(own).expanduser()] if own else []
    return [place.absolute() for place in [*places, first.parent] if place.is_dir()]


def explain_failure(loaded: Loaded, image: InputImage) -> str:
    """Return the reason why an image could not be read."""
    if image.file is None:
        return image.why
    try:
        replace(loaded.preprocessing, least=LEAST_SIDE).read(image.file)
    except UserError as error:
        return error.message
    return "it could not be read before, and can be now: run it again"
