"""The prediction sets of a run in its report."""

import json
import re

import pytest
from helpers.report_runs import edit_json, make_run

from chexpert.report.html.prediction_sets import collect_sets
from chexpert.report.html.run_page import make_page
from chexpert.report.names import Names
from chexpert.report.run_data import RunData
from chexpert.runs import files as run_files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("outputs") / "run", rows=120)


@pytest.fixture
def content(run):
    return json.loads(run_files.evaluation(run, "valid").read_text())


def test_tables_are_those_of_the_evaluation(content):
    found = collect_sets(content)
    assert (found.fitted_on, list(found.rates)) == ("dev", ["0.1", "0.05", "0.2"])
    assert list(found.groups) == ["Sex", "Age in years", "Projection"]
    assert list(found.groups["Sex"]) == ["Female", "Male"]
    own = content["prediction_sets"]["error_rates"]["0.1"]["Edema"]
    row = next(row for row in found.rates["0.1"] if row.observation == "Edema")
    assert row.coverage["present"]["value"] == own["coverage"]["present"]["value"]
    assert sum(row.shares) == pytest.approx(1)
    assert row.patients == {kind: content["prediction_sets"]["calibration"]["Edema"][kind] for kind in row.patients}


def test_coverage_below_the_promise_is_marked(content):
    own = content["prediction_sets"]["error_rates"]["0.1"]["Edema"]["coverage"]
    own["present"] |= {"value": 0.8, "ci_low": 0.7, "ci_high": 0.89}
    own["absent"] |= {"value": 0.85, "ci_low": 0.8, "ci_high": 0.9}
    row = next(row for row in collect_sets(content).rates["0.1"] if row.observation == "Edema")
    assert [row.coverage[kind]["below"] for kind in ("present", "absent")] == [True, False]


def test_page_shows_the_tables_and_why_there_is_no_set(run, content):
    edit_json(run_files.evaluation(run, "valid"), lambda found: _leave_out(found, "Edema"))
    page = make_page(RunData.read(run), Names("hash", run))
    section = re.search(r'<section id="sets">.*?</section>', page, re.DOTALL)[0]
    assert section.count("no set: 5 patients present, 9 needed") == 1
    assert section.count("<table>") == 3 + 3
    run_files.evaluation(run, "valid").write_text(json.dumps(content))


def _leave_out(content, name):
    content["prediction_sets"]["error_rates"]["0.1"][name] = {"why": "5 patients present, 9 needed"}
    return content


@pytest.mark.parametrize("sets", [None, {"fitted_on": "dev", "error_rates": {"0.1": {}}}])
def test_page_of_a_run_without_sets_says_how_to_get_them(run, content, sets):
    run_files.evaluation(run, "valid").write_text(json.dumps(content | {"prediction_sets": sets}))
    run_data = RunData.read(run)
    page = make_page(run_data, Names("hash", run))
    assert "<table>" not in re.search(r'<section id="sets">.*?</section>', page, re.DOTALL)[0]
    assert sum("sets:" in lack.message for lack in run_data.lacks) == 1
    run_files.evaluation(run, "valid").write_text(json.dumps(content))
