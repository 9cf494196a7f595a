"""From held-out predictions to a list of labels to look at, and a sheet of their images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.console import NOTE, log
from chexpert.data import read_gray
from chexpert.errors import UserError
from chexpert.evaluation.held_out import HeldOut, read_held_out
from chexpert.evaluation.label_issues import SPELLED, ObservationIssues, check_top, rank_issues, write_issues
from chexpert.inference.audited_views import AuditedViews, open_views
from chexpert.inference.neighbors import compute_features, read_images, select_neighbors
from chexpert.metrics.label_issues import METHODS
from chexpert.report.html.gallery import encode_gray
from chexpert.report.html.label_issues import AuditCard, AuditImage, make_audit_page
from chexpert.report.names import Names
from chexpert.runs import files as run_files

FILES = {
    "issues": "label_issues.csv",
    "uncertain": "uncertain_labels.csv",
    "page": "label_issues.html",
    "content": "label_issues.json",
}
LARGE, SMALL = 288, 144
"""Pixels of the longer side of an image on the sheet, and of a neighbor."""
CANDIDATES = 1000
"""Views among which neighbors are found, sampled by a fixed seed: those of all training views take hours on a CPU."""
HASHES = "Images are named by hashes; the lists by --ids path have the same order."


@dataclass(frozen=True)
class LabelAudit:
    """The result of an audit: the views, the ranks by observation, and the content of label_issues.json."""

    held: HeldOut
    views: AuditedViews
    issues: Sequence[ObservationIssues]
    content: dict[str, Any]


def audit_labels(
    paths: Sequence[Path],
    *,
    split: str | None = None,
    observations: Sequence[str] | None = None,
    top: str = "0.05",
    blank: str = "negative",
    method: str = METHODS[0],
    root: Path | None = None,
) -> LabelAudit:
    """Rank the labels that are most likely wrong.

    Args:
        paths: one run with held-out views, or the runs or sweep of all folds.
        split: of one run: ``dev``, ``valid`` or ``test``.
        observations: to audit; by default all that the model puts out.
        top: how many labels of an observation to list, or the share of them.
        blank: ``negative``: blank labels are ranked with the labels 0; ``leave-out``.
        method: of the score: ``self_confidence``, or ``adjusted`` by the mean of the label's class.
        root: of the dataset; by default that of the runs.

    Raises:
        UserError: as :func:`read_held_out` and :func:`open_views` do, or an observation that the model lacks.
    """
    check_top(top)
    held = read_held_out(paths, split)
    asked = list(observations or held.observations)
    if unknown := [name for name in asked if name not in held.observations]:
        hint = f"some of {', '.join(held.observations)}"
        message = f"the model has no output {', '.join(unknown)}"
        raise UserError(message, code="unknown-observation", where="--observations", hint=hint)
    views = open_views(held, root)
    columns = [(name, list(held.observations).index(name)) for name in asked]
    issues = [
        rank_issues(name, views.labels[:, c], views.probabilities[:, c], top, blank, method) for name, c in columns
    ]
    for note in list_notes(held, views):
        log.log(NOTE, note)
    return LabelAudit(
        held, views, issues, make_content(held, views, issues, {"method": method, "top": top, "blank": blank})
    )


def list_notes(held: HeldOut, views: AuditedViews) -> list[str]:
    """List what a reader of the ranks must know."""
    notes = [f"{views.unpredicted:,} views have no prediction, and are not audited"] if views.unpredicted else []
    begun = sorted({str(config["start_from"]) for config in held.configs if config.get("start_from")})
    if begun:
        message = f"the weights start from {', '.join(begun)}: labels that it was trained on are not held out"
        notes.append(message)
    return notes


def make_content(
    held: HeldOut, views: AuditedViews, issues: Sequence[ObservationIssues], options: Mapping[str, str]
) -> dict[str, Any]:
    """Return the content of label_issues.json: settings, counts and thresholds, without a name of an image."""
    seeds = len({config["seed"] for config in held.configs})
    folds = f"{held.folds} folds" + f" of {seeds} seeds" * (seeds > 1)
    return {
        "views": len(views.names),
        "unpredicted": views.unpredicted,
        "source": folds if held.folds else f"one run, its {held.split} split",
        "split": held.split,
        "folds": held.folds,
        "runs": len(held.runs),
        "labels_of": views.labels_of,
        "synthetic": views.synthetic,
        **options,
        "observations": {own.observation: _count(own) for own in issues},
    }


def _count(own: ObservationIssues) -> dict[str, Any]:
    return {
        "positives": own.positives,
        "negatives": own.negatives,
        "blanks": own.blanks,
        "uncertain": own.uncertain,
        "thresholds": {"0": own.thresholds[0], "1": own.thresholds[1]},
        **own.errors._asdict(),
        "listed": len(own.issues),
        "with_a_suggestion": sum(bool(one.suggested) for one in own.issues),
    }


def write_audit(
    folder: Path, audit: LabelAudit, *, ids: str = "path", sheet: int = 24, neighbors: int = 3
) -> list[Path]:
    """Write the lists, the sheet and the counts.

    Args:
        folder: of the files.
        audit: what to write.
        ids: ``path``: images have their names; ``hash``: hashes, keyed by the salt of the first run.
        sheet: images of each observation on the sheet.
        neighbors: similar images beside each.

    Returns:
        Paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    namer = Names(ids, audit.held.runs[0])
    names = [namer.image(name) for name in audit.views.names]
    files = {key: folder / name for key, name in FILES.items()}
    write_issues(files["issues"], [one for own in audit.issues for one in own.issues], names)
    write_issues(files["uncertain"], [one for own in audit.issues for one in own.resolved], names)
    run_files.write_json(files["content"], audit.content)
    cards, similar = make_cards(audit, names, sheet, neighbors)
    run_files.write_text(files["page"], make_audit_page(audit.content, cards, HASHES if namer.hashed else "", similar))
    return list(files.values())


