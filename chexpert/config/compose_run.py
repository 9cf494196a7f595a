"""Compose one run in this process, as Hydra does for ``chexpert train``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from chexpert.config.quoting import quote_values
from chexpert.config.run_folder import choose_folder, list_typed
from chexpert.distributed import broadcast_decision
from chexpert.errors import UserError
from chexpert.runs.files import shorten
from chexpert.runs.resume import replay

PLACE = "hydra.run.dir"
KNOWN = (HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What is raised where settings cannot be composed."""


@dataclass(frozen=True)
class ComposedRun:
    """A run that can start.

    Attributes:
        config: the composed config, without the node ``hydra``.
        folder: the run folder, which is there; empty, or that of the run to resume.
        overrides: the settings, for state.json.
    """

    config: DictConfig
    folder: Path
    overrides: list[str]


def compose_run(settings: Sequence[str], conf: Path, config_dir: Path | None = None) -> ComposedRun:
    """Compose a run and make its folder; no state of Hydra is left in the process.

    Args:
        settings: words of the command line of ``chexpert train``.
        conf: folder of the configs, with train.yaml.
        config_dir: folder of further options, as Hydra's ``--config-dir``.

    Returns:
        The config, the run folder and the settings.

    Raises:
        UserError: the settings cannot be composed, are none of a single run, or the folder cannot be used.
    """
    words = quote_values(replay(settings, config_dir))
    check_single(words)
    places = [f"hydra.searchpath=[{quote_folder(config_dir)}]"] if config_dir else []
    here = initialize_config_dir(str(conf.absolute()), job_name="train", version_base="1.3")
    with here, raising_hydra_errors(settings):
        config = compose("train", [*words, *places], return_hydra_config=True)
        folder = shorten(broadcast_decision("run folder", lambda: choose_folder(config)))
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return ComposedRun(own, folder, list_typed(config.hydra))


@contextmanager
def raising_hydra_errors(settings: Sequence[str]) -> Iterator[None]:
    """Raise an error of Hydra in composing these settings as a UserError."""
    try:
        yield
    except KNOWN as error:
        causes = [str(one) for one in (error, error.__cause__) if isinstance(one, KNOWN)]
        message = " ".join(" ".join(dict.fromkeys(causes)).split())
        hint = "chexpert train --help lists the settings"
        raise UserError(message, code="not-composed", where=" ".join(settings), hint=hint) from error


def check_single(words: Sequence[str]) -> None:
    """Check that nothing but settings of one run is given: Hydra itself does not run here.

    Raises:
        UserError: an option of the command line, such as ``-m`` of a sweep, or a setting of Hydra's own.
    """
    if options := [word for word in words if word.startswith("-")]:
        hint = f"on the command line: chexpert train {' '.join(map(quote, words))}"
        raise UserError(
            "sweeps and options belong to the command line", code="command-line", where=" ".join(options), hint=hint
        )
    keys = [word.partition("=")[0].lstrip("+~") for word in words]
    if others := [key for key in keys if key.startswith(("hydra.", "hydra/")) and key != PLACE]:
        hint = f"leave it out; of Hydra's own settings only {PLACE} is used here"
        raise UserError("not used in Python", code="unused-setting", where=", ".join(others), hint=hint)


def quote_folder(folder: Path) -> str:
    """Return the place of a folder for Hydra's search path."""
    return QuotedString(f"file://{folder.absolute()}", Quote.single).with_quotes()
