"""``chexpert evaluate``, in a checkout without an installation."""

from chexpert.cli.main import main

if __name__ == "__main__":
    main("evaluate")
