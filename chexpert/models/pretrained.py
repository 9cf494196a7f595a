"""Weights for a backbone: from timm's hub, or from a file of whatever origin."""

import logging
import os
import re
import shlex
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub.constants
import timm
import torch

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.models.positions import POSITIONS, find_made_for, fit_bias_tables, fit_positions
from chexpert.models.stem import fit_stem, is_stem
from chexpert.models.weight_file import first_line, read_weight_file
from chexpert.weights import read_cards

MEMBER = re.compile(r"_members\.([^.]+)\.net\.$")
"""The branch name in the prefix of a network's weights in a checkpoint of this project."""
WAYS_OUT = (
    "pretrained=false trains from scratch; pretrained=PATH takes a file (safetensors, a state dict, a checkpoint), "
    "pretrained=NAME:PATH that of public weights (chexpert weights list), "
    "of a combined model's member model.members.NAME.pretrained=PATH"
)
OF_POSITIONS = "take the data.image_size that the weights were made for: positions of this kind are not resampled"


def create_pretrained(name: str, **options: Any) -> torch.nn.Module:
    """Create timm's model with its ImageNet weights, from timm's cache or the network.

    Raises:
        UserError: the weights cannot be had; it names the ways out.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say the same five times
    try:
        _check_release(timm.get_pretrained_cfg(name))
        with avoiding_retries():
            return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the pretrained weights of {name} cannot be had: {first_line(error)}",
            code="download",
            where=f"backbone {name}",
            hint=WAYS_OUT,
        ) from error


def _check_release(about: Any) -> None:
    """Raise where a file that is not on the Hub would be fetched although nothing is to be downloaded."""
    if about and about.url and not about.hf_hub_id:
        check_offline(Path(torch.hub.get_dir()) / "checkpoints" / about.url.rpartition("/")[2])


def check_offline(path: Path) -> None:
    """Raise OSError where a file of a release is missing and ``HF_HUB_OFFLINE`` is set, which torch does not read."""
    if huggingface_hub.constants.HF_HUB_OFFLINE and not path.is_file():
        raise OSError(f"HF_HUB_OFFLINE is set, and there is no {path}")


@contextmanager
def avoiding_retries() -> Iterator[None]:
    """Let the Hub's library answer from its cache alone where there is no network: a miss fails at once."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    if _offline():
        huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before


class LoadedWeights(NamedTuple):
    """What stands in a file beside the weights: gray ``mean`` and ``std``, and the metadata of its run."""

    statistics: Mapping[str, tuple[float, ...]]
    metadata: Mapping[str, Any] | None


def load_weights(net: torch.nn.Module, path: str | Path, name: str, *, own_statistics: bool = False) -> LoadedWeights:
    """Load a file into a headless network, wherever in the file its weights stand.

    Read are safetensors, plain state dicts and checkpoints (of this project, of timm, Lightning, DataParallel,
    torch.compile, or any that nests the weights under a key, such as ``model``): the entries may carry any prefix;
    other entries (heads, other members) are left alone. A stem with three input channels is summed to one, as timm
    does, and one with a single channel is divided among three. Absolute and relative position embeddings are
    resampled to the network's.

    Args:
        net: of timm, changed in place.
        path: of the file.
        name: of the network.
        own_statistics: whether the config has a mean and a standard deviation: then a file that looks like that of
            public weights may be another's.

    Returns:
        The gray ``mean`` and ``std`` beside the weights in a checkpoint of this project, which belong together, and
        its metadata.

    Raises:
        UserError: not a weight file; no weights of this network in it, or several; other shapes; or those of public
            weights, which have a mean and a standard deviation of their own.
    """
    found, metadata = read_weight_file(Path(path))
    if not own_statistics:
        _refuse_public(found, path, name)
    wanted = net.state_dict()
    prefix = _find_prefix(found, list(wanted), f"{path} for backbone {name}")
    state = {key: found.get(prefix + key, value) for key, value in wanted.items()}
    for key, value in wanted.items():
        if is_stem(value, state[key]):
            state[key] = fit_stem(state[key], value.shape[1])
    if POSITIONS in state:
        state[POSITIONS] = fit_positions(net, state[POSITIONS], _find_made_for(metadata, prefix))
    state = fit_bias_tables(net, state, size=_find_made_for(metadata, prefix))
    wrong = [key for key in wanted if state[key].shape != wanted[key].shape]
    if wrong:
        message = f"{wrong[0]} is {tuple(state[wrong[0]].shape)}, the network's is {tuple(wanted[wrong[0]].shape)}"
        raise UserError(
            f"weights of another shape: {message}",
            code="other-weights",
            where=f"{path} for backbone {name}",
            hint=OF_POSITIONS if "pos" in wrong[0].rpartition(".")[2] else WAYS_OUT,
        )
    net.load_state_dict(state)
    beside = prefix.removesuffix("net.")
    names = [key for key in ("mean", "std") if beside != prefix and beside + key in found]
    own = {key: tuple(found[beside + key].flatten().tolist()) for key in names}
    return LoadedWeights(own, metadata)


