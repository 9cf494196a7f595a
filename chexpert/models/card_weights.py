"""Load the public weights of a card into a headless network: names, positions, the first layer and its statistics."""

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.models.key_layouts import KEY_LAYOUTS, KeyLayout, State, strip_prefix
from chexpert.models.stem import fit_stem, is_stem
from chexpert.models.weight_file import read_weight_file
from chexpert.weights import WeightCard

SHOWN = 5
"""Names that a message lists of each kind."""


def load_card(net: nn.Module, card: WeightCard, path: Path) -> None:
    """Load the file of a card into timm's network of that card.

    The network must exist for the images of the run: timm's filter resamples position embeddings to them.

    Raises:
        UserError: the file is another one than the card's, cannot be read safely, or has other names or shapes.
    """
    where = f"{path} for {card.name}"
    check_sha256(card, path)
    layout = _get_layout(net, card)
    state = strip_prefix(read_weight_file(path).tensors, layout.anchor)
    if state is None:
        message = (
            f"no network under the names of {card.title}, or several: {layout.anchor} stands there once in its file"
        )
        raise UserError(message, code="other-weights", where=where, hint=f"the file that {card.source} describes")
    with quiet_timm():
        state = get_filter(net)(layout.convert(state), net)
    state = {key: value for key, value in state.items() if not _is_extra(key, card.extra)}
    wanted = net.state_dict()
    state = merge_channels(state, wanted, card)
    _check_names(state, wanted, where)
    _check_tensors(state, wanted, where)
    net.load_state_dict({key: state.get(key, value) for key, value in wanted.items()})


@contextmanager
def quiet_timm() -> Iterator[None]:
    """Keep timm from logging that it resamples."""
    logger = logging.getLogger("timm")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def get_filter(net: nn.Module) -> Callable[[State, nn.Module], State]:
    """Return timm's own filter of checkpoints for the module that defines a network, or one that changes nothing."""
    module = sys.modules[type(net).__module__]
    return getattr(module, "checkpoint_filter_fn", lambda state, net: state)


def merge_channels(state: State, wanted: Mapping[str, torch.Tensor], card: WeightCard) -> State:
    """Return the state with a first layer of the network's channels.

    One channel gives for a gray image what three gave for its copies. Three that are wanted stay as they are.

    Each channel had its own mean m_c and standard deviation s_c, the gray one has their means m and s. So the weights
    of a channel are taken times s / s_c, and what is left, the sum of w_c (m - m_c) / s_c over a patch, is a constant
    that the bias takes up, or the position embeddings of the patches, where there is no bias. A layer that pads the
    image would need another constant at its edge: there channels are summed as timm does, which is nearly the same.
    """
    changed = dict(state)
    for key, value in state.items():
        target = wanted.get(key)
        if target is None or not is_stem(target, value):
            continue
        if value.shape[1] == 1 or not key.startswith("patch_embed."):
            changed[key] = fit_stem(value, target.shape[1])
            continue
        mean, std = (torch.tensor(own).broadcast_to(3).to(torch.float64) for own in (card.mean, card.std))
        scaled = value.double() * (card.gray_std / std).view(1, 3, 1, 1)
        changed[key] = fit_stem(scaled, 1).to(value.dtype)
        if len(set(card.mean)) > 1:
            constant = (value.double().sum((2, 3)) * ((card.gray_mean - mean) / std)).sum(1)
            _add_constant(changed, key, constant, wanted)
    return changed


def _add_constant(state: State, key: str, constant: torch.Tensor, wanted: Mapping[str, torch.Tensor]) -> None:
    bias = key.removesuffix("weight") + "bias"
    if bias in state:
        state[bias] = (state[bias].double() + constant).to(state[bias].dtype)
        return
    before = state["pos_embed"].shape[1] - _count_patches(wanted)
    positions = state["pos_embed"].double()
    positions[:, max(0, before) :] += constant
    state["pos_embed"] = positions.to(state["pos_embed"].dtype)


def _count_patches(wanted: Mapping[str, torch.Tensor]) -> int:
    """Positions of the network without that of the class token."""
    return wanted["pos_embed"].shape[1] - ("cls_token" in wanted)


def check_sha256(card: WeightCard, path: Path) -> None:
    """Check a file that has the card's file name; a converted copy has another name, and other bytes.

    Raises:
        UserError: its SHA-256 is another one.
    """
    if card.sha256 is None or path.name != card.file:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != card.sha256:
        message = f"another file than {card.title}: its SHA-256 is {found[:12]}..., the card's {card.sha256[:12]}..."
        raise UserError(message, code="changed-file", where=str(path), hint=f"get {card.file} again from {card.source}")


def _get_layout(net: nn.Module, card: WeightCard) -> KeyLayout:
    layout = KEY_LAYOUTS[card.layout]
    names = net.state_dict()
    if layout.anchor in names or card.layout != "timm":
        return layout
    stem = next(key for key, value in names.items() if value.ndim == 4)
    return layout._replace(anchor=stem)


def _is_extra(key: str, extra: Sequence[str]) -> bool:
    return any(key == one or (one.endswith(".") and key.startswith(one)) for one in extra)


def _check_names(state: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """The counters of BatchNorm may be absent, as in files of before there were any."""
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in wanted]
    if missing or unexpected:
        kinds = {"missing": missing, "unexpected": unexpected}
        message = "other names: " + ", ".join(f"{len(names)} {kind}{_list(names)}" for kind, names in kinds.items())
        raise UserError(message, code="other-weights", where=where, hint="a file of this network alone")


def _check_tensors(state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], where: str) -> None:
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            message = f"{key} is {tuple(value.shape)}, the network's is {tuple(wanted[key].shape)}"
            raise UserError(message, code="other-weights", where=where, hint="a file of this network alone")
        if value.is_floating_point() != wanted[key].is_floating_point():
            message = f"{key} is {value.dtype}, the network's is {wanted[key].dtype}"
            raise UserError(message, code="other-weights", where=where, hint="a file that was not quantized")


def _list(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" ({', '.join(names[:SHOWN])}{more})" if names else ""
