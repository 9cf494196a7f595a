"""A copy of a model that a package may change at will, and the random state as it was."""

import copy
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from chexpert.models import Model


@contextmanager
def borrow(model: Model) -> Iterator[Model]:
    """Copy a model for a package, which may leave hooks, modes, gradients or layers of its own in it.

    The copy is in evaluation mode, no weight has a gradient, and no activation works in place: a backward pass of
    DeepLift or guided backpropagation needs the values before it. Random states are as before at the end.

    Args:
        model: model, which stays as it is, also after an error.

    Yields:
        The copy, where gradients are allowed.
    """
    quiet = warnings.catch_warnings()
    with torch.inference_mode(False), torch.enable_grad(), keep_random_state(model), warn_of_nondeterminism(), quiet:
        warnings.filterwarnings("ignore", module="captum")  # that it sets hooks: on the copy
        borrowed = copy.deepcopy(model).eval().requires_grad_(False)
        for module in borrowed.modules():
            if isinstance(getattr(module, "inplace", None), bool):
                module.inplace = False  # type: ignore[assignment]
        yield borrowed


@contextmanager
def warn_of_nondeterminism() -> Iterator[None]:
    """Warn where ``trainer.deterministic=true`` would raise: of some operations CUDA has no other version.

    An example is the unpooling of captum's DeepLift. The maps may then differ in their last digits between two calls.
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    only_warn = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(enabled, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=only_warn)


@contextmanager
def keep_random_state(model: Model) -> Iterator[None]:
    """Restore the random states of torch, numpy and Python at the end."""
    devices = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002 - the packages use it
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


def seed_all(seed: int) -> None:
    """Seed the random numbers of torch, numpy and Python, within :func:`keep_random_state`."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)
