"""Names and formats of every file that a run leaves behind: outputs/<name>/<time>/ (a sweep: one folder a job)."""

import csv
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
BEST = "best"
LAST = "last"  # the name that Lightning gives it
BEST_VALIDATION = "best-validation.pt"
"""Beside best.ckpt: the predictions by which it was chosen."""
KEPT = re.compile(r"epoch[=-](\d+)-(auroc_mean|loss)[=-](-?\d+\.\d+|nan|-?inf)(?:-v\d+)?\.ckpt")
"""A kept checkpoint; names had ``=`` in the place of some hyphens, which Hydra's command line refuses."""
EVERY = "step-{step:07d}"
"""The checkpoints of ``save_every_n_steps``: no metric chose them, so ``kept_checkpoints`` does not rank them."""
EVALUATED_SPLITS = ("dev", "valid", "test")
"""The splits that a run can evaluate; ``dev`` is held out of train, the others are CheXpert's own."""
SAFETENSORS = ".safetensors"
TENSORBOARD = "tensorboard"
CSV = "csv"
WANDB = "wandb"
TRACKERS = "trackers.json"
"""The id by which each tracker finds the run again."""
METRICS = "metrics.json"
DATA = "data.json"
PREDICTIONS = "predictions"
LABELS = "labels"
EVALUATION = "evaluation"
CALIBRATION = "calibration.json"
THRESHOLDS = "thresholds.json"
PREDICTION_SETS = "prediction_sets.json"
SOUP = "soup.json"
"""What averaged weights were made of, and how they compare with it."""
DISTILLATION = "distillation.json"
"""Who has taught a network which views, and how it compares with its teachers."""
GATE = "gate.safetensors"
FLAGS = "flags"
"""The last column of a table of predictions, where a row is flagged: why, each reason with its number."""
STATE = "state.json"
SWEEP = "sweep.json"
LOCK = ".lock"
REPORT = "report.html"
MODEL_CARD = "MODEL_CARD.md"
IMAGES = "images"
EXPLANATIONS = "explanations"
SHORTCUTS = "shortcuts"
COUNTERFACTUALS = "counterfactuals"
ESCAPE = "surrogateescape"
"""For text that is written: a name of a file that is no UTF-8 keeps its bytes."""
PART = ".part"
"""What a file is called while it is written, after its own name."""
MANIFEST = "manifest.json"
QUALITY = "quality.json"
REGIONS = "regions.csv"
"""Boxes and peaks of an explainer's maps."""
SEGMENTATIONS = "segmentations.json"
"""The masks of an explainer's maps in CheXlocalize's format."""
QUALITY_VIEWS = "quality.csv"
"""Beside quality.json: the metrics of single maps."""
QUALITY_KEYS = ("explainer", "view", "observation")
"""The first columns of quality.csv; the others are metrics."""
IDS = "ids.txt"
"""How the hashes of the explained images are made; only where there are any."""
FAILED = "failed.json"
"""Which explainers, or steps over all of them, failed, and why, with the traceback: for the run folder alone."""


def is_empty(run: Path) -> bool:
    """Return whether a folder holds nothing but the file by which it is locked."""
    return all(path.name == LOCK for path in run.iterdir())


def shorten(path: str) -> Path:
    """Return a path relative to the working folder, where it is on the same drive of Windows."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:
        return Path(path)


def checkpoint(run: Path, name: str = BEST) -> Path:
    """Return the path of checkpoints/best.ckpt or checkpoints/last.ckpt."""
    return run / CHECKPOINTS / f"{name}.ckpt"


def kept_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints of the best epochs, best first: those of ``save_top_k`` by name, or else best.ckpt.

    The metric is an AUROC, or where none was defined a loss, of which less is better; one that is NaN comes last.
    """
    files = sorted((run / CHECKPOINTS).glob("*.ckpt"))
    found = [(match, path) for path in files if (match := KEPT.fullmatch(path.name))]
    ranked = sorted(found, key=lambda pair: _order(*pair[0].groups()))
    return [path for _, path in ranked] or [path for path in [checkpoint(run)] if path.is_file()]


def old_name(path: Path) -> Path:
    """Return the name that a kept checkpoint had while names were written with ``=``.

    >>> old_name(Path("step-0000002.ckpt")).name, old_name(Path("epoch-03-loss--0.50000.ckpt")).name
    ('step=0000002.ckpt', 'epoch=03-loss=-0.50000.ckpt')
    """
    return path.with_name(re.sub(r"(epoch|step|auroc_mean|loss)-", r"\1=", path.name))


def _order(epoch: str, metric: str, value: str) -> tuple[bool, float, int]:
    number = float(value)
    return math.isnan(number), number if metric == "loss" else -number, int(epoch)


def predictions(run: Path, split: str) -> Path:
    """Return the path of predictions/valid.csv: Path and one probability column per observation, by name."""
    return run / PREDICTIONS / f"{split}.csv"


def teachers_table(run: Path) -> Path:
    """Return the path of distillation/teachers.csv: of each taught view the mean of its teachers' probabilities."""
    return run / "distillation" / "teachers.csv"


TTA = "-tta"
"""At the end of the name of predictions with test-time augmentation."""


def name_tta(split: str) -> str:
    """Return the name of the predictions of a split with test-time augmentation.

    >>> name_tta("valid")
    'valid-tta'
    """
    return split + TTA


