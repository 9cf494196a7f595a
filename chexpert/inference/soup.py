"""A weight soup (Wortsman et al. 2022, arxiv.org/abs/2203.05482): one network with the mean of several's weights."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.data import reporting_dead_workers
from chexpert.errors import UserError
from chexpert.evaluation.run import find_development
from chexpert.inference.members import find_choice, find_members
from chexpert.inference.soup_averager import Averager
from chexpert.inference.soup_data import note_start
from chexpert.inference.soup_folder import write_soup
from chexpert.inference.soup_members import (
    SoupMember,
    describe_members,
    describe_start,
    merge_metadata,
    name_member,
    read_soup_members,
)
from chexpert.report.names import names_file
from chexpert.runs import files as run_files
from chexpert.training.model_scores import Watch

METHODS = ("uniform", "greedy")
IMAGES = 8192
"""Training images by which statistics of batch normalization are computed: a mean over so many varies by little."""


@dataclass
class Soup:
    """A soup that has been made.

    Attributes:
        folder: the run folder.
        start: which start the members share, in words.
        members: all of them.
        chosen: places of those that are averaged.
        steps: of the greedy order: the member's place, the AUROC with it, and whether it was taken.
        chosen_on: the split of the greedy order and of the best member; None: there is none but the reported one.
        images: training images behind the statistics of batch normalization; 0: nothing to compute.
        comparisons: by split, see :func:`chexpert.evaluation.members.compare_with_members`.
        notes: what a reader must know.
    """

    folder: Path
    start: str
    members: Sequence[SoupMember]
    chosen: Sequence[int]
    steps: Sequence[dict[str, Any]]
    chosen_on: str | None
    images: int
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@reporting_dead_workers()
def make_soup(
    paths: Sequence[Path], folder: Path, *, method: str = "uniform", top_k: int | None = None, images: int = IMAGES,
    command: str = "", watch: Watch = iter,
) -> Soup:  # fmt: skip
    """Average the weights of checkpoints, evaluate the result, and write it as a run folder.

    Args:
        paths: runs (their best checkpoints) and checkpoints.
        folder: of the new run; empty.
        method: ``uniform``: all; ``greedy``: from the best on, each that does not lower the mean AUROC.
        top_k: so many of the best checkpoints of each run; by default all that it kept.
        images: training images behind the statistics of batch normalization.
        command: that made it, for state.json.
        watch: shows progress.

    Raises:
        UserError: the members cannot be averaged, or a greedy order has no split to be chosen on.
    """
    members = read_soup_members(find_members(paths, top_k))
    start = describe_start(members)
    averager = Averager(members, images, watch)
    averager.notes += note_start(averager.config, averager.held)
    chosen_on = find_development(averager.data.reported)
    if method == "greedy" and chosen_on is None:
        message = "a greedy order needs a split that is not reported"
        message += "" if averager.held else ": no patient was held out by all runs"
        hint = "runs with data.dev=0.1 of one seed, or with data.test=true, for which it is chosen on valid; "
        hint += "or --method uniform"
        raise UserError(message, code="missing-split", where=str(members[0].path), hint=hint)
    scores = {split: averager.predict_members(split) for split in averager.data.reported}
    values = [averager.evaluate(one, chosen_on) for one in scores[chosen_on]] if chosen_on else []
    chosen, steps = list(range(len(members))), list[dict[str, Any]]()
    if method == "greedy":
        chosen, steps = select_greedily(values, lambda places: averager.try_soup(places, chosen_on or ""))
    model = averager.average(chosen)
    soup = Soup(folder, start, members, chosen, steps, chosen_on, averager.images, notes=list(averager.notes))
    own = {split: averager.predict(model, split) for split in averager.data.reported}
    epochs = {find_choice(member.path) for member in members}
    metadata, stored = describe_soup(soup, method), merge_metadata([members[place] for place in chosen])
    finish = write_soup(
        folder, averager.data, averager.config, stored, model.state_dict(), metadata, own,
        chosen_on=chosen_on if method == "greedy" else epochs.pop() if len(epochs) == 1 else None, command=command,
    )  # fmt: skip
    best = int(np.nanargmax(values)) if values and not np.isnan(values).all() else None
    for split in averager.data.reported:
        if split != chosen_on:
            soup.comparisons[split] = averager.compare(own[split], scores[split], split, folder, best, chosen_on)
    run_files.write_json(
        folder / run_files.SOUP,
        metadata | {"names": [member.name for member in members], "comparisons": soup.comparisons, "notes": soup.notes},
    )
    finish()
    return soup


def describe_soup(soup: Soup, method: str) -> dict[str, Any]:
    """Return what a soup was made of: it travels with the weights, and has no path."""
    return {
        "kind": "soup", "method": method, "start": hide_start(soup.start),
        "members": describe_members(soup.members, soup.chosen),
        "left_out": describe_members(soup.members, [n for n in range(len(soup.members)) if n not in soup.chosen]),
        "chosen_on": soup.chosen_on if method == "greedy" else None,
        "steps": [step | {"member": name_member(step["member"])} for step in soup.steps],
        "batch_norm_images": soup.images,
    }  # fmt: skip


def hide_start(start: str) -> str:
    """Return a start in words, without a name that may be a file's.

    >>> hide_start("start_from=weights 0123456789ab"), hide_start("start_from=ward3"), hide_start("pretrained=a/b.pt")
    ('start_from=weights 0123456789ab', 'the same weights', 'the same weights')
    """
    if start.startswith("start_from="):
        return start if re.fullmatch(r"start_from=weights [0-9a-f]{12}", start) else "the same weights"
    return "the same weights" if names_file(start) else start


def select_greedily(
    values: Sequence[float], evaluate: Callable[[list[int]], float]
) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the members of a greedy soup: from the best on, each that does not lower the value of the soup so far.

    Args:
        values: of each member alone, such as its AUROC; NaN comes last, and is never taken.
        evaluate: returns the value of a soup of members.

    Returns:
        The places of the members in the order in which they were taken, and each step: ``member``, ``value`` of the
        soup with it, ``taken``.

    >>> select_greedily([0.7, 0.9, 0.8], lambda places: {(1, 2): 0.92, (1, 2, 0): 0.91}[tuple(places)])[0]
    [1, 2]
    """
    order = sorted(range(len(values)), key=lambda place: (math.isnan(values[place]), -values[place], place))
    chosen, best = [order[0]], values[order[0]]
    steps = [{"member": order[0], "value": best, "taken": True}]
    for place in order[1:]:
        value = evaluate([*chosen, place])
        taken = value >= best
        if taken:
            chosen, best = [*chosen, place], value
        steps.append({"member": place, "value": value, "taken": taken})
    return chosen, steps
