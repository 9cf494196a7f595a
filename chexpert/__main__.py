"""``python -m chexpert`` is the command ``chexpert``."""

from chexpert.cli.main import main

if __name__ == "__main__":
    main()