def make_cards(
    audit: LabelAudit, names: Sequence[str], sheet: int, neighbors: int
) -> tuple[dict[str, list[AuditCard]], str]:
    """Return the cards of the sheet by observation, and by what neighbors were found."""
    views = audit.views
    shown = sorted({one.row for own in audit.issues for one in own.issues[:sheet]})
    similar, how = find_similar(audit, shown, neighbors) if neighbors and shown else ({}, "")
    pictures: dict[tuple[int, int], str | None] = {}

    def show(row: int, column: int, longest: int) -> AuditImage:
        if (row, longest) not in pictures:
            pictures[row, longest] = encode_file(views.files[row], longest)
        label = SPELLED.get(float(views.labels[row, column]), "blank")
        return AuditImage(names[row], pictures[row, longest], label, float(views.probabilities[row, column]))

    cards = {}
    for own in audit.issues:
        c = list(views.observations).index(own.observation)
        cards[own.observation] = [
            AuditCard(
                one.rank, show(one.row, c, LARGE), one.suggested, one.score,
                [show(row, c, SMALL) for row in similar.get(one.row, ())],
            )
            for one in own.issues[:sheet]
        ]  # fmt: skip
    return cards, how


def find_similar(audit: LabelAudit, shown: Sequence[int], count: int) -> tuple[Mapping[int, list[int]], str]:
    """Return the similar views of each shown one, and by what they were found."""
    views = audit.views
    others = np.random.default_rng(0).permutation(len(views.names))[:CANDIDATES]
    rows = sorted({*shown, *others.tolist()})
    images = read_images([views.files[row] for row in rows], views.preprocessing)
    there = [(row, image) for row, image in zip(rows, images, strict=True) if image is not None]
    rows = [row for row, _ in there]
    features, how = compute_features(audit.held.runs[0], [image for _, image in there])
    queries = [place for place, row in enumerate(rows) if row in set(shown)]
    found = select_neighbors(features, [views.patients[row] for row in rows], queries, count)
    among = f"{how} of the first run, among {len(rows):,} of {len(views.names):,} views"
    return {rows[query]: [rows[n] for n in own] for query, own in zip(queries, found, strict=True)}, among


def encode_file(file: str, longest: int) -> str | None:
    """Return the image of a file as an address; None where it cannot be read."""
    try:
        return encode_gray(read_gray(file), longest)
    except UserError:
        return None


def describe_audit(audit: LabelAudit) -> str:
    """Describe an audit in a table."""
    content = audit.content
    lines = [f"{content['views']:,} views, {content['source']}, by the labels of {content['labels_of']}"]
    lines += [
        f"{'':<28}{'labels 1':>10}{'labels 0':>10}{'wrong of 1':>12}{'wrong of 0':>12}{'listed':>8}{'uncertain':>11}"
    ]
    for own in audit.issues:
        shares = [own.errors.share_wrong_positives, own.errors.share_wrong_negatives]
        cells = ["–" if math.isnan(share) else f"{100 * share:.1f} %" for share in shares]
        lines.append(
            f"{own.observation:<28}{own.positives:>10,}{own.negatives:>10,}{cells[0]:>12}{cells[1]:>12}"
            f"{len(own.issues):>8,}{own.uncertain:>11,}"
        )
    blank = "blank labels count as 0" if content["blank"] == "negative" else "blank labels are left out"
    return "\n".join([*lines, f"wrong: shares that the model expects; {blank}; uncertain labels are listed apart"])
