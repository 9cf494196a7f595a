"""``chexpert train``: one run, or a sweep with ``-m``. Hydra reads the arguments, after they were checked."""

import os
import sys
import traceback
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chexpert.cli.corrections import answer
from chexpert.conf_folder import find_conf
from chexpert.console import NOTE, log, open_streams
from chexpert.errors import UserError, get_exit_code
from chexpert.own_modules import VARIABLE

if TYPE_CHECKING:
    from omegaconf import DictConfig

FULL_ERROR = "HYDRA_FULL_ERROR"
"""Where it is 1, Hydra raises errors, and does not print them itself."""


def run(arguments: list[str]) -> None:
    """Check the arguments, and run the jobs that they describe.

    Raises:
        UserError: the arguments cannot be run, or a run has failed for a reason that the user can change.
    """
    conf = find_conf()
    checked = answer(arguments, conf)  # before Hydra, whose import alone takes longer than an answer
    if checked is None:
        return
    import hydra

    from chexpert.config import repeat

    sys.argv[1:] = repeat(checked)  # where Hydra reads them
    with _raising_errors(checked):
        hydra.main(version_base="1.3", config_path=str(conf), config_name="train")(run_job)()


@contextmanager
def _raising_errors(settings: Sequence[str]) -> Iterator[None]:
    """Raise the errors of Hydra, its callbacks and the job as UserErrors; what is none has its traceback."""
    from chexpert.config import raising_hydra_errors

    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        with raising_hydra_errors(settings):
            yield
    except SystemExit as end:
        if isinstance(end.__cause__, UserError):
            raise end.__cause__ from None
        raise
    except UserError as error:
        cause = error.__cause__
        if (
            isinstance(cause, Exception)
            and not isinstance(cause, UserError)
            and any(frame.f_code is run_job.__code__ for frame, _ in traceback.walk_tb(cause.__traceback__))
        ):
            raise cause from None  # not of the settings: an error in the work of a job
        raise
    finally:
        if before is None:
            del os.environ[FULL_ERROR]
        else:
            os.environ[FULL_ERROR] = before


def run_job(cfg: "DictConfig") -> float:
    """Run one job and return its mean AUROC, for a sweeper to rank."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from chexpert.config import find_config_dir, find_notices, list_typed
    from chexpert.engine.train import run as train  # after composing, so that --cfg is quick
    from chexpert.runs.files import shorten
    from chexpert.runs.state import remove_empty_folder

    open_streams()  # a launcher may run a job in a process of its own
    hydra_cfg = HydraConfig.get()
    overrides = list_typed(hydra_cfg)
    for notice in find_notices(cfg, overrides):
        log.log(NOTE, notice)
    sweep = hydra_cfg.mode == RunMode.MULTIRUN
    folder = shorten(hydra_cfg.runtime.output_dir)
    try:
        _check_environment(hydra_cfg.job.env_set)
        return train(cfg, folder, overrides, sweep=sweep, config_dir=find_config_dir(hydra_cfg))
    except UserError as error:
        if not sweep:
            remove_empty_folder(folder)  # it was refused before it began
            # The command prints it; Hydra would print a line of its own.
            raise SystemExit(get_exit_code(error)) from error
        from chexpert.report.names import name_folder

        print(f"error in job {hydra_cfg.job.num} ({name_folder(folder)}): {error}", file=sys.stderr)
        hint = "its error stands above, and in table.md of the sweep"
        failed = UserError(f"job {hydra_cfg.job.num} has failed", code="failed-run", hint=hint)
        raise failed from error  # the other jobs of the sweep continue; Hydra raises this once they are done


def _check_environment(variables: Container[str]) -> None:
    """Check that the config, which may be somebody else's, does not allow modules."""
    if VARIABLE in variables:
        where = f"hydra.job.env_set.{VARIABLE}"
        raise UserError("no config may set it", code="untrusted-target", where=where, hint="allow=MODULE, typed")
