"""A weight soup (Wortsman et al. 2022, arxiv.org/abs/2203.05482): one network with the mean of several's weights."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, load, load_state
from chexpert.checkpoints.averaged import average_weights
from chexpert.data import CheXpertDataModule, reporting_dead_workers
from chexpert.errors import UserError
from chexpert.evaluation import Named, join_labels, read_labels
from chexpert.evaluation.members import compare_with_members
from chexpert.evaluation.run import find_development
from chexpert.inference.member_scores import name_scores, predict_checkpoints
from chexpert.inference.members import find_choice, find_members
from chexpert.inference.opened_run import limit_batch, open_config_data, prepare
from chexpert.inference.soup_data import hold_out_of_all, note_start
from chexpert.inference.soup_folder import write_soup
from chexpert.inference.soup_members import (
    SoupMember,
    describe_members,
    describe_start,
    merge_metadata,
    name_member,
    read_soup_members,
)
from chexpert.metrics import auroc
from chexpert.models import Model
from chexpert.models.batch_norm import list_learning_layers, recompute_statistics
from chexpert.report.names import names_file
from chexpert.runs import files as run_files
from chexpert.training.model_scores import Watch, predict_models

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


class Averager:
    """The members' data, opened once, and networks with averages of their weights.

    Args:
        members: of one network.
        images: training images behind the statistics of batch normalization.
        watch: shows progress.
    """

    def __init__(self, members: Sequence[SoupMember], images: int, watch: Watch) -> None:
        self.members, self.watch, self._most = members, watch, images
        self.images = 0
        """Training images that were read for the last average."""
        loaded = load(members[0].path)
        config = loaded.config | {"observations": loaded.observations}
        config["data"] = config["data"] | {"batch_size": limit_batch(loaded)}
        self.data: CheXpertDataModule = open_config_data(
            config, None, hint="restore them: a soup is evaluated on them", learned=True,
            test=bool(config["data"].get("test")), policy=False,
        )  # fmt: skip
        self.loaded: Loaded = loaded
        self.config, self.held, self.notes = hold_out_of_all(self.data, config, [one.config for one in members])

    def average(self, places: Sequence[int]) -> Model:
        """Return the network with the mean of these members' weights, in evaluation mode on its device."""
        state = average_weights([self.members[place].weights for place in places])
        load_state(self.loaded.model, state, str(self.members[0].path))
        model = prepare(self.loaded).eval()
        self.images = 0
        if len(places) > 1 and list_learning_layers(model):
            batches = self._training_images(next(model.parameters()).device)
            self.images = recompute_statistics(model, batches, seed=self.config["seed"])
        return model

    def _training_images(self, device: torch.device) -> Iterator[torch.Tensor]:
        """Yield training images as training shows them, augmented and in random order, up to the limit."""
        seen = 0
        for batch in self.watch(self.data.train_dataloader()):
            if seen >= self._most:
                return
            if batch.paths:
                moved = self.data.transfer_batch_to_device(batch, device, 0)
                yield self.data.on_after_batch_transfer(moved, 0).images
                seen += len(batch.paths)

    def predict_members(self, split: str) -> list[Named]:
        """Return the probabilities of each member on a split."""
        self.data.evaluated_split = split
        paths = [member.path for member in self.members]
        return [scores for _, scores in predict_checkpoints(paths, self.data, self.watch)]

    def predict(self, model: Model, split: str) -> Named:
        """Return the probabilities of a network on a split."""
        self.data.evaluated_split = split
        names, (scores,) = predict_models([model], self.watch(self.data.val_dataloader()))
        return name_scores(Path("soup"), names, scores, self.loaded.observations)

    def try_soup(self, places: Sequence[int], split: str) -> float:
        """Return the mean AUROC of a soup of these members on a split."""
        return self.evaluate(self.predict(self.average(places), split), split)

    def evaluate(self, scores: Named, split: str) -> float:
        """Return the mean AUROC of scores of a split, as the run evaluates it; NaN where none is defined."""
        views = self.data.datasets[split]
        truth = np.where(views.mask.numpy(), views.targets.numpy(), np.nan)
        known = Named(Path(split), "Path", list(views.paths), dict(zip(self.loaded.observations, truth.T, strict=True)))
        labeled = join_labels(scores, known, self.config["level"], self.config["study_score"])
        values = [auroc(*labeled.column(name)[:2]).value for name in self.config["mean_over"]]
        defined = [value for value in values if not math.isnan(value)]
        return math.fsum(defined) / len(defined) if defined else math.nan

    def compare(
        self, own: Named, scores: Sequence[Named], split: str, folder: Path, best: int | None, chosen_on: str | None
    ) -> dict[str, Any]:
        """Return the paired differences of a soup to the ensemble of all members and to the best one."""
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            names = [str(member.path) for member in self.members]
        return compare_with_members(
            own, dict(zip(names, scores, strict=True)), read_labels(run_files.labels(folder, split)),
            mean_over=self.config["mean_over"], level=self.config["level"], views=self.config["study_score"],
            best=None if best is None else names[best], best_chosen_on=chosen_on, seed=self.config["seed"],
        )  # fmt: skip