def _find_made_for(metadata: Mapping[str, Any] | None, prefix: str) -> ImageSize | None:
    config, match = (metadata or {}).get("config"), MEMBER.search(prefix)
    return find_made_for(config, match[1]) if isinstance(config, Mapping) and match else None


def _refuse_public(found: Iterable[str], path: str | Path, name: str) -> None:
    """Raise where the names are those of public weights, whose mean and std timm's would stand in for."""
    dotted = [f".{key}." for key in found]
    cards = [
        card
        for card in read_cards().values()
        if card.network == name and any(f".{mark.rstrip('.')}." in key for mark in card.telltale for key in dotted)
    ]
    if cards:
        message = f"its names are those of public weights with a mean and std of their own: {cards[0].title}"
        ways = " or ".join(f"pretrained={card.name}:{path}" for card in cards)
        hint = f"{ways}; where it is another file: backbone.mean=... and backbone.std=... of its training"
        raise UserError(message, code="other-weights", where=f"{path} for backbone {name}", hint=hint)


def _find_prefix(found: Mapping[str, torch.Tensor], wanted: Sequence[str], where: str) -> str:
    """The one prefix under which all wanted entries stand; step counters of BatchNorm may be absent.

    Where they stand there several times, ``state_dict`` is what a checkpoint is used by: the others are averages or
    what an average is made of.
    """
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    count = Counter(prefix for key in found for prefix, rest in _split(key) if rest in needed)
    prefixes = [prefix for prefix in count if count[prefix] == len(needed)]
    usual = [prefix for prefix in prefixes if prefix.startswith("state_dict.")]
    if len(prefixes) == 1:
        return prefixes[0]
    if len(usual) == 1:
        others = ", ".join(prefix.rstrip(".") for prefix in prefixes if prefix not in usual)
        log.log(NOTE, f"{where}: weights of state_dict; {others} would fit too")
        return usual[0]
    if prefixes:
        message = f"its weights stand there {len(prefixes)} times: {prefixes}"
        raise UserError(
            message,
            code="other-weights",
            where=where,
            hint=f"save one of them alone: {_write_command(where, prefixes[0])}",
        )
    hint = "give weights of this network under timm's names"
    raise UserError(_describe_lack(found, needed, count), code="other-weights", where=where, hint=hint)


def _split(key: str) -> Iterator[tuple[str, str]]:
    """All ways to take a name apart at a dot into a prefix and the rest."""
    yield "", key
    for place, letter in enumerate(key):
        if letter == ".":
            yield key[: place + 1], key[place + 1 :]


def _describe_lack(found: Mapping[str, torch.Tensor], needed: Set[str], count: Counter[str]) -> str:
    """What of a network a file has, and what it has in its place."""
    if not found:
        return "its weights are not there: the file holds no tensor under a name"
    if not count:
        return f"its weights are not there: none of {len(needed)} names; the file has {_show(sorted(found))}"
    best = max(count, key=lambda prefix: count[prefix])
    names = [key.removeprefix(best) for key in found if key.startswith(best)]
    missing = sorted(needed - set(names))
    other = sorted(name for name in names if name not in needed and not name.endswith("num_batches_tracked"))
    under = f"under {best!r} " if best else ""
    return (
        f"its weights are not there: {under}{len(missing)} of {len(needed)} are missing ({_show(missing)}), "
        f"{len(other)} are others ({_show(other)})"
    )


def _show(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def _write_command(where: str, prefix: str) -> str:
    """A command that leaves one of several networks of a file in a file of its own."""
    path = where.rpartition(" for backbone ")[0]
    code = (
        "import sys, torch; from pathlib import Path; from chexpert.models.weight_file import read_weight_file; "
        "old, new, prefix = sys.argv[1:]; "
        "tensors = read_weight_file(Path(old)).tensors.items(); "
        "torch.save({key.removeprefix(prefix): value for key, value in tensors if key.startswith(prefix)}, new)"
    )
    return shlex.join(["python", "-c", code, path, "one.pt", prefix]) + "; then pretrained=one.pt"


def get_endpoint() -> str:
    """Return the address of the Hub: that of a mirror where ``HF_ENDPOINT`` names one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or huggingface_hub.constants.ENDPOINT


def _offline() -> bool:
    """True where no proxy is set and the hub's name is unknown: waiting for five retries would change nothing."""
    if urllib.request.getproxies():
        return False
    host = get_endpoint().split("//")[-1].split("/")[0].split(":")[0]
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return True
    return False
