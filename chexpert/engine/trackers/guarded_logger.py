"""A logger whose failure does not end the training."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from pytorch_lightning.loggers import Logger

from chexpert.console import log

PAUSE = 10
"""Times that a failed call took, until the next one is tried: a server that does not answer costs a tenth of the time,
not minutes for each logged step, as the retries of MLflow's client take."""


class GuardedLogger(Logger):
    """Passes the calls of Lightning to a logger, and warns of the first that fails: the run is valid without it.

    Args:
        tracker: name of the tracker, for the warning.
        logger: of the tracker.
    """

    def __init__(self, tracker: str, logger: Logger) -> None:
        super().__init__()
        self._tracker, self._logger = tracker, logger
        self._warned, self._again = False, 0.0

    @property
    def name(self) -> str:
        return self._tracker

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str | None:
        return self._logger.save_dir

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._attempt("log_metrics", metrics, step)

    def log_hyperparams(self, params: Mapping[str, Any], *arguments: Any, **named: Any) -> None:  # type: ignore[override]
        self._attempt("log_hyperparams", params, *arguments, **named)

    def save(self) -> None:
        self._attempt("save")

    def finalize(self, status: str) -> None:
        self._attempt("finalize", status)

    def _attempt(self, method: str, *arguments: Any, **named: Any) -> None:
        begun = monotonic()
        if begun < self._again:
            return
        try:
            getattr(self._logger, method)(*arguments, **named)
        except Exception as error:  # of a library, a server or a disk
            ended = monotonic()
            self._again = ended + PAUSE * (ended - begun)
            if not self._warned:
                warn_of_failure(self._tracker, method, error)
            self._warned = True


def warn_of_failure(tracker: str, method: str, error: Exception) -> None:
    """Warn that a call of a tracker has failed."""
    log.warning(f"logger.{tracker}: {method} failed, and the run continues: {describe_failure(error)}")


def describe_failure(error: Exception) -> str:
    """Describe an error of a library in one line."""
    return " ".join(str(error).split()) or type(error).__name__
