"""The door: ``python train.py``, ``python train.py model=combined data=small``, ``python train.py -m seed=0,1,2``."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

import chexpert.config
from chexpert.problem import ProblemError


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Runs one job and returns its mean AUROC, for a sweeper to rank."""
    from chexpert.run import run  # after composing, so that --help and --cfg are quick

    for notice in chexpert.config.find_notices(cfg, HydraConfig.get().overrides.task):
        print(f"note: {notice}", file=sys.stderr)

    hydra_cfg = HydraConfig.get()
    sweep = hydra_cfg.mode == RunMode.MULTIRUN
    folder = Path(os.path.relpath(hydra_cfg.runtime.output_dir))
    try:
        return run(cfg, folder, hydra_cfg.overrides.task, sweep=sweep)
    except ProblemError as error:
        if not sweep:
            sys.exit(f"error: {error}")
        from chexpert.report.names import name_folder

        print(f"error in job {hydra_cfg.job.num} ({name_folder(folder)}): {error}", file=sys.stderr)
        raise  # the other jobs of the sweep go on; Hydra ends it with this once they are done


if __name__ == "__main__":
    sys.argv[1:] = chexpert.config.repeat(sys.argv[1:])
    main()
