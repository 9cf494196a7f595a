"""The run folder: new or resumed, and tried before Hydra makes it, whose own error is a traceback."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from chexpert.config.quoting import quote_values
from chexpert.config.resolution import resolve
from chexpert.console import log
from chexpert.distributed import broadcast_decision, find_rank
from chexpert.errors import UserError, find_write_code, get_exit_code
from chexpert.runs import files as run_files
from chexpert.runs.read import read_state
from chexpert.runs.resume import (
    find_unfinished_runs,
    find_unfinished_sweeps,
    replay,
    same_sweep,
    strip_place,
)
from chexpert.runs.state import describe_own_parts, is_running, make_folder, run_lock, write_resume_command


class RunFolder(Callback):
    """A Hydra callback that points the run or the sweep to its folder; ``resume=auto`` to the newest unfinished one."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def __reduce__(self) -> Any:
        return RunFolder, ()  # launchers send callbacks to other processes, which hold no folder

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with exiting_on_user_errors(), read_write(config.hydra):
            config.hydra.run.dir = broadcast_decision("run folder", lambda: choose_folder(config))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        overrides = strip_place([*list_typed(config.hydra), *list_typed(config.hydra, "hydra")])
        own = describe_own_parts(find_config_dir(config.hydra))
        with exiting_on_user_errors():
            folder = choose_sweep_folder(config, overrides)
            self._held.enter_context(run_lock(folder))
            for part in folder.glob(f"*{run_files.PART}"):  # of a table, where the sweep was killed
                part.unlink(missing_ok=True)
            run_files.write_json(folder / run_files.SWEEP, {"state": "running", "overrides": overrides} | own)
        with read_write(config.hydra.overrides):  # of which each job's config is composed anew, wherever it runs
            place = QuotedString(str(folder), Quote.single).with_quotes()
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={place}")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write that the sweep is finished: Hydra calls this only if no job has failed."""
        path = Path(config.hydra.sweep.dir) / run_files.SWEEP
        run_files.write_json(path, read_state(path.parent, run_files.SWEEP) | {"state": "finished"})
        self._held.close()


@contextmanager
def exiting_on_user_errors() -> Iterator[None]:
    """End the command, which prints the error: Hydra turns other exceptions of a callback into warnings."""
    try:
        yield
    except UserError as error:
        raise SystemExit(get_exit_code(error)) from error


def repeat(arguments: Sequence[str]) -> list[str]:
    """Return the command line with that of the run or sweep of ``resume=PATH`` in it; see :func:`resume.replay`.

    Args:
        arguments: words of the command line, without the name of the program.

    Returns:
        Hydra's options first, then the settings, with quotes around the values that Hydra cannot read without them.

    Raises:
        UserError: no run or sweep lies there, its command line may not be repeated, or Hydra cannot read a setting.
    """
    whole = replay(arguments)
    return quote_values(sorted(whole, key=lambda one: not one.startswith("-")))  # Hydra reads no option in between


def list_typed(hydra: Any, kind: str = "task") -> list[str]:
    """Return the settings as they were typed: an interpolation in one stays, and no environment variable is written.

    Args:
        hydra: Hydra's node of a config.
        kind: ``task`` for settings of the run, ``hydra`` for those of Hydra itself.
    """
    overrides: Any = OmegaConf.to_container(hydra.overrides, resolve=False)
    return list(overrides[kind])


def find_config_dir(hydra: Any) -> Path | None:
    """Return the folder of ``--config-dir`` by Hydra's node of a config."""
    return next((Path(one.path) for one in hydra.runtime.config_sources if one.provider == "command-line"), None)


def choose_folder(config: DictConfig) -> str:
    """Return the folder of a run, which can be worked in.

    Raises:
        UserError: it cannot.
    """
    if config.get("resume") == "auto":
        point(config.hydra.run, run_files.STATE, lambda parent: find_unfinished_runs(parent, resolve_run(config)))
    check_folder(Path(config.hydra.run.dir), resumed=bool(config.get("resume")))
    return config.hydra.run.dir


def choose_sweep_folder(config: DictConfig, overrides: Sequence[str]) -> Path:
    """Return the folder of a sweep with these overrides, which can be worked in.

    Raises:
        UserError: it cannot be worked in, or not by these processes.
    """
    if find_rank() is not None:
        hint = "start the sweep alone: its jobs start their processes, or are started by hydra/launcher"
        raise UserError("torchrun and srun cannot start a sweep", code="conflict", hint=hint)
    if config.get("resume") == "auto":
        point(config.hydra.sweep, run_files.SWEEP, lambda parent: find_unfinished_sweeps(parent, overrides))
    folder = Path(config.hydra.sweep.dir)
    check_folder(folder, resumed=bool(config.get("resume")))
    before = read_state(folder, run_files.SWEEP).get("overrides", overrides)
    if not same_sweep(before, overrides):
        was = f"this sweep was started with {' '.join(before)}"
        hint = f"another hydra.sweep.dir=..., or resume that one: {write_resume_command(folder)}"
        raise UserError(was, code="other-config", where=str(folder), hint=hint)
    return folder


def point(node: DictConfig, kind: str, find: Callable[[Path], Iterable[Path]]) -> None:
    """Set ``node.dir`` to the first unfinished run or sweep that nobody works on; where there is none it stays."""
    folder = Path(node.dir)
    if read_state(folder, kind):
        return  # it was named, and it is there
    if found := next(filter(_is_free, find(folder.parent)), None):
        log.info(f"resuming {found}")
        with read_write(node):
            node.dir = str(found)


def _is_free(folder: Path) -> bool:
    """Whether this process may work in a folder: it is this user's, and nobody works there."""
    return os.access(folder, os.W_OK) and not is_running(folder)


def resolve_run(config: DictConfig) -> dict[str, Any]:
    """Return the run's own part of the composed config, resolved; empty if it has errors, which the run raises."""
    try:
        return resolve(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    except UserError:
        return {}


def check_folder(folder: Path, *, resumed: bool) -> None:
    """Make a folder.

    Raises:
        UserError: it cannot be made, or it holds files and is not resumed.
    """
    try:
        make_folder(folder)
        used = not run_files.is_empty(folder)
    except OSError as error:
        hint = "make it writable, or choose another: hydra.run.dir=... (a sweep: hydra.sweep.dir=...)"
        raise UserError(
            f"the run folder cannot be made: {error.strerror}",
            code=find_write_code(error),
            where=str(folder),
            hint=hint,
        ) from error
    if used and not resumed:
        hint = "choose another: hydra.run.dir=... (a sweep: hydra.sweep.dir=...)"
        if read_state(folder) or read_state(folder, run_files.SWEEP):
            hint += f", or resume that run: {write_resume_command(folder)}"
        raise UserError("the run folder is not empty", code="not-empty", where=str(folder), hint=hint)
