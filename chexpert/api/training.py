"""Train from Python as ``chexpert train`` does."""

import signal
from collections.abc import Sequence
from pathlib import Path

from chexpert.api.arguments import naming_arguments, read_path, read_texts
from chexpert.api.run import Run, open_run
from chexpert.conf_folder import find_conf
from chexpert.console import NOTE, log


def train(*settings: str, config_dir: str | Path | None = None) -> Run:
    """Train, evaluate and explain one run, as ``chexpert train`` does with the same settings.

    The run folder is made below the current folder: ``outputs/<name>/<time>/``, or by ``"hydra.run.dir=FOLDER"``. The
    random seeds of Python, NumPy and torch are set. An interrupted run is resumed by ``train("resume=FOLDER")``.

    Args:
        settings: settings as on the command line, such as ``"model=combined"`` and ``"trainer.max_epochs=3"``;
            ``"allow=MODULE"`` lets configs name classes of your own module, in this process from then on.
        config_dir: folder of your own options, such as ``experiment/mine.yaml``; as ``--config-dir``.

    Returns:
        The finished run.

    Raises:
        UserError: something that the user can fix: a setting, the data, a folder, the memory.
        KeyboardInterrupt: the run was interrupted; its folder holds what it needs to be resumed.

    Example:
        >>> train("modle=combined")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        chexpert.errors.UserError: ...
    """
    conf, own = find_conf(), None if config_dir is None else read_path("config_dir", config_dir)
    with naming_arguments():
        words = check_settings(read_texts("settings", settings), conf, own)
    from chexpert.config import compose_run, find_notices  # Hydra, and below it torch, take seconds

    composed = compose_run(words, conf, own)
    for notice in find_notices(composed.config, composed.overrides):
        log.log(NOTE, notice)
    from chexpert.engine.train import run
    from chexpert.signals import Stopped

    try:
        run(composed.config, composed.folder, composed.overrides, summary=False, config_dir=own)  # the run shows itself
    except Stopped as stopped:
        if stopped.signal == signal.SIGINT:
            raise KeyboardInterrupt(str(stopped)) from stopped
        raise
    return open_run(composed.folder)


def check_settings(settings: Sequence[str], conf: Path, own: Path | None) -> list[str]:
    """Check settings as the command line does, and return them as Hydra reads them.

    Raises:
        UserError: a setting cannot be run as typed, or the own folder is none.
    """
    from chexpert.cli.allow import take_allowed
    from chexpert.cli.corrections import Settings, check

    return check(take_allowed(list(settings)), Settings(conf, own))
