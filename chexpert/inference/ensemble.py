"""The average of what several checkpoints, or files of predictions, say of the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation import Named, read_labels, to_studies
from chexpert.evaluation.disagreement import evaluate_disagreement, select_members
from chexpert.evaluation.ensemble import average
from chexpert.inference.member_scores import Watch, read_members
from chexpert.inference.members import (
    describe_choice,
    find_checkpoints,
    find_choice,
    find_members,
    find_run,
    find_split,
)
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import NOTE, is_synthetic_path


@dataclass(frozen=True)
class Ensemble:
    """What was averaged, and how.

    Attributes:
        predictions: the average, one row a view or study.
        members: checkpoints and files by observation.
        chosen_on: of each member the split that its epoch was chosen on; None where that is not recorded.
        optimistic: members whose epoch was chosen on the very rows that they score here.
        how: ``mean`` or ``rank``.
        short: runs that kept fewer checkpoints than were asked for, and how many.
        labels: what a run among the members was evaluated by on these rows; None where there is none.
        scores: of each member, at the level of the average.
    """

    predictions: Named
    members: Mapping[str, Sequence[Path]]
    chosen_on: Mapping[Path, str | None]
    optimistic: Sequence[Path]
    how: str
    short: Mapping[Path, int]
    labels: Path | None
    scores: Mapping[Path, Named]


def ensemble(
    lists: Mapping[str, Sequence[Path]] | Sequence[Path],
    *,
    top_k: int | None = None,
    split: str = "valid",
    how: str = "mean",
    level: str = "image",
    views: str = "max",
    watch: Watch = iter,
) -> Ensemble:
    """Average runs (their best checkpoints), checkpoints and files of predictions.

    Args:
        lists: the members of every observation, or of each its own (Irvin et al. 2019).
        top_k: so many of the best checkpoints of each run; by default all that it kept.
        split: ``dev``, ``valid`` or ``test`` of the runs' data.
        how: ``mean``, or ``rank`` over the rows.
        level: ``image``; ``study``: the average of the members' scores of a study.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        watch: shows progress.

    Raises:
        UserError: members of different observations or rows, or one that cannot be read.
    """
    own = lists if isinstance(lists, Mapping) else {"": lists}
    members = {name: find_members(paths, top_k) for name, paths in own.items()}
    files = list(dict.fromkeys(path for paths in members.values() for path in paths))
    read = {path: resolve_level(scores, level, views) for path, scores in read_members(files, split, watch)}
    if not isinstance(lists, Mapping):
        members = dict.fromkeys(share_observations([read[path] for path in files]), files)
    averaged = average({name: [read[path] for path in paths] for name, paths in members.items()}, how)
    chosen = {path: find_choice(path) for path in files}
    return Ensemble(
        averaged, members, chosen,
        [path for path in files if chosen[path] and chosen[path] == find_split(path, split)],
        how, find_short([path for paths in own.values() for path in paths], top_k), find_labels(files, split), read,
    )  # fmt: skip


def find_short(paths: Sequence[Path], top_k: int | None) -> dict[Path, int]:
    """Return the runs that have fewer checkpoints than ``top_k``, with their number."""
    kept = {path: len(find_checkpoints(path, top_k)) for path in paths if path.is_dir()}
    return {run: count for run, count in kept.items() if top_k and count < top_k}


def find_labels(files: Sequence[Path], split: str) -> Path | None:
    """Return the labels that a run among the members was evaluated by on the rows of the ensemble."""
    named = [(find_run(file), find_split(file, split)) for file in files]
    found = [run_files.labels(run, own) for run, own in named if run and own]
    return next((path for path in found if path.is_file()), None)


def share_observations(members: Sequence[Named]) -> list[str]:
    """Return the observations, which all members must have."""
    first = members[0]
    for member in members[1:]:
        if differ := set(first.columns) ^ set(member.columns):
            message = f"members of different observations: {', '.join(sorted(differ))} only in one"
            hint = "take members of the same observations, or list those of each: --members FILE"
            raise UserError(message, code="other-observations", where=f"{first.path} and {member.path}", hint=hint)
    return list(first.columns)


def resolve_level(member: Named, level: str, views: str) -> Named:
    """Return the member's scores of views or of studies."""
    if level == "image" and member.key == "Study":
        message = "scores of studies, where those of single views are averaged"
        raise UserError(message, code="level", where=str(member.path), hint="average studies: --level study")
    return to_studies(member, views) if level == "study" else member


def describe_ensemble(made: Ensemble) -> str:
    """Describe an ensemble: its members, how they were chosen, and what that means for its metrics."""
    averaged, files = made.predictions, list(made.chosen_on)
    rows = "studies" if averaged.key == "Study" else "single views"
    members = f"{len(files)} member{'s' * (len(files) > 1)}"
    lines = [f"ensemble:      {made.how} of {members}, {len(averaged.names):,} {rows}"]
    lines += [f"  {file}  {describe_choice(file, chosen)}" for file, chosen in made.chosen_on.items()]
    if any(len(paths) < len(files) for paths in made.members.values()):
        lines += [f"  {name}: {', '.join(map(str, paths))}" for name, paths in made.members.items()]
    return "\n".join([*lines, *(f"note: {note}" for note in list_notes(made))])


def list_notes(made: Ensemble) -> list[str]:
    """List what a reader of the ensemble's metrics must know."""
    notes = [f"{run} kept only {count}; train with save_top_k=N for more" for run, count in made.short.items()]
    if made.optimistic:
        message = f"epochs of {len(made.optimistic)} of {len(made.chosen_on)} members were chosen on these same images"
        notes.append(f"{message}: metrics of the ensemble on them are optimistic")
    if any(map(is_synthetic_path, made.chosen_on)):
        notes.append(NOTE)
    if made.how == "rank":
        notes.append("scores are mean ranks over the rows of this file, from 1 on: no probabilities, and not to be "
                     "compared with those of another file")  # fmt: skip
    return notes


def compare_members(
    made: Ensemble, labels: Path | None, level: str, views: str, threshold: float, *, required: bool = False
) -> dict[str, Any] | str:
    """Return the members' disagreement, or one line that says why there is none.

    Args:
        made: the ensemble.
        labels: of its rows; None: those of a run among the members.
        level: of the ensemble.
        views: by which its views became studies.
        threshold: at which a member is right or wrong.
        required: whether there must be one.

    Raises:
        UserError: these labels cannot be read or are of other rows; or there are none, and they are ``required``.
    """
    file = labels or made.labels
    try:
        if file is None:
            raise UserError(
                "the members' disagreement needs labels", code="missing-labels", where="--labels",
                hint="give the labels of these rows: --labels L.csv",
            )  # fmt: skip
        members = select_members(made.members, made.scores)
        return evaluate_disagreement(members, read_labels(file), level, views, threshold)
    except UserError as error:
        if labels or required:
            raise
        return f"members' errors: not compared, {error.message}; {error.hint}"
