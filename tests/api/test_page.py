"""The scripts of the page on Python, as they stand there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to/python.md"
BLOCK = re.compile(r"^## ([^\n]+)\n.*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPTS = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def test_page_has_a_script_for_each_part():
    assert len(SCRIPTS) == 12
    assert all(len([line for line in script.splitlines() if line]) <= 12 for script in SCRIPTS.values())


@pytest.mark.parametrize("title", SCRIPTS)
def test_script_runs(at_work, title):
    names: dict = {"__name__": "__main__"}
    exec(compile(SCRIPTS[title], title, "exec"), names)
    for check in CHECKS.get(title, ()):
        assert eval(check, names), check


CHECKS = {
    "Train": ["run.state['state'] == 'finished'", "run.metrics.shape == (6, 15)", "run.synthetic"],
    "Read a run": ["probabilities.shape == labels.shape == (24, 5)", "(run.folder / 'report.html').is_file()"],
    "Predict": ["len(table) == 3", "table.attrs['failed'] == {}"],
    "Calibrated probabilities and thresholds": ["0 < loaded.thresholds['image']['Edema']['youden'] < 1"],
    "Explain": ["explanation.map.shape == explanation.view.original.shape", "explanation.observation == 'Edema'"],
    "Data module with your own network": ["float(loss.detach()) > 0"],
    "Label policies on a table": ["targets.values.shape == (len(frame), 5)"],
    "AUROC with an interval": ["abs(edema.value - run.metrics.loc[('valid', 'Edema'), 'auroc']) < 1e-12"],
    "Compare two models": ["difference.ci_low > 0", "p < .05"],
    "Calibrate": [
        "expected_calibration_error(after, labels[1000:]) < expected_calibration_error(scores[1000:], labels[1000:])"
    ],
    "Score a heat map against a mask": ["expected_hit(heat, mask) == 1"],
    "LIME on any function": ["attribution.map[40:80, 40:80].mean() > 2 * attribution.map.mean()"],
}
