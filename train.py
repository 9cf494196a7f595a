"""``python train.py ...`` is ``chexpert train ...``."""

from chexpert.cli.main import main

if __name__ == "__main__":
    main("train")
