"""Runs recorded by trackers for real: tables, MLflow's local store, and wandb's offline files."""

import csv
import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.configs import make
from helpers.errors import raises
from helpers.resumed_runs import SHORT, stop_at
from helpers.runs import TINY, start, train

from chexpert.config import resolve
from chexpert.engine import trackers
from chexpert.runs.anonymize import hash_name
from chexpert.runs.files import view_name
from chexpert.signals import Stopped

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, within MLflow

SECRET = "DOE-1950"
"""A name in the path of the data."""
HOST, USER = "ward-3-workstation", "jane-doe"
REAL_HOST = socket.gethostname()
"""Which a program that is not Python finds, such as wandb's core."""
RUN = "ROE-1960"
"""A private name of the run folder."""


@pytest.fixture
def private(tmp_path, phantom, monkeypatch) -> Path:
    """The phantom in a folder with a private name, on a machine and of a user with private names."""
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, USER)
    (tmp_path / SECRET).symlink_to(phantom)
    return tmp_path / SECRET


@pytest.fixture
def store(tmp_path) -> list[str]:
    """The settings that put MLflow's store below a temporary folder."""
    return [f"logger.mlflow.folder={tmp_path / 'store'}"]


def read_metrics(run: Path) -> dict[str, float]:
    """The values that each tracker must have, by tag."""
    valid = json.loads((run / "metrics.json").read_text())["valid"]
    own = {f"auroc/valid/{name}": metric["value"] for name, metric in valid["auroc"].items()}
    return own | {"auroc/valid/mean": valid["auroc_mean"]}


def read_intervals(run: Path) -> dict[str, float]:
    """The ends of the intervals that each tracker must have, by tag."""
    content = json.loads((run / "evaluation/valid.json").read_text())
    metrics = content["auroc"] | {"mean": content["auroc_mean"]}
    ends = (("low", "ci_low"), ("high", "ci_high"))
    return {f"auroc/valid/{name}/{end}": own[key] for name, own in metrics.items() for end, key in ends}


def read_table(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of a run's table, by tag."""
    found: dict[str, list[tuple[int, float]]] = {}
    with (run / "csv/metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for tag, value in row.items():
                if value and tag != "step":
                    found.setdefault(tag, []).append((int(row["step"]), float(value)))
    return found


def query(store: Path, statement: str) -> list[tuple]:
    with sqlite3.connect(store / "mlflow.db") as database:
        return database.execute(statement).fetchall()


def scan_wandb(run: Path) -> Iterator[Any]:
    """The records of a run's offline files, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        until, records = time.monotonic() + 60, list[Any]()
        while not (records and records[-1].HasField("exit")):  # wandb's core writes the last ones after ``finish``
            assert time.monotonic() < until
            time.sleep(0.05)
            records = [Record.FromString(data) for data in read_log(path.read_bytes())]
        yield from records


def read_log(content: bytes, block: int = 32768) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, as wandb writes it: after 7 bytes, blocks of parts of records."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        if block - place % block < 7:  # too few for the head of a part
            place += block - place % block
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def read_wandb(run: Path) -> dict[str, float]:
    """The last value of each tag."""
    found: dict[str, float] = {}
    for record in scan_wandb(run):
        for item in record.history.item:
            found["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return found


def assert_private(folder: Path, *names: str) -> None:
    """No file below a folder holds one of these names."""
    words = [name.encode() for name in names]
    found = [path for path in folder.rglob("*") if path.is_file() and any(word in path.read_bytes() for word in words)]
    assert found == []


def find_texts(run: Path, name: str) -> set[str]:
    """Where a name stands as a word of its own in what wandb writes: fields of the records, and files of text."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    lines = [line for record in scan_wandb(run) for line in str(record).splitlines()]
    fields = {line.strip().partition(":")[0] for line in lines if word.search(line)}
    files = [path for path in (run / "wandb").rglob("*") if path.suffix in (".log", ".json", ".yaml", ".txt")]
    return fields | {path.name for path in files if word.search(path.read_text(errors="replace"))}


def find_views(run: Path) -> tuple[list[str], list[str]]:
    """The names of the explained views, and their hashes."""
    paths = {entry["view"] for entry in json.loads((run / "explanations/gradcam/manifest.json").read_text())}
    salt = (run / "ids.salt").read_text().strip()
    return [view_name(path) for path in paths], [hash_name(path, salt) for path in paths]


def test_table_has_metrics_with_intervals_and_settings(tmp_path, private):
    run = tmp_path / "run"
    start(run, private, "logger=[csv]", "explainer=[]")
    found = {tag: rows[-1][1] for tag, rows in read_table(run).items()}
    expected = read_metrics(run) | read_intervals(run)
    assert {tag: found[tag] for tag in expected} == pytest.approx(expected, abs=1e-6)
    assert {"train/loss", "val/loss", "lr-AdamW"} <= {tag.partition("/pg")[0] for tag in found}
    assert not (run / "tensorboard").exists()
    assert_private(run / "csv", SECRET)
    assert "resnet10t" in (run / "csv/hparams.yaml").read_text()


def test_no_tracker_at_all(tmp_path, phantom):
    start(tmp_path / "run", phantom, "logger=[]")
    assert (tmp_path / "run/metrics.json").is_file()
    assert (tmp_path / "run/explanations/gradcam/sheet.png").is_file()
    assert not [name for name in ("tensorboard", "csv", "trackers.json") if (tmp_path / "run" / name).exists()]


def test_table_of_a_resumed_run_has_each_step_once(tmp_path, phantom, monkeypatch):
    options = [*SHORT, "logger=[csv]"]
    start(tmp_path / "whole", phantom, *options)
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 8)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options)
    start(tmp_path / "run", phantom, *options, "resume=auto")
    run, whole = read_table(tmp_path / "run"), read_table(tmp_path / "whole")
    assert run.keys() == whole.keys()
    assert run["train/loss"] == whole["train/loss"]


