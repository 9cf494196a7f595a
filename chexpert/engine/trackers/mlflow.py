"""MLflow: a local database by default, or a server."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger, MLFlowLogger

from chexpert.engine.trackers.base import TrackedRun, Tracker, find_missing, render
from chexpert.errors import OWN, UserError
from chexpert.runs import files as run_files

REFUSED = re.compile("[^a-zA-Z0-9_/. -]")
"""Characters that the logger would leave out of a tag, so that two tags could become one."""
MISSING = "RESOURCE_DOES_NOT_EXIST"
"""MLflow's code of a run that the store does not have."""
SECRET = re.compile(r"(?:(https?)://[^/?#]*|[\w+.-]+://[^/:@]*:.*)@|.*[?&]\w*password=", re.IGNORECASE)
"""An address with a login (http) or password (database)."""
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MLflow(Tracker):
    """MLflow.

    Args:
        folder: of the local store: the database ``mlflow.db``, and the files in ``artifacts``.
        tracking_uri: address of a server or another database, instead of the folder.
        experiment: of the runs; the config's ``name`` by default.
    """

    name = "mlflow"
    logger: MLFlowLogger

    def __init__(
        self, folder: str = "outputs/mlflow", tracking_uri: str | None = None, experiment: str | None = None
    ) -> None:
        self.folder, self.tracking_uri, self.experiment = Path(folder), tracking_uri, experiment

    @staticmethod
    def validate_args(tracking_uri: str | None = None, **arguments: Any) -> Iterator[UserError]:
        """Yield that the library is missing, or that of a database, and that the address holds a password."""
        if tracking_uri is not None and (found := SECRET.match(tracking_uri)):
            login = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            variables = login if found[1] else "those of the database's driver, such as PGPASSWORD"
            yield UserError(
                "a password would stand in the files of the run",
                code="value",
                where=f"{OWN}tracking_uri",
                hint=f"leave it out, and set environment variables: {variables}",
            )
        yield from find_missing("mlflow", "mlflow", *(["sqlalchemy", "alembic"] if tracking_uri is None else []))

    @property
    def hint(self) -> str:
        if self.tracking_uri:
            return "start the server, install the driver of the database, or logger.mlflow.tracking_uri=null"
        return "another folder: logger.mlflow.folder=FOLDER"

    def start(self, run: TrackedRun) -> Logger:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
        import mlflow
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        own = run.read_id(self.name)
        with self._lock_store():
            client = mlflow.MlflowClient(self.tracking_uri or self._make_store())
            if own:
                try:
                    client.update_run(own, status="RUNNING")
                except MlflowException as error:
                    raise (self._describe_missing(own, run) if error.error_code == MISSING else error) from error
            else:
                own = self._create(client, run)
            run.write_id(self.name, own)
            self.logger = MLFlowLogger(tracking_uri=client.tracking_uri, run_id=own)
        return self.logger

    def _lock_store(self) -> AbstractContextManager[Any]:
        """Lock the local store: MLflow creates its tables without a lock, and jobs of a sweep begin together."""
        if self.tracking_uri:
            return nullcontext()
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "mlflow.lock")

    @staticmethod
    def _describe_missing(own: str, run: TrackedRun) -> UserError:
        hint = "give the store where it began: logger.mlflow.folder=..., or delete the file to begin another record"
        where = str(run.folder / run_files.TRACKERS)
        return UserError(f"the store has no run {own}", code="missing-run", where=where, hint=hint)

    def _make_store(self) -> str:
        return f"sqlite:///{self.folder.absolute().as_posix()}/mlflow.db"

    def _create(self, client: Any, run: TrackedRun) -> str:
        """Create the run, without the tags that MLflow's own functions add: user, program and repository."""
        from mlflow.exceptions import MlflowException

        name = self.experiment or run.name
        place = None if self.tracking_uri else (self.folder / "artifacts").absolute().as_uri()
        if client.get_experiment_by_name(name) is None:
            try:
                client.create_experiment(name, artifact_location=place)
            except MlflowException:  # on a server: another job of the sweep has just done it
                if client.get_experiment_by_name(name) is None:
                    raise
        experiment = client.get_experiment_by_name(name).experiment_id
        tags = {"sweep": run.sweep} if run.sweep else {}
        return client.create_run(experiment, tags=tags, run_name=run.title).info.run_id

    def log_settings(self, hparams: Mapping[str, Any], config: str) -> None:
        super().log_settings(self._leave_out_changed(hparams), config)
        self.logger.experiment.log_text(self.logger.run_id, config, run_files.CONFIG)

    def _leave_out_changed(self, hparams: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out settings that a resumed run has changed, such as its number of epochs: MLflow keeps the first."""
        known = self.logger.experiment.get_run(self.logger.run_id).data.params
        return {key: value for key, value in hparams.items() if known.get(key, str(value)[:250]) == str(value)[:250]}

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        super().log_scalars({escape_tag(tag): value for tag, value in scalars.items()}, step)

    def log_picture(self, tag: str, picture: Figure, step: int) -> None:
        self.logger.experiment.log_image(self.logger.run_id, render(picture), f"{tag}.png")

    def log_file(self, path: Path) -> None:
        self.logger.experiment.log_artifact(self.logger.run_id, str(path))

    def finish(self, outcome: str) -> None:
        self.logger.experiment.set_terminated(self.logger.run_id, STATUS[outcome])


def escape_tag(tag: str) -> str:
    """Return a tag with the code of each character that MLflow does not take.

    >>> escape_tag("age/<40")
    'age/_3c_40'
    """
    return REFUSED.sub(lambda found: f"_{ord(found[0]):x}_", tag)
