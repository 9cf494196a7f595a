"""The door: ``python train.py``, ``python train.py model=combined data=small``, ``python train.py -m seed=0,1,2``."""

import sys
from pathlib import Path

from chexpert.cli import answer
from chexpert.console import NOTE, log, open_streams

if __name__ == "__main__":  # before Hydra, whose import alone takes longer than an answer
    open_streams()
    sys.argv[1:] = answer(sys.argv[1:], Path(__file__).parent / "conf")

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

import chexpert.config
from chexpert.errors import UserError, get_exit_code
from chexpert.runs.files import shorten


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Runs one job and returns its mean AUROC, for a sweeper to rank."""
    from chexpert.engine.train import run  # after composing, so that --help and --cfg are quick

    open_streams()  # a launcher may run a job in a process of its own
    for notice in chexpert.config.find_notices(cfg, HydraConfig.get().overrides.task):
        log.log(NOTE, notice)

    hydra_cfg = HydraConfig.get()
    sweep = hydra_cfg.mode == RunMode.MULTIRUN
    folder = shorten(hydra_cfg.runtime.output_dir)
    try:
        return run(cfg, folder, hydra_cfg.overrides.task, sweep=sweep)
    except UserError as error:
        if not sweep:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(get_exit_code(error))
        from chexpert.report.names import name_folder

        print(f"error in job {hydra_cfg.job.num} ({name_folder(folder)}): {error}", file=sys.stderr)
        raise  # the other jobs of the sweep continue; Hydra raises this once they are done


if __name__ == "__main__":
    sys.argv[1:] = chexpert.config.repeat(sys.argv[1:])
    main()
