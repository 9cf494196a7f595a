"""Weights for a backbone: from timm's hub, or from a file of whatever origin."""

import logging
import socket
import urllib.request
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import safetensors.torch
import timm
import torch
from timm.models import adapt_input_conv

from chexpert.problem import ProblemError

WAYS_OUT = (
    "pretrained=false trains from scratch; pretrained=PATH takes a file (safetensors, a state dict, a checkpoint)"
)


def create_pretrained(name: str, **options: Any) -> torch.nn.Module:
    """timm's model with its ImageNet weights, from timm's cache or the network.

    Raises:
        ProblemError: the weights cannot be had; it names the ways out.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say the same five times
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    if _offline():
        huggingface_hub.constants.HF_HUB_OFFLINE = True  # a cached file still loads, a miss fails at once
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise ProblemError(
            f"the pretrained weights of {name} cannot be had: {first_line(error)}",
            where=f"backbone {name}",
            mend=WAYS_OUT,
        ) from error
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before


def load_weights(net: torch.nn.Module, path: str | Path, name: str) -> dict[str, tuple[float, ...]]:
    """Loads a file into a headless network, wherever in the file its weights stand.

    Read are safetensors, plain state dicts and checkpoints (of this project, of Lightning, of DataParallel): the
    entries may carry any prefix; other entries (heads, other members) are left alone. A stem with three input
    channels is summed to one, as timm does.

    Returns:
        The gray ``mean`` and ``std`` beside the weights in a checkpoint of this project: they belong together.

    Raises:
        ProblemError: not a weight file; no weights of this network in it, or several; other shapes.
    """
    found = read_state(Path(path))
    wanted = net.state_dict()
    prefix = _find_prefix(found, list(wanted), f"{path} for backbone {name}")
    state = {key: found.get(prefix + key, value) for key, value in wanted.items()}
    for key, value in wanted.items():
        if value.ndim == state[key].ndim == 4 and (value.shape[1], state[key].shape[1]) == (1, 3):  # a stem
            state[key] = adapt_input_conv(1, state[key])
    wrong = [key for key in wanted if state[key].shape != wanted[key].shape]
    if wrong:
        what = f"{wrong[0]} is {tuple(state[wrong[0]].shape)}, the network's is {tuple(wanted[wrong[0]].shape)}"
        raise ProblemError(f"weights of another shape: {what}", where=f"{path} for backbone {name}", mend=WAYS_OUT)
    net.load_state_dict(state)
    beside = prefix.removesuffix("net.")
    return {key: (float(found[beside + key]),) for key in ("mean", "std") if beside != prefix and beside + key in found}


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weight file by name, read without running code from it."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        what = f"no weight file that can be read safely: {first_line(error)}"
        raise ProblemError(what, where=str(path), mend="give a safetensors file or a plain state dict") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else None
    return {key: value for key, value in (content or {}).items() if isinstance(value, torch.Tensor)}


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _find_prefix(found: dict[str, torch.Tensor], wanted: list[str], where: str) -> str:
    """The one prefix under which all wanted entries stand; step counters of BatchNorm may be absent."""
    needed = [key for key in wanted if not key.endswith("num_batches_tracked")]
    first = needed[0]
    prefixes = [key.removesuffix(first) for key in found if key == first or key.endswith("." + first)]
    prefixes = [prefix for prefix in prefixes if all(prefix + key in found for key in needed)]
    if len(prefixes) == 1:
        return prefixes[0]
    what = f"its weights stand there {len(prefixes)} times: {prefixes}" if prefixes else "its weights are not there"
    raise ProblemError(what, where=where, mend="give the weights of this very architecture, once")


def _offline() -> bool:
    """True where no proxy is set and the hub's name is unknown: waiting for five retries would change nothing."""
    if urllib.request.getproxies():
        return False
    host = huggingface_hub.constants.ENDPOINT.split("//")[-1].split("/")[0].split(":")[0]
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return True
    return False