@pytest.mark.slow
def test_mlflow_store_has_metrics_settings_pictures_and_report(tmp_path, private, store):
    run = tmp_path / RUN
    start(run, private, "logger=[tensorboard,mlflow]", *store)
    assert list((run / "tensorboard").glob("events*"))
    found = dict(query(tmp_path / "store", "select key, value from latest_metrics"))
    expected = read_metrics(run) | read_intervals(run)
    assert {tag: found[tag] for tag in expected} == pytest.approx(expected, abs=1e-6)
    assert dict(query(tmp_path / "store", "select key, value from params"))["optimizer"] == "AdamW"
    assert [status for (status,) in query(tmp_path / "store", "select status from runs")] == ["FINISHED"]
    assert "chexpert" in [name for (name,) in query(tmp_path / "store", "select name from experiments")]
    files = {path.relative_to(tmp_path / "store/artifacts").as_posix().partition("/artifacts/")[2]
             for path in (tmp_path / "store/artifacts").rglob("*") if path.is_file()}  # fmt: skip
    names, (hashed,) = find_views(run)
    assert {"report.html", "config.yaml", "explanations/gradcam.png", f"explanations/views/{hashed}.png"} <= files
    assert not [path for path in files if any(name in path for name in names)]
    tags = dict(query(tmp_path / "store", "select key, value from tags"))
    assert set(tags) <= {"mlflow.runName"}
    assert_private(tmp_path / "store", SECRET, HOST, USER, RUN, *names)


@pytest.mark.slow
def test_resumed_run_is_one_run_of_mlflow_and_wandb(tmp_path, phantom, store, monkeypatch):
    run, options = tmp_path / "run", [*SHORT, "logger=[mlflow,wandb]", *store]
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 8)
        with pytest.raises(Stopped):
            start(run, phantom, *options)
    assert [status for (status,) in query(tmp_path / "store", "select status from runs")] == ["KILLED"]
    ids = json.loads((run / "trackers.json").read_text())
    start(run, phantom, *options, "resume=auto")
    assert json.loads((run / "trackers.json").read_text()) == ids
    assert query(tmp_path / "store", "select run_uuid, status from runs") == [(ids["mlflow"], "FINISHED")]
    folders = [path.name for path in (run / "wandb").glob("offline-run-*")]
    assert len(folders) == 2
    assert all(name.endswith(f"-{ids['wandb']}") for name in folders)


@pytest.mark.slow
def test_store_without_the_run_is_one_error(tmp_path, phantom, store, monkeypatch):
    options = [*SHORT, "logger=[mlflow]"]
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 8)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options, *store)
    with raises("missing-run", str(tmp_path / "run/trackers.json")):
        start(tmp_path / "run", phantom, *options, "resume=auto", f"logger.mlflow.folder={tmp_path / 'other'}")


