"""Trackers that fail, at the start or later: the run goes on, or ends with one error before it has begun."""

import csv
import errno
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.configs import make
from helpers.errors import raises
from helpers.resumed_runs import SHORT
from helpers.runs import TINY, start, train
from pytorch_lightning.loggers import CSVLogger, Logger

from chexpert.config import resolve
from chexpert.console import log
from chexpert.engine.trackers import Csv, MLflow, TrackedRun, Wandb, guarded_logger
from chexpert.engine.trackers.guarded_logger import GuardedLogger
from chexpert.engine.tracking import Tracking
from chexpert.signals import Stopped

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, within MLflow


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """The warnings of the project's own logger."""
    found: list[str] = []
    monkeypatch.setattr(log, "warning", found.append)
    return found


@pytest.fixture
def notes(monkeypatch) -> list[str]:
    """The notes of the project's own logger."""
    found: list[str] = []
    monkeypatch.setattr(log, "log", lambda _, message: found.append(message))
    return found


class Unreachable(CSVLogger):
    """A logger whose server is gone: each call takes so many seconds, and fails."""

    def __init__(self, folder: Path, clock: "Clock", seconds: float) -> None:
        super().__init__(folder)
        self.clock, self.seconds, self.calls = clock, seconds, list[str]()

    def _fail(self, name: str) -> None:
        self.calls.append(name)
        self.clock.now += self.seconds
        raise ConnectionError("refused\nby the server")

    def log_metrics(self, *_: Any, **__: Any) -> None:
        self._fail("log_metrics")

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        self._fail("log_hyperparams")

    def save(self) -> None:
        self._fail("save")

    def finalize(self, status: str) -> None:
        self._fail(f"finalize {status}")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(guarded_logger, "monotonic", own)
    return own


def test_logger_that_fails_warns_once(tmp_path, warnings, clock):
    gone = Unreachable(tmp_path, clock, 0)
    guarded = GuardedLogger("mlflow", gone)
    guarded.log_hyperparams({"seed": 0})
    guarded.log_metrics({"loss": 1.0}, 0)
    guarded.save()
    guarded.finalize("success")
    assert gone.calls == ["log_hyperparams", "log_metrics", "save", "finalize success"]
    assert len(warnings) == 1


def test_server_that_does_not_answer_costs_a_tenth_of_the_time(tmp_path, warnings, clock):
    gone = Unreachable(tmp_path, clock, 120)
    guarded = GuardedLogger("mlflow", gone)
    for step in range(1000):
        guarded.log_metrics({"loss": 1.0}, step)
        clock.now += 12
    assert len(gone.calls) == 10  # of 13,200 s
    assert len(warnings) == 1


