"""Distillation: the teachers' probabilities on the training views, computed once, become part of the targets."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import read_checkpoint
from chexpert.config import build, find_checkpoint
from chexpert.console import log
from chexpert.data import CheXpertDataModule, Targets
from chexpert.data.labels.soft_targets import mix_targets, soften
from chexpert.distributed import find_rank
from chexpert.engine.teachers import Teacher, hash_weights, predict_teacher, read_teacher
from chexpert.errors import UserError
from chexpert.evaluation import read_labels, read_predictions
from chexpert.evaluation.members import compare_with_members
from chexpert.models import describe_run
from chexpert.report.text.members import describe_members
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.training import Distillation, find_device
from chexpert.weights.license import describe_part

COMPARED = ("valid", "test")
"""Splits of which teachers and network have the same views; each held out its own patients as ``dev``."""


def teach(cfg: Mapping[str, Any], data: CheXpertDataModule, folder: Path) -> None:
    """Mix the training targets with the teachers' probabilities, where the config names teachers.

    The table of the probabilities is written before anything is trained, and read where it is there: a resumed run
    learns from the same numbers, whether its teachers are still there or not.

    Raises:
        UserError: a teacher cannot be read or has changed, or no view is taught.
    """
    if not cfg.get("distill") or "train" not in data.datasets:
        return
    settings: Distillation = build(cfg["distill"], "distill")
    content = read_stored(folder, settings, data) or write_table(cfg, settings, data, folder)
    table = read_predictions(run_files.teachers_table(folder))
    taught = np.full((len(data.frames["train"]), len(data.observations)), np.nan)
    places = {path: row for row, path in enumerate(data.frames["train"]["path"])}
    columns = np.column_stack([table.columns[name] for name in data.observations])
    taught[[places[name] for name in table.names]] = columns
    views = data.datasets["train"]
    own = Targets(views.targets.numpy(), views.mask.numpy(), views.random_targets)
    mixed = mix_targets(own, soften(taught, settings.temperature), settings.weight)
    content["filled"] = int((mixed.mask & ~own.mask).sum())
    views.targets, views.mask = torch.tensor(mixed.values), torch.tensor(mixed.mask)
    views.random_targets = mixed.random_targets
    if not find_rank():
        log.info(describe_teaching(content, settings))


def describe_key(settings: Distillation, data: CheXpertDataModule) -> dict[str, Any]:
    """Return what the targets of a distillation depend on, beside the teachers and their weights."""
    views = "\n".join(data.frames["train"]["path"])
    return {
        "weight": settings.weight, "temperature": settings.temperature, "out_of_fold": settings.out_of_fold,
        "observations": list(data.observations),
        "views": hashlib.sha256(views.encode()).hexdigest(),
    }  # fmt: skip


def read_stored(folder: Path, settings: Distillation, data: CheXpertDataModule) -> dict[str, Any]:
    """Return what was written with the table of a run that is resumed; empty where it must be computed.

    Raises:
        UserError: the table, or the weights of a teacher, have changed since.
    """
    path, table = folder / run_files.DISTILLATION, run_files.teachers_table(folder)
    content = read_mapping(path)
    if not content or not table.is_file():
        return {}
    check_settings(path, content, settings, data)
    if content["table"] != hash_file(table):
        hint = "delete the folder, and run it anew"
        raise UserError("the teachers' table has changed", code="changed-file", where=str(table), hint=hint)
    gone = list[str]()
    for path, stored in zip(settings.teachers, content["teachers"], strict=True):
        if not has_weights(path):
            gone.append(str(path))
        elif hash_weights(read_checkpoint(path)[1]) != stored["weights"]:
            hint = "restore its weights, or start another run: without resume"
            raise UserError("a teacher has other weights than before", code="other-weights", where=str(path), hint=hint)
    if gone and not find_rank():
        log.info(f"teachers that are gone, their probabilities are read from {table.name}: {', '.join(gone)}")
    return content


def check_settings(path: Path, content: Mapping[str, Any], settings: Distillation, data: CheXpertDataModule) -> None:
    """Check that a resumed run has the teachers and settings with which its table was written.

    Raises:
        UserError: it has others; its first epochs were taught by those of the table.
    """
    hint = "give those that the run began with, or start another run: without resume"
    stored, own = content.get("key", {}), describe_key(settings, data)
    for key in own:
        if stored.get(key, content.get(key)) != own[key]:  # weight and temperature stood beside the key
            where = f"distill.{key}" if hasattr(settings, key) else str(path)
            raise UserError(f"another {key} than before", code="conflict", where=where, hint=hint)
    if len(settings.teachers) != len(content["teachers"]):
        message = f"{len(settings.teachers)} teachers, and {len(content['teachers'])} before"
        raise UserError(message, code="conflict", where="distill.teachers", hint=hint)
    for teacher, before in zip(settings.teachers, content["teachers"], strict=True):
        if not has_weights(teacher) and str(teacher) != before["path"]:  # of others the weights are compared
            message = f"{teacher} is not there, and taught nothing before: {before['path']} did"
            raise UserError(message, code="conflict", where="distill.teachers", hint=hint)


def has_weights(path: Path) -> bool:
    """Return whether a teacher's weights are there: its folder may have stayed without them."""
    try:
        return Path(find_checkpoint(path)).is_file()
    except UserError:
        return False


