"""The explainers that can be chosen in the viewer: those that work on its model."""

from functools import cached_property
from typing import Any

import torch

from chexpert.checkpoints import Loaded
from chexpert.conf_folder import find_conf, list_options
from chexpert.config import build
from chexpert.errors import UserError
from chexpert.explain import Explainer, View, explain_view
from chexpert.explain.explainer_check import find_fault
from chexpert.inference.explain_settings import compose_settings
from chexpert.inference.opened_run import move_to_device
from chexpert.serve.job_queue import Job
from chexpert.serve.pictures import encode_map

FIRST = ("gradcam", "hirescam")
"""Explainers that stand first, where they work; then those of the run, then the others by their passes."""
CONTROLS = ("random",)
"""Explainers that explain nothing."""


class ServedExplainers:
    """The explainers of conf/explainer by name, with the settings that the run gave them.

    Args:
        loaded: the run's model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    @cached_property
    def by_name(self) -> dict[str, Explainer]:
        """Those that give a map on this model, each tried on an image of a gray ramp; none of exported weights."""
        if "explainer" not in self.loaded.config:
            return {}
        model, size = move_to_device(self.loaded.model), self.loaded.preprocessing.size
        built = {name: own for name in list_options("explainer") if (own := self._build(name))}
        working = {name: own for name, own in built.items() if not find_fault(model, own, size)}
        return {name: working[name] for name in sorted(working, key=lambda name: self._rank(name, working[name]))}

    def describe(self) -> list[dict[str, Any]]:
        """Return name and number of passes of each explainer, in the order of the page."""
        return [{"name": name, "passes": own.passes(1)} for name, own in self.by_name.items()]

    def explain(self, view: View, method: str, observation: str, job: Job) -> dict[str, Any]:
        """Explain one output for a view, to the same map as ``chexpert explain``.

        Args:
            view: the image.
            method: one of ``by_name``.
            observation: one of the model's.
            job: its progress is kept up, and its cancelling ends the work.

        Raises:
            JobCancelledError: the job was cancelled.
            UserError: the explainer fails.
        """
        explainer = self.by_name[method]
        model = move_to_device(self.loaded.model).to(memory_format=torch.contiguous_format)  # as explain_image has it
        with job.counting_passes(model, explainer.passes(1)):
            (found,) = explain_view(model, explainer, view, self.loaded.observations, method, only=[observation])
        address, silent = encode_map(found)
        return {"method": method, "observation": observation, "probability": found.probability, "map": address,
                "silent": silent, "unit": found.unit}  # fmt: skip

    def _build(self, name: str) -> Explainer | None:
        """Build an explainer; None where it needs something that is not there, such as a library."""
        if name in CONTROLS:
            return None
        try:
            nodes, _ = compose_settings(self.loaded.config, [name], find_conf(), (), "explainer")
            return build(nodes[name], f"explainer.{name}")
        except UserError:
            return None

    def _rank(self, name: str, explainer: Explainer) -> tuple[int, int, str]:
        if name in FIRST:
            return FIRST.index(name), 0, name
        own = name in self.loaded.config["explainer"]
        return len(FIRST) + (not own), explainer.passes(1), name