def labels(run: Path, split: str) -> Path:
    """Return the path of labels/valid.csv: a split's labels in CheXpert's columns; blank where there is no label."""
    return run / LABELS / f"{split}.csv"


def evaluation(run: Path, split: str) -> Path:
    """Return the path of evaluation/valid.json: the evaluation of the run's own predictions."""
    return run / EVALUATION / f"{split}.json"


def picture(explanations: Path, explainer: str, view: str, observation: str) -> Path:
    """Return the path of <explainer>/<view>/<observation>.png below the folder of explanations.

    >>> picture(Path("explanations"), "lime", "CheXpert-v1.0-small/valid/patient1/study1/view1_frontal.jpg", "Edema")
    PosixPath('explanations/lime/patient1_study1_view1_frontal/Edema.png')
    """
    return explanations / explainer / view_name(view) / f"{observation}.png"


def region_mask(explanations: Path, explainer: str, view: str, observation: str) -> Path:
    """Return the path of <explainer>/<view>/<observation>_mask.png: the pixels of the image above the threshold."""
    return picture(explanations, explainer, view, f"{observation}_mask")


def attribution_map(explanations: Path, explainer: str, view: str, observation: str) -> Path:
    """Return the path of <explainer>/maps/<view>_<observation>_map.npz, in a folder that chexpert localize reads.

    >>> attribution_map(Path("explanations"), "lime", "valid/patient1/study1/view1_frontal.jpg", "Edema").name
    'patient1_study1_view1_frontal_Edema_map.npz'
    """
    return explanations / explainer / "maps" / f"{view_name(view)}_{observation}_map.npz"


def image(explanations: Path, view: str) -> Path:
    """Return the path of images/<view>.jpg, the explained image; films/<view>.jpg in a run of an older version."""
    older = explanations / "films" / f"{view_name(view)}.jpg"
    return older if older.is_file() else explanations / IMAGES / older.name


def explainer_sheet(explanations: Path, explainer: str) -> Path:
    """Return the path of <explainer>/sheet.png: all explained views of an explainer."""
    return explanations / explainer / "sheet.png"


def view_sheet(explanations: Path, view: str) -> Path:
    """Return the path of views/<view>.png: all explainers of a view."""
    return explanations / "views" / f"{view_name(view)}.png"


def view_name(path: str) -> str:
    """Return the name of a view as CheXlocalize spells it, from its path; that of any image file likewise.

    >>> view_name("CheXpert-v1.0-small/valid/patient1/study1/view1_frontal.jpg"), view_name("../image.png")
    ('patient1_study1_view1_frontal', 'image')
    """
    parts = [part for part in Path(path).with_suffix("").parts if part not in ("/", "..")]
    return re.sub(r"[^\w.-]", "_", "_".join(parts[-3:]))


def find_clashes(files: Iterable[Path | None], folders: Iterable[Path | None]) -> Iterator[str]:
    """Yield why files and folders could not be written, before the work that fills them; None is skipped.

    >>> list(find_clashes([Path("/a/b"), Path("/a/b/c")], [None]))
    ['/a/b cannot be a file and the folder of another']
    """
    kinds = ((files, "file"), (folders, "folder"))
    wanted = [(path.absolute(), kind) for paths, kind in kinds for path in paths if path]
    places = [path for path, _ in wanted]
    for path, kind in wanted:
        if path.exists() and path.is_dir() == (kind == "file"):
            yield f"{path} is there, but no {kind}"
        if blocked := next((above for above in path.parents if above.exists() and not above.is_dir()), None):
            yield f"{blocked} is no folder"
        if places.count(path) > 1:
            yield f"{path} is asked for twice"
        if kind == "file" and any(path in place.parents for place in places):
            yield f"{path} cannot be a file and the folder of another"


def write_predictions(
    path: Path,
    observations: Sequence[str],
    rows: Iterable[tuple[str, Sequence[float] | None]],
    key: str = "Path",
    texts: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write rows of a Path, or another ``key``, and C probabilities; nine digits preserve a float32 to the last bit.

    ``texts`` are further columns by header, a text for each row. The cells of a row without probabilities are blank.
    """
    more = zip(*texts.values(), strict=True) if texts else repeat(())
    cells = ((view, [""] * len(observations) if values is None else map(_digits, values)) for view, values in rows)
    lines = ([view, *values, *own] for (view, values), own in zip(cells, more, strict=False))
    write_table(path, [key, *observations, *(texts or ())], lines)


def as_written(probabilities: np.ndarray) -> np.ndarray:
    """Return the values (N, C) float64 that are read from a file to which these float32 were written."""
    return np.array([[float(_digits(p)) for p in row] for row in probabilities.tolist()]).reshape(probabilities.shape)


def _digits(probability: float) -> str:
    return f"{probability:.9g}"


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors=ESCAPE) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON: NaN, which JSON does not know, becomes null."""
    write_text(path, json.dumps(_nullify(content), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text whole: a reader beside a run, or after a power cut, sees the old or the new, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a device or pipe, which a file must not take the place of
        path.write_text(text, encoding="utf-8", errors=ESCAPE)
        return
    part = path.with_name(path.name + PART)
    try:
        with part.open("w", encoding="utf-8", errors=ESCAPE) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk needs its space
        raise


def or_none(value: float) -> float | None:
    """Return a value for JSON, which has no NaN and no infinity: null in their place."""
    return value if math.isfinite(value) else None


def _nullify(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _nullify(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_nullify(value) for value in content]
    return or_none(content) if isinstance(content, float) else content
