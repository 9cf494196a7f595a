"""A search for good settings: trials that Optuna asks for, launched as the jobs of a Hydra sweep.

Light on purpose: whoever composes a config imports this, and neither Optuna nor torch with it.
"""

from hydra.core.plugins import Plugins

from chexpert.sweep.hydra_plugin import OptunaSweeper

TARGET = "hydra_plugins.chexpert.OptunaSweeper"
"""What ``_target_`` of conf/hydra/sweeper/optuna.yaml says: Hydra takes plugins by names below hydra_plugins alone."""


def register() -> None:
    """Register the sweeper with Hydra; its class keeps its own module, so that other processes can import it."""
    Plugins.instance().class_name_to_class[TARGET] = OptunaSweeper