def write_table(
    cfg: Mapping[str, Any], settings: Distillation, data: CheXpertDataModule, folder: Path
) -> dict[str, Any]:
    """Compute the mean of the teachers' probabilities of each training view, and write it."""
    teachers = [read_teacher(path, data.observations) for path in settings.teachers]
    frame, device = data.frames["train"], find_device(cfg["trainer"].get("accelerator", "auto"))
    total, count = np.zeros((len(frame), len(data.observations))), np.zeros(len(frame), int)
    described = []
    for teacher in teachers:
        history = describe_run(teacher.metadata)
        wanted = select_views(teacher, settings.out_of_fold, frame)
        found, read = predict_teacher(teacher, data, wanted, torch.device(device))
        known = ~np.isnan(found).any(axis=1)
        total[known] += found[known]
        count += known
        described.append({
            "path": str(teacher.path),
            "name": teacher.name, "weights": teacher.digest, "fold": teacher.is_fold, "views": int(known.sum()),
            "from_tables": read, "out_of_fold": bool(not wanted.all() or teacher.select_held_out(frame).all()),
            "origin": history.weights, "saw_chexpert": history.saw_chexpert, **describe_part(teacher.metadata),
        })  # fmt: skip
    if not count.any():
        message = "no training view is taught: the teachers were trained on all of them"
        hint = "distill.out_of_fold=auto or false; or folds as teachers, trained by data.folds=5 data.fold=0,1,2,3,4"
        raise UserError(message, code="no-overlap", where="distill.out_of_fold", hint=hint)
    table = run_files.teachers_table(folder)
    rows = np.flatnonzero(count)
    means = total[rows] / count[rows, None]
    run_files.write_predictions(table, data.observations, zip(frame["path"].iloc[rows], means.tolist(), strict=True))
    content = {
        "key": describe_key(settings, data), "weight": settings.weight, "temperature": settings.temperature,
        "teachers": described, "views": len(frame), "taught": len(rows), "table": hash_file(table),
    }  # fmt: skip
    run_files.write_json(folder / run_files.DISTILLATION, content)
    return content


