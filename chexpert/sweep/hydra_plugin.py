"""The sweeper as Hydra knows it: ``chexpert train -m hydra/sweeper=optuna optimizer.lr='interval(1e-5,1e-3)'``."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from chexpert.errors import UserError, advise_extra


class OptunaSweeper(Sweeper):
    """Ask Optuna for the settings of each job and report the value that the job returned.

    hydra-optuna-sweeper's release needs an Optuna below 3, whose storage no longer works with today's SQLAlchemy.

    Args:
        settings: conf/hydra/sweeper/optuna.yaml.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> float:
        """Search, and return the best value.

        Raises:
            UserError: Optuna is missing, or the search cannot be done as it is set.
        """
        try:
            from chexpert.sweep.sweeper import SearchSettings, search  # only now: Optuna takes a second to import
        except ImportError as error:
            message = f"a search needs Optuna: {error}"
            where = "hydra/sweeper=optuna"
            raise UserError(message, code="not-installed", where=where, hint=advise_extra("sweep")) from error
        return search(SearchSettings(**self.settings), arguments, self)
