"""Networks with averages of the weights of several checkpoints, evaluated on the members' data."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, load, load_state
from chexpert.checkpoints.averaged import average_weights
from chexpert.data import CheXpertDataModule
from chexpert.evaluation import Named, join_labels, read_labels
from chexpert.evaluation.members import compare_with_members
from chexpert.inference.member_scores import name_scores, predict_checkpoints
from chexpert.inference.opened_run import limit_batch, open_config_data, prepare
from chexpert.inference.soup_data import hold_out_of_all
from chexpert.inference.soup_members import SoupMember
from chexpert.metrics import auroc
from chexpert.models import Model
from chexpert.models.batch_norm import list_learning_layers, recompute_statistics
from chexpert.runs import files as run_files
from chexpert.training.model_scores import Watch, predict_models


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