@pytest.mark.slow
def test_wandb_offline_files_have_metrics_settings_pictures_and_report(tmp_path, private):
    run = tmp_path / RUN
    start(run, private, "logger=[wandb]", "logger.wandb.tags=[first]")
    found, expected = read_wandb(run), read_metrics(run) | read_intervals(run)
    assert {tag: found[tag] for tag in expected} == pytest.approx(expected, abs=1e-6)
    records = list(scan_wandb(run))
    runs = [record.run for record in records if record.HasField("run")]
    assert {(one.project, one.run_id) for one in runs} == {("chexpert", read_id(run))}
    assert next(list(one.tags) for one in runs) == ["first"]
    assert {(one.host, one.git.remote_url) for one in runs} == {("", "")}
    artifacts = [record.request.log_artifact.artifact for record in records] + [record.artifact for record in records]
    assert any(entry.path == "report.html" for artifact in artifacts for entry in artifact.manifest.contents)
    assert list((run / "wandb").glob("offline-run-*/files/media/images/explanations/gradcam*.png"))
    names, (hashed,) = find_views(run)
    assert list((run / "wandb").glob(f"offline-run-*/files/media/images/explanations/views/{hashed}*.png"))
    assert_private(run / "wandb", SECRET, HOST, USER, *names)
    assert not [path for path in run.glob("wandb/**/*") if any(name in path.name for name in names)]
    assert find_texts(run, REAL_HOST) == set()
    assert find_texts(run, RUN) == {"local_path", "debug.log"}  # which docs/how-to/track.md names


def read_id(run: Path) -> str:
    return json.loads((run / "trackers.json").read_text())["wandb"]


@pytest.mark.slow
def test_each_job_of_a_sweep_is_a_run_of_one_group(tmp_path, phantom, store):
    sweep = tmp_path / "sweep"
    done = train("-m", "seed=0,1,2,3", "data=small", f"data.root={phantom}", *TINY, "explainer=[]", "name=four",
                 f"hydra.sweep.dir={sweep}", "logger=[mlflow,wandb]", *store)  # fmt: skip
    assert done.returncode == 0, done.stderr
    ids = [json.loads((sweep / str(job) / "trackers.json").read_text()) for job in range(4)]
    runs = query(tmp_path / "store", "select run_uuid, experiment_id, status from runs")
    assert {own for own, _, _ in runs} == {own["mlflow"] for own in ids}
    assert [len({own[name] for own in ids}) for name in ("mlflow", "wandb")] == [4, 4]
    assert {status for _, _, status in runs} == {"FINISHED"}
    assert len({experiment for _, experiment, _ in runs}) == 1
    sweeps = query(tmp_path / "store", "select value from tags where key = 'sweep'")
    assert sweeps == [("sweep",)] * 4
    for job in range(4):
        found = [record.run for record in scan_wandb(sweep / str(job)) if record.HasField("run")]
        assert {(one.run_id, one.run_group, one.project) for one in found} == {(ids[job]["wandb"], "sweep", "four")}
        assert read_wandb(sweep / str(job))["auroc/valid/mean"] == pytest.approx(
            read_metrics(sweep / str(job))["auroc/valid/mean"]
        )


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "sqlalchemy")])
def test_missing_extra_is_one_error_before_any_work(monkeypatch, name, module):
    found = trackers.base.importlib.util.find_spec
    monkeypatch.setattr(trackers.base.importlib.util, "find_spec", lambda one: None if one == module else found(one))
    with raises("not-installed", f"logger.{name}"):
        resolve(make(f"logger=[{name}]"))


@pytest.mark.parametrize(
    ("overrides", "code", "where"),
    [
        (["logger=[wandb]", "logger.wandb.mode=cloud"], "choice", "logger.wandb.mode"),
        (["logger=[wandb]", "logger.wandb.base_url=x"], "unknown-key", "logger.wandb (Wandb)"),
        (["logger.csv.folder=x"], "unused-setting", "logger.csv"),
    ],
)
def test_wrong_settings(overrides, code, where):
    with raises(code, where):
        resolve(make(*overrides))


def test_all_trackers_can_be_chosen_at_once():
    cfg = resolve(make("logger=[tensorboard,csv,wandb,mlflow]"))
    assert list(cfg["logger"]) == ["tensorboard", "csv", "wandb", "mlflow"]
