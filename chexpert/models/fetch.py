"""Get the file of public weights: from the Hugging Face Hub or a release, or an error that names the way by hand."""

import json
import logging
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import timm
import torch

from chexpert.errors import UserError
from chexpert.models.pretrained import avoiding_retries, check_offline
from chexpert.models.weight_file import first_line
from chexpert.weights import HUB, WeightCard

STATE_DICT_PROGRAM = (
    "import sys, torch; states = lambda value: value.state_dict() if hasattr(value, 'state_dict') else "
    "{str(key): states(one) for key, one in value.items()} if isinstance(value, dict) else "
    "value if torch.is_tensor(value) else None; "
    "torch.save(states(torch.load(sys.argv[1], map_location='cpu', weights_only=False)), sys.argv[2])"
)
"""Makes a state dict of a pickled module, or of a mapping that holds some. It runs the file's code: only for who trusts
it."""

TIMM_STATISTICS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""timm's own, of a network whose config says nothing."""


def fetch(card: WeightCard) -> Path:
    """Return the path of a card's file, from the cache or the network.

    Raises:
        UserError: it cannot be had, or is not to be had without a form, or it is a pickled module. The message says
            what to get from where, and how to name it then.
    """
    if card.format == "pickled_module":
        message = f"the file of {card.title} is a pickled module, which cannot be read without running its code"
        raise UserError(message, code="unreadable-file", where=f"pretrained={card.name}", hint=describe_module(card))
    if card.repository is None and card.url is None:
        message = f"the file of {card.title} cannot be downloaded directly"
        raise UserError(message, code="download", where=f"pretrained={card.name}", hint=describe_way(card))
    with _reporting(f"pretrained={card.name}", describe_way(card)):
        if card.url:
            return _fetch_release(card.url, str(card.file))
        with avoiding_retries():
            return Path(huggingface_hub.hf_hub_download(str(card.repository), str(card.file)))


def describe_way(card: WeightCard) -> str:
    """Say how to get a card's file by hand."""
    what = card.file or f"the file of {card.title}"
    return f"get {what} from {card.url or card.source}; then pretrained={card.name}:FILE"


def describe_module(card: WeightCard) -> str:
    """Say how to make a state dict of a pickled module, where its library is installed."""
    return (
        f"get it from {card.url}; where its library is installed and if you trust the file: "
        f"{make_state_command('FILE')}; then pretrained={card.name}:state.pt"
    )


def make_state_command(path: str) -> str:
    """Return the command that makes state.pt of a pickled file, for a shell."""
    return shlex.join(["python", "-c", STATE_DICT_PROGRAM, path, "state.pt"])


def fetch_repository(repository: str, network: str) -> tuple[WeightCard, Path]:
    """Return what a timm repository of the Hub says of its weights, as a card, and the path of its file.

    Args:
        repository: ``OWNER/REPO``.
        network: name of the backbone in the config.

    Raises:
        UserError: it cannot be had, or is no repository of timm, or its network is another one.
    """
    where = f"pretrained={HUB}{repository}"
    page = f"https://huggingface.co/{repository}"
    hint = (
        f"get model.safetensors from {page}; then pretrained=FILE, with backbone.mean and backbone.std of config.json"
    )
    with _reporting(where, hint), avoiding_retries():
        config = json.loads(Path(huggingface_hub.hf_hub_download(repository, "config.json")).read_text("utf-8"))
    card = read_timm_config(config, repository, where)
    if card.network != network:
        message = f"its network is {card.network}, the backbone is {network}"
        raise UserError(message, code="other-weights", where=where, hint=f"backbone.name={card.network}")
    with _reporting(where, hint), avoiding_retries():
        try:
            return card, Path(huggingface_hub.hf_hub_download(repository, "model.safetensors"))
        except huggingface_hub.errors.EntryNotFoundError:
            return card, Path(huggingface_hub.hf_hub_download(repository, "pytorch_model.bin"))


def read_timm_config(config: Any, repository: str, where: str) -> WeightCard:
    """Return what ``config.json`` of a timm repository says, as a card.

    Raises:
        UserError: it is no such file.
    """
    if not isinstance(config, Mapping) or not timm.is_model(str(config.get("architecture"))):
        message = "no repository of timm: its config.json names no network of timm as architecture"
        raise UserError(message, code="other-weights", where=where, hint="chexpert weights list names others")
    about = config.get("pretrained_cfg") or config
    try:
        return _make_card(str(config["architecture"]), config.get("model_args") or {}, about, repository)
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        message = f"its config.json is not as timm writes it: {first_line(error)}"
        page = f"https://huggingface.co/{repository}"
        hint = f"get its file from {page}; then pretrained=FILE, with backbone.mean and backbone.std"
        raise UserError(message, code="other-weights", where=where, hint=hint) from error


def _make_card(network: str, options: Mapping[str, Any], about: Mapping[str, Any], repository: str) -> WeightCard:
    """The card of a repository, of what its config.json says; timm's own defaults where it is silent."""
    mean, std = (tuple(map(float, about.get(key) or timm_default)) for key, timm_default in TIMM_STATISTICS.items())
    if len(mean) != len(std) or len(mean) not in (1, 3) or min(std) <= 0:
        raise ValueError(f"mean {mean}, std {std}")
    classifier = about.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else classifier
    return WeightCard(
        name=f"{HUB}{repository}",
        title=repository,
        source=f"https://huggingface.co/{repository}",
        repository=repository,
        file=None,
        url=None,
        format="state_dict",
        license="see the page",
        non_commercial=None,
        size_mb=None,
        sha256=None,
        network=network,
        options=dict(options),
        image_size=int((about.get("input_size") or (3, 224, 224))[-1]),
        patch=None,
        mean=mean if len(set(mean)) > 1 else mean[:1],
        std=std if len(set(mean)) > 1 or len(set(std)) > 1 else std[:1],
        layout="timm",
        extra=tuple(f"{name}." for name in names),
        pooling="see the page",
        pooling_value=None,
        saw_chexpert="unknown",
        saw_chexpert_source="no card of this project",
        preprocessing=None,
        checked="nothing",
    )


def _fetch_release(url: str, name: str) -> Path:
    """In torch's own cache, where timm's releases lie too."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        check_offline(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    return path


@contextmanager
def _reporting(where: str, hint: str) -> Iterator[None]:
    """Turn the many errors of a download into one."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say the same five times
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        message = f"the file cannot be had: {first_line(error)}"
        raise UserError(message, code="download", where=where, hint=hint) from error
