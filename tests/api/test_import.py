"""``import chexpert`` is light, and a user's file is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

import chexpert

HEAVY = ("torch", "pandas", "numpy", "hydra", "matplotlib", "pytorch_lightning", "sklearn", "rich")
READING = """
import sys, chexpert
run = chexpert.open_run(sys.argv[1])
run.metrics, run.predictions(), run._repr_html_()
print([name for name in ("torch", "hydra", "pytorch_lightning", "timm") if name in sys.modules])
"""
USER = """
import numpy as np
import pandas as pd

import chexpert
from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.explain import Lime
from chexpert.metrics import auroc_interval, calibrate, compare_aurocs, expected_hit, fit_calibration


def use(path: str) -> pd.DataFrame:
    run: chexpert.Run = chexpert.train("model=combined", "data=small", config_dir=path)
    run = chexpert.open_run(path)
    try:
        table: pd.DataFrame = run.predict([path, path], level="study", calibrated=True)
        table = run.predict(np.zeros((2, 64, 64)))
    except chexpert.UserError as error:
        print(error.code, error.where)
    explanation: chexpert.Explanation = run.explain(path, "gradcam", "Edema")
    explanation.figure.savefig("a.png")
    print(explanation.map.mean(), explanation.probability + 1, run.report().name, run.splits[0], run.config["seed"])
    loaded: chexpert.Loaded = chexpert.load(run.folder)
    print(loaded.observations[0], chexpert.__version__.upper(), chexpert.COMPETITION[0])
    data = CheXpertDataModule("data", chexpert.COMPETITION, LabelPolicy("ones"), num_workers=0)
    data.setup("fit")
    targets = LabelPolicy([0.5, 0.8]).apply(run.labels(), chexpert.OBSERVATIONS).values.sum()
    interval = auroc_interval(run.predictions()["Edema"], run.labels()["Edema"])
    difference, p = compare_aurocs([0.1, 0.2], [0.3, 0.4], [0, 1])
    after = calibrate([0.5], fit_calibration([0.1, 0.9], [0, 1]))
    (attribution,) = Lime().explain_function(lambda images: images.mean((1, 2)), np.zeros((64, 64), np.uint8))
    print(targets, interval.value + difference.ci_low + p, after.sum(), expected_hit(attribution.map, after > 1))
    return run.metrics
"""
WRONG = """
import chexpert

chexpert.opn_run("a")
chexpert.open_run(3)
chexpert.open_run("a").metricks
"""


def run_python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_imports_no_library():
    code = f"import sys, chexpert, chexpert; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python(code) == "[]"


def test_names_and_errors_need_no_library():
    code = "import sys; from chexpert import UserError, COMPETITION; "
    assert run_python(code + f"print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_reading_a_run_needs_no_torch(workplace):
    assert run_python(READING, workplace.run.folder) == "[]"


def test_public_names():
    assert set(chexpert.__all__) <= set(dir(chexpert))
    assert all(getattr(chexpert, name) is not None for name in chexpert.__all__)
    with pytest.raises(AttributeError, match="opn_run"):
        chexpert.opn_run  # noqa: B018
    undocumented = [name for name in ("Run", "open_run", "train", "load", "Explanation") if not _doc(name)]
    assert undocumented == []


def _doc(name: str) -> str | None:
    return getattr(chexpert, name).__doc__


@pytest.mark.slow
def test_file_of_a_user_is_typed(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.mypy]\nignore_missing_imports = false\n")
    found = {}
    for name, text in (("right", USER), ("wrong", WRONG)):
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", file]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path)
        found[name] = [line for line in done.stdout.splitlines() if line.startswith(Path(file).name)]
        assert done.returncode == (name == "wrong"), done.stdout
    assert found["right"] == []
    assert [line.rpartition("[")[2] for line in found["wrong"]] == ["attr-defined]", "arg-type]", "attr-defined]"]
