"""Closed sockets for all tests, and tiny copies of CheXpert on disk for any that reads one."""

import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # several test processes share the cores, with all that they start
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

if "CHEXPERT_TEST_ACCELERATOR" in os.environ:  # values are compared with those of the CPU: no products of 10 bits
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data import write_phantom
from chexpert.data.sources.frame import HEADER

OFFLINE = Path(__file__).parent / "offline"
WORKER = "PYTEST_XDIST_WORKER" in os.environ  # writes into the file of the process that has started it
if not WORKER:
    os.environ["CHEXPERT_CLOSED_SOCKETS"] = tempfile.mkstemp(prefix="chexpert-sockets-")[1]
ATTEMPTS = Path(os.environ["CHEXPERT_CLOSED_SOCKETS"])
os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, [os.environ.get("PYTHONPATH")])])
for proxy in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[proxy]  # one on this machine would lead out
sys.path.insert(0, str(OFFLINE))
sys.modules.pop("sitecustomize", None)  # a distribution's own
import sitecustomize  # noqa: E402, F401 - closes the sockets of this process

hypothesis.settings.register_profile("project", deadline=None)  # other tests run beside: time says nothing
hypothesis.settings.load_profile("project")

Row = dict[str, str]

torch.set_warn_always(True)  # warnings are errors here: not only the first of a kind
torch.set_num_threads(1)  # for tiny tensors threads cost more than they bring, ten times more beside another process


def pytest_terminal_summary(terminalreporter) -> None:
    """Says who reached for a network."""
    if WORKER:
        return
    attempts = ATTEMPTS.read_text().splitlines()
    terminalreporter.write_line(f"attempts to reach a network: {len(attempts)}")
    for attempt in sorted(set(attempts)):
        terminalreporter.write_line(f"  {attempt}")
    ATTEMPTS.unlink()


@pytest.fixture(autouse=True)
def no_own_modules(monkeypatch) -> None:
    """Commands run in this process, and each freezes the list of the allowed modules and writes the variable."""
    monkeypatch.setattr("chexpert.own_modules._allowed", None)
    monkeypatch.setenv("CHEXPERT_ALLOW", "")


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """The cells of one view by column; a mapping replaces some of them. Unnamed labels are blank."""

    def make(cells: Mapping[str, str] = {}, patient: int = 1, split: str = "train", view: str = "view1_frontal") -> Row:
        kind = view.rsplit("_", 1)[1]
        patient += {"train": 0, "valid": 64540, "test": 64740}[split]  # as CheXpert counts them: no patient in two
        row = dict.fromkeys(HEADER, "") | {
            "Path": f"CheXpert-v1.0-small/{split}/patient{patient:05d}/study1/{view}.jpg",
            "Sex": "Female",
            "Age": "60",
            "Frontal/Lateral": kind.title(),
            "AP/PA": "AP" if kind == "frontal" else "",
        }
        return row | dict(cells)

    return make


@pytest.fixture
def write_table() -> Callable[..., Path]:
    """Writes rows as a CSV file, the columns in the order of ``header``."""

    def write(path: Path, rows: Iterable[Row], header: Sequence[str] = HEADER) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([row[name] for name in header] for row in rows)
        return path

    return write


@pytest.fixture
def write_chexpert(
    tmp_path: Path, make_row: Callable[..., Row], write_table: Callable[..., Path]
) -> Callable[..., Path]:
    """Writes tables and gray JPEGs of 40 x 32 pixels, and returns the data root."""

    def write(train: Sequence[Row], valid: Sequence[Row] | None = None, folder: str = "CheXpert-v1.0-small") -> Path:
        rng = np.random.default_rng(0)
        if valid is None:
            valid = [make_row({"Edema": "1.0"}, split="valid")]
        for split, rows in {"train": train, "valid": valid}.items():
            write_table(tmp_path / folder / f"{split}.csv", rows)
            for row in rows:
                file = tmp_path / folder / row["Path"].split("/", 1)[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (40, 32), dtype=np.uint8)).save(file)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> Path:
    """A tiny phantom: 39 frontal training views, 24 validation views, 8 test views of 96 pixels."""
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, test=8, size=96, workers=1)
