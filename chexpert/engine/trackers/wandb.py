"""Weights & Biases: offline by default, in the run folder."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger, WandbLogger

from chexpert.engine.trackers.base import TrackedRun, Tracker, find_missing, render
from chexpert.errors import OWN, UserError
from chexpert.runs import files as run_files

MODES = ("offline", "online")
HIDDEN: Mapping[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "host": "",
    "username": "",
    "email": "",
    "program": "",
    "program_abspath": "",
    "program_relpath": "",
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""Settings of wandb by which it records no name of the machine, user, program, repository or package."""


class Wandb(Tracker):
    """Weights & Biases.

    Args:
        mode: ``offline`` writes to the run folder alone, and ``wandb sync`` uploads it later; ``online`` uploads.
        project: of the runs; the config's ``name`` by default.
        entity: user or team of the project; that of the login by default.
        tags: words to find the run by.
    """

    name = "wandb"
    logger: WandbLogger

    def __init__(
        self, mode: str = "offline", project: str | None = None, entity: str | None = None, tags: Sequence[str] = ()
    ) -> None:
        self.mode, self.project, self.entity, self.tags = mode, project, entity, tuple(tags)

    @staticmethod
    def validate_args(mode: str = "offline", **arguments: Any) -> Iterator[UserError]:
        """Yield the errors in the settings, and that the library is missing."""
        if mode not in MODES:
            hint = f"one of {', '.join(MODES)}"
            yield UserError(f"unknown mode: {mode!r}", code="choice", where=f"{OWN}mode", hint=hint)
        yield from find_missing("wandb", "wandb")

    @property
    def hint(self) -> str:
        return "wandb login, or logger.wandb.mode=offline" if self.mode == "online" else super().hint

    def start(self, run: TrackedRun) -> Logger:
        self.folder = run.folder / run_files.WANDB
        self.folder.mkdir(parents=True, exist_ok=True)
        own = run.read_id(self.name) or secrets.token_hex(8)
        run.write_id(self.name, own)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
        with self._in_folder():
            import wandb

            self.logger = WandbLogger(
                name=run.title,
                save_dir=run.folder,
                version=own,
                project=re.sub(r"[/\\#?%:]", "-", self.project or run.name),
                entity=self.entity,
                group=run.sweep,
                tags=list(self.tags),
                mode=self.mode,
                settings=wandb.Settings(silent=True, symlink=False, **HIDDEN),
                # without a server wandb cannot look for the run, warns of it, and keeps the id all the same
                resume="allow" if self.mode == "online" else None,
            )
            _ = self.logger.experiment
        return self.logger

    def log_settings(self, hparams: Mapping[str, Any], config: str) -> None:
        self.logger.log_hyperparams({**hparams, "config": config})

    def log_picture(self, tag: str, picture: Figure, step: int) -> None:
        self.logger.log_image(tag, [render(picture)], step)

    def log_file(self, path: Path) -> None:
        import wandb

        with self._in_folder():
            artifact = wandb.Artifact(f"{path.stem}-{self.logger.version}", type=path.stem)
            artifact.add_file(str(path), name=path.name)
            self.logger.experiment.log_artifact(artifact)

    def finish(self, outcome: str) -> None:
        with self._in_folder():
            self.logger.experiment.finish(exit_code=int(outcome != "finished"))

    @contextmanager
    def _in_folder(self) -> Iterator[None]:
        """Let wandb keep its files in the run folder, also copies of artifacts and logs: the home may be read-only."""
        places = {f"WANDB_{kind}_DIR": str(self.folder / kind.lower()) for kind in ("DATA", "CACHE", "ARTIFACT")}
        before = {key: os.environ.get(key) for key in places}
        os.environ.update(places)
        try:
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key)
                os.environ.update({key: value} if value is not None else {})
