"""The door: ``python train.py``, ``python train.py model=combined data=small``, ``python train.py -m seed=0,1,2``."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import chexpert.config
from chexpert.problem import ProblemError


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Runs one job and returns its mean AUROC, for a sweeper to rank."""
    from chexpert.run import run  # after composing, so that --help and --cfg are quick

    for notice in chexpert.config.find_notices(cfg, HydraConfig.get().overrides.task):
        print(f"note: {notice}", file=sys.stderr)

    folder = Path(os.path.relpath(HydraConfig.get().runtime.output_dir))
    try:
        return run(cfg, folder)
    except ProblemError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
