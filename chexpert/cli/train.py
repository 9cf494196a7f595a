"""``chexpert train``: one run, or a sweep with ``-m``. Hydra reads the arguments, after they were checked."""

import sys
from collections.abc import Container
from typing import TYPE_CHECKING

from chexpert.cli.corrections import answer
from chexpert.conf_folder import find_conf
from chexpert.console import NOTE, log, open_streams
from chexpert.errors import UserError, get_exit_code
from chexpert.own_modules import VARIABLE

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(arguments: list[str]) -> None:
    """Check the arguments, and run the jobs that they describe."""
    conf = find_conf()
    checked = answer(arguments, conf)  # before Hydra, whose import alone takes longer than an answer
    import hydra

    from chexpert.config import repeat

    sys.argv[1:] = repeat(checked)  # where Hydra reads them
    hydra.main(version_base="1.3", config_path=str(conf), config_name="train")(run_job)()


def run_job(cfg: "DictConfig") -> float:
    """Run one job and return its mean AUROC, for a sweeper to rank."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from chexpert.config import find_notices
    from chexpert.engine.train import run as train  # after composing, so that --cfg is quick
    from chexpert.runs.files import shorten

    open_streams()  # a launcher may run a job in a process of its own
    hydra_cfg = HydraConfig.get()
    for notice in find_notices(cfg, hydra_cfg.overrides.task):
        log.log(NOTE, notice)
    sweep = hydra_cfg.mode == RunMode.MULTIRUN
    folder = shorten(hydra_cfg.runtime.output_dir)
    try:
        _check_environment(hydra_cfg.job.env_set)
        return train(cfg, folder, hydra_cfg.overrides.task, sweep=sweep)
    except UserError as error:
        if not sweep:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(get_exit_code(error))
        from chexpert.report.names import name_folder

        print(f"error in job {hydra_cfg.job.num} ({name_folder(folder)}): {error}", file=sys.stderr)
        raise  # the other jobs of the sweep continue; Hydra raises this once they are done


def _check_environment(variables: Container[str]) -> None:
    """Check that the config, which may be somebody else's, does not allow modules."""
    if VARIABLE in variables:
        where = f"hydra.job.env_set.{VARIABLE}"
        raise UserError("no config may set it", code="untrusted-target", where=where, hint="allow=MODULE, typed")
