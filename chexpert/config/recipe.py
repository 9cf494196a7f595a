"""A recipe of conf/experiment as plain containers, without the data that it would read."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from chexpert.config.resolution import to_plain
from chexpert.errors import UserError


def compose_recipe(conf: Path, name: str) -> dict[str, Any]:
    """Return the config of ``chexpert train experiment=name``, unchecked.

    Args:
        conf: folder of the configs, with train.yaml and experiment/.
        name: name of a file in experiment/, without its ending.

    Returns:
        The config as plain containers.

    Raises:
        UserError: there is no such recipe, or a value is missing.
    """
    known = sorted(path.stem for path in (conf / "experiment").glob("*.yaml"))
    if name not in known:
        raise UserError(
            f"no recipe {name!r}", code="missing-recipe", where="conf/experiment", hint=f"one of {', '.join(known)}"
        )
    with initialize_config_dir(str(conf.absolute()), version_base="1.3"):
        try:
            return to_plain(compose("train", [f"experiment={name}"]))
        except HydraException as error:
            message = " ".join(str(error).split())
            raise UserError(
                f"the recipe cannot be composed: {message}", code="not-composed", where=f"conf/experiment/{name}.yaml"
            ) from error
