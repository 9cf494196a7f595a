"""The folder of the configs: conf/ of a checkout, chexpert/conf of an installed wheel."""

from pathlib import Path


def find_conf() -> Path:
    """Return the folder with train.yaml and a folder for each config group."""
    package = Path(__file__).parent
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parent / "conf"


def list_options(group: str) -> list[str]:
    """Return the names of the options of a config group, sorted."""
    return sorted(path.stem for path in (find_conf() / group).glob("*.yaml"))