@pytest.mark.slow
def test_server_that_goes_away_does_not_end_the_run(tmp_path, phantom, warnings, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    calls = []
    log_batch = MlflowClient.log_batch

    def fail(self, *arguments, **named):
        calls.append(arguments)
        if len(calls) > 3:
            raise MlflowException("the server is gone")
        return log_batch(self, *arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", fail)
    run = tmp_path / "run"
    start(run, phantom, *SHORT, "logger=[mlflow]", f"logger.mlflow.folder={tmp_path / 'store'}")
    assert json.loads((run / "state.json").read_text())["state"] == "finished"
    assert (run / "checkpoints/best.ckpt").is_file()
    assert len(calls) > 10
    training = [warning for warning in warnings if "log_metrics" in warning]
    assert len(training) == 1


@pytest.mark.slow
def test_settings_that_are_refused_do_not_end_the_run(tmp_path, phantom, warnings, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def fail(*_):
        raise MlflowException("no text is stored here")

    monkeypatch.setattr(MlflowClient, "log_text", fail)
    run = tmp_path / "run"
    start(run, phantom, *SHORT, "logger=[mlflow]", f"logger.mlflow.folder={tmp_path / 'store'}")
    assert json.loads((run / "state.json").read_text())["state"] == "finished"
    assert len(warnings) == 1


BEGIN = """
import sys, time
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store
from chexpert.engine.trackers import MLflow, TrackedRun
folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / name).mkdir()
while len([one for one in folder.iterdir() if one.is_dir()]) < 3:
    time.sleep(0.01)
MLflow(str(folder / "store")).start(TrackedRun(folder / name, "one", "title"))
"""
"""Begins the record of a run as soon as all three processes are ready to."""


@pytest.mark.slow
def test_jobs_that_begin_a_store_together_are_all_recorded(tmp_path):
    jobs = [
        subprocess.Popen([sys.executable, "-c", BEGIN, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
        for name in "abc"
    ]
    errors = [job.communicate(timeout=240)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], errors
    with sqlite3.connect(tmp_path / "store/mlflow.db") as database:
        recorded = database.execute("select run_uuid, experiment_id from runs").fetchall()
    ids = {json.loads((tmp_path / name / "trackers.json").read_text())["mlflow"] for name in "abc"}
    assert {own for own, _ in recorded} == ids
    assert (len(ids), len({experiment for _, experiment in recorded})) == (3, 1)


@pytest.fixture
def begun(tmp_path) -> TrackedRun:
    """A run of which no tracker has a record."""
    (tmp_path / "run").mkdir()
    return TrackedRun(tmp_path / "run", "one", "title")


def test_damaged_store_is_one_error(tmp_path, begun):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/mlflow.db").write_bytes(b"no database" * 1000)
    with raises("storage", "logger.mlflow"):
        Tracking(begun, [MLflow(str(tmp_path / "store"))])


def test_database_without_its_driver_is_one_error(begun):
    with raises("storage", "logger.mlflow"):
        Tracking(begun, [MLflow(tracking_uri="postgresql+pg8000://localhost/runs")])


def test_store_that_cannot_be_written_is_one_error(tmp_path, begun):
    (tmp_path / "store").touch()
    with raises("storage", "logger.mlflow"):
        Tracking(begun, [MLflow(str(tmp_path / "store"))])


def test_wandb_without_a_login_is_one_error(begun, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(begun.folder))  # no ~/.netrc
    monkeypatch.setenv("NETRC", str(begun.folder / "netrc"))
    with raises("storage", "logger.wandb"):
        Tracking(begun, [Wandb(mode="online")])


@pytest.mark.parametrize("own", ["a/b", "", {"id": 1}, "x" * 65, 3])
@pytest.mark.parametrize("tracker", [Wandb(), MLflow()])
def test_id_that_is_none_is_one_error(begun, own, tracker):
    path = begun.folder / "trackers.json"
    path.write_text(json.dumps({tracker.name: own}))
    with raises("damaged-file", str(path)):
        Tracking(begun, [tracker])


def test_trackers_that_have_started_are_ended_where_another_fails(begun):
    class Failing(Csv):
        name = "failing"

        def start(self, run: TrackedRun) -> Logger:
            raise ValueError

    class Recording(Csv):
        outcome = ""

        def finish(self, outcome: str) -> None:
            self.outcome = outcome

    first = Recording()
    with raises("storage", "logger.failing"):
        Tracking(begun, [first, Failing()])
    assert first.outcome == "failed"


def test_full_disk_stays_an_error_of_the_disk(begun):
    class Full(Csv):
        def start(self, run: TrackedRun) -> Logger:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Tracking(begun, [Full()])


def begin_table(run: Path, text: bytes, last_step: int | None = 10) -> Any:
    """Begin a table where another one lies, from a checkpoint at this step."""
    (run / "csv").mkdir(parents=True)
    (run / "csv/metrics.csv").write_bytes(text)
    return Csv().start(TrackedRun(run, "one", "title", last_step=last_step))


def read_cells(run: Path) -> list[dict[str, str]]:
    with (run / "csv/metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "damage",
    [
        b"1,word",
        b"word,1",
        b"2.5,1",
        b"nan,1",
        b",1",
        b"2,0.5,0.5",
        b"2",
        b"2,\xff",
        b'2,"0.5',
        b"2,0\x00",
        b"\x00" * 9,
    ],
)
def test_rows_that_cannot_be_read_are_left_out(tmp_path, damage, notes):
    begin_table(tmp_path, b'step,"a, b"\r\n0,0.25\r\n' + damage + b"\r\n1,0.5\r\n")
    assert read_cells(tmp_path) == [{"step": "0", "a, b": "0.25"}, {"step": "1", "a, b": "0.5"}]
    assert len(notes) == 1


@pytest.mark.parametrize(
    "text", [b"loss\n0.25\n", b"", b"\x00\x01\xff", b"step,step\n1,2\n", b"step\n" + b"1" * 200_000]
)
def test_table_without_steps_begins_anew(tmp_path, text, notes):
    logger = begin_table(tmp_path, text)
    logger.log_metrics({"loss": 0.5}, 3)
    logger.save()
    assert read_cells(tmp_path) == [{"step": "3", "loss": "0.5"}]


@pytest.mark.parametrize(("last_step", "kept"), [(None, []), (0, []), (2, ["0", "1"]), (10, ["0", "1", "2"])])
def test_rows_before_the_checkpoint_are_kept(tmp_path, last_step, kept):
    begin_table(tmp_path, b"step,loss\n0,0.25\n1,\n2,0.75\n", last_step)
    found = read_cells(tmp_path) if (tmp_path / "csv/metrics.csv").is_file() else []
    assert [row["step"] for row in found] == kept


def test_no_row_is_lost_where_a_column_is_added(tmp_path, monkeypatch):
    """At no moment does the file have fewer rows than were written."""
    logger = begin_table(tmp_path, b"step,loss\r\n0,0.25\r\n1,0.5\r\n")
    counts = []

    def trace(frame, event, _):
        counts.append(len(read_cells(tmp_path)))
        return trace

    logger.log_metrics({"auroc": 0.75}, 2)
    sys.settrace(trace)
    try:
        logger.save()
    finally:
        sys.settrace(None)
    assert min(counts) == 2
    assert read_cells(tmp_path) == [
        {"auroc": "", "loss": "0.25", "step": "0"},
        {"auroc": "", "loss": "0.5", "step": "1"},
        {"auroc": "0.75", "loss": "", "step": "2"},
    ]


@pytest.mark.parametrize(
    "address",
    [
        "https://jane:secret@server/runs",
        "https://token@server",
        "https://:secret@server",
        "postgresql://jane:sec/ret@host:5432/runs",
        "mysql+pymysql://jane:@host/runs",
        "postgresql://host/runs?user=jane&password=secret",
    ],
)
def test_password_in_an_address_is_an_error(address):
    with raises("value", "logger.mlflow.tracking_uri"):
        resolve(make("logger=[mlflow]", f"logger.mlflow.tracking_uri='{address}'"))


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:5000", "sqlite:////home/jane@ward/runs.db", "postgresql://jane@host/runs", "databricks"],
)
def test_address_without_a_password(address):
    cfg = resolve(make("logger=[mlflow]", f"logger.mlflow.tracking_uri='{address}'"))
    assert cfg["logger"]["mlflow"]["tracking_uri"] == address


def test_checkpoint_names_no_tracker(tmp_path, phantom):
    start(tmp_path / "run", phantom, "logger=[csv]", "explainer=[]")
    for name in ("best", "last"):
        content = torch.load(tmp_path / f"run/checkpoints/{name}.ckpt", weights_only=True)["chexpert"]
        assert "logger" not in content["config"]
        assert content["config"]["seed"] == 0


def test_report_is_recorded_once_when_the_run_has_finished(tmp_path, phantom, monkeypatch):
    recorded = []

    def log_file(self, path: Path) -> None:
        recorded.append((path.name, path.read_bytes(), json.loads((tmp_path / "run/state.json").read_text())))

    monkeypatch.setattr(Csv, "log_file", log_file)
    written = []
    monkeypatch.setattr(Tracking, "finish", lambda _, outcome: written.append(outcome))
    start(tmp_path / "run", phantom, "logger=[csv]", plotted=True)
    ((name, content, state),) = recorded
    assert (name, written) == ("report.html", ["finished"])
    assert content == (tmp_path / "run/report.html").read_bytes()
    assert state["state"] == "finished"
    assert 0 < state["seconds"] < 300
    assert json.loads((tmp_path / "run/state.json").read_text()) == state


def test_run_that_is_stopped_while_the_report_is_sent_has_finished(tmp_path, phantom, monkeypatch):
    def log_file(*_) -> None:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(Csv, "log_file", log_file)
    with pytest.raises(Stopped):
        start(tmp_path / "run", phantom, "logger=[csv]", "explainer=[]")
    assert json.loads((tmp_path / "run/state.json").read_text())["state"] == "finished"
    assert (tmp_path / "run/report.html").is_file()


@pytest.mark.slow
def test_first_of_two_processes_records_the_report(tmp_path, phantom):
    two = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"]
    done = train("data=small", f"data.root={phantom}", *TINY, *two, "explainer=[]", "logger=[mlflow]",
                 f"logger.mlflow.folder={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (recorded,) = (tmp_path / "store").rglob("report.html")
    assert recorded.read_bytes() == (tmp_path / "run/report.html").read_bytes()
    assert json.loads((tmp_path / "run/state.json").read_text())["state"] == "finished"
    with sqlite3.connect(tmp_path / "store/mlflow.db") as database:
        assert database.execute("select status from runs").fetchall() == [("FINISHED",)]