def select_views(teacher: Teacher, out_of_fold: str | bool, frame: Any) -> np.ndarray:
    """Return which training views (N,) bool a teacher may teach."""
    if out_of_fold is True or (out_of_fold == "auto" and teacher.is_fold):
        return teacher.select_held_out(frame)
    return np.ones(len(frame), bool)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe_teaching(content: Mapping[str, Any], settings: Distillation) -> str:
    """Return lines on who teaches which views."""
    lines = [
        f"teachers:   {len(content['teachers'])}, weight {settings.weight:g}, temperature {settings.temperature:g}; "
        f"{content['taught']:,} of {content['views']:,} training views are taught, "
        f"{content['filled']:,} masked targets filled"
    ]
    for own in content["teachers"]:
        which = "held out by it" if own["out_of_fold"] else "all that it may have seen, too"
        tables = f", {own['from_tables']:,} read from its tables" if own["from_tables"] else ""
        lines.append(f"            {own['name']}: {own['views']:,} views, {which}{tables}")
    if content["taught"] < content["views"]:
        lines.append("            other views keep the targets of their labels alone")
    return "\n".join(lines)


def describe_origin(folder: Path) -> dict[str, Any]:
    """Return what a distilled network was made of, without a path or a run's name; empty where nobody taught it."""
    content = read_mapping(folder / run_files.DISTILLATION)
    if not content:
        return {}
    keys = ("weights", "out_of_fold", "origin", "saw_chexpert", "contamination", "licenses")
    teachers = [
        {"name": f"teacher {number}"} | {key: own[key] for key in keys if key in own}
        for number, own in enumerate(content["teachers"], 1)
    ]
    return {"kind": "distilled", "weight": content["weight"], "temperature": content["temperature"],
            "teachers": teachers}  # fmt: skip


def compare_with_teachers(cfg: Mapping[str, Any], folder: Path) -> None:
    """Print and write the paired differences to the teachers' ensemble and to the best teacher.

    Teachers whose predictions of the same views are not at hand are named.
    """
    if not cfg.get("distill") or not (folder / run_files.DISTILLATION).is_file():
        return
    settings: Distillation = build(cfg["distill"], "distill")
    content = read_mapping(folder / run_files.DISTILLATION)
    comparisons, missing = dict[str, dict[str, Any]](), list[str]()
    for split in COMPARED:
        if not run_files.predictions(folder, split).is_file():
            continue
        own = read_predictions(run_files.predictions(folder, split))
        there = {str(path): path for path in settings.teachers if has_same_rows(folder, path, split)}
        missing += [f"{path} on {split}" for path in settings.teachers if str(path) not in there]
        if len(there) < len(settings.teachers):
            continue
        names = name_teachers(settings.teachers)
        members = {names[path]: read_predictions(run_files.predictions(path, split)) for path in there.values()}
        chosen_on = "valid" if split == "test" and "valid" in comparisons else None
        comparisons[split] = compare_with_members(
            own, members, read_labels(run_files.labels(folder, split)), mean_over=cfg["mean_over"],
            level=cfg["level"], views=cfg["study_score"], seed=cfg["seed"], best_chosen_on=chosen_on,
            best=comparisons["valid"]["best_member"]["name"] if chosen_on else None,
        )  # fmt: skip
        log.info(describe_members(comparisons[split], split))
    if missing:
        log.info(f"not compared with the teachers, no predictions of the same views: {', '.join(missing)}")
    run_files.write_json(folder / run_files.DISTILLATION, content | {"comparisons": comparisons, "missing": missing})


def name_teachers(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the names of teachers: of their runs, or whole paths where two runs have one name."""
    short = {path: path.resolve().name for path in paths}
    return short if len(set(short.values())) == len(short) else {path: str(path) for path in paths}


def has_same_rows(folder: Path, teacher: Path, split: str) -> bool:
    """Return whether a teacher's run has predictions of the same views of a split, with the same labels."""
    file = run_files.predictions(teacher, split)
    if not teacher.is_dir() or not file.is_file():
        return False
    prints = [read_mapping(run / run_files.DATA).get("splits", {}).get(split, {}) for run in (folder, teacher)]
    same = prints[0].get("fingerprint") == prints[1].get("fingerprint")
    return same and read_predictions(file).names == read_predictions(run_files.predictions(folder, split)).names
