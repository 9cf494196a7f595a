"""The report of a run as a page: its content, its safety, and pages of old and damaged runs."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.errors import raises
from helpers.hostile_runs import HOSTILE, make_hostile_run
from helpers.report_runs import make_run

from chexpert.evaluation import evaluate_files
from chexpert.report import write_report
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import hash_name

PROJECT = Path(__file__).parents[3]
ELEMENTS = """
html head meta link title style body a header h1 h2 h3 h4 main footer p nav section details summary ul li div table
caption thead tbody tfoot tr th td span b br dl dt dd code pre figure figcaption article label select option input
output fieldset legend script svg defs g path use text image rect clippath
"""
TAGS = set(ELEMENTS.split())
VOID = {"meta", "link", "br", "input"}


class Seen(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.stack: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("outputs") / "run")


@pytest.fixture(scope="module")
def page(run) -> str:
    return write_report(run).read_text()


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture
def plots_left_empty(monkeypatch) -> None:
    """Plots without content: matplotlib takes most of the time of a page."""
    empty = '<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda self, file, **_: file.write(empty))


def find_section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0]


def test_page_has_its_sections_in_order_and_a_disclaimer(page):
    order = "verdict metrics curves reliability sets selective training groups data explanations done run"
    assert re.findall(r'<section id="(\w+)"', page) == order.split()
    assert "medical device" in page[page.index("<footer>") :]
    assert 'class="lack"' not in page


def test_verdict_has_the_mean_and_its_evaluation_setting(run, page):
    mean = json.loads((run / "evaluation/valid.json").read_text())["auroc_mean"]
    value = f"{mean['value']:.3f} [{mean['ci_low']:.3f}, {mean['ci_high']:.3f}]"
    verdict = find_section(page, "verdict")
    for fact in ("Edema, Cardiomegaly, Consolidation", value, "single views", "n = 60", "valid.csv", "dev split"):
        assert fact in verdict


@pytest.mark.usefixtures("plots_left_empty")
def test_page_of_a_phantom_has_synthetic_in_two_sections(page, copy):
    assert "synthetic" not in page
    data = json.loads((copy / "data.json").read_text())
    data["splits"]["valid"]["synthetic"] = True
    (copy / "data.json").write_text(json.dumps(data))
    text = write_report(copy).read_text()
    assert "synthetic" in find_section(text, "verdict")
    assert re.search("synthetic[^<]*CheXpert-v1.0-small", find_section(text, "data"))


@pytest.mark.usefixtures("plots_left_empty")
def test_what_the_time_budget_left_out_is_among_the_explanations(page, copy):
    line = "lime: scored 5 of 32 views"
    assert line not in page
    path = copy / "explanations/quality.json"
    left_out = [{"explainer": "lime", "step": "scored", "done": 5, "of": 32}]
    content = json.loads(path.read_text()) | {"time_budget": {"minutes": 3.0, "left_out": left_out}}
    path.write_text(json.dumps(content))
    assert line in find_section(write_report(copy).read_text(), "explanations")


@pytest.mark.usefixtures("plots_left_empty")
def test_gallery_of_hashed_names_refers_to_the_salt(page, copy):
    assert "ids.salt" in find_section(page, "explanations")
    assert "ids.salt" not in write_report(copy, ids="path").read_text()


def test_table_has_metrics_with_intervals_and_counts(run, page):
    content = json.loads((run / "evaluation/valid.json").read_text())
    edema, auprc = content["auroc"]["Edema"], content["auprc"]["Edema"]
    row = re.search(r'<tr><th scope="row">Edema</th>.*?</tr>', page, re.DOTALL)[0]
    text = " ".join(re.sub(r"<[^>]+>", " ", row).split())
    brier, ece = (content["calibration"]["Edema"][key] for key in ("brier", "ece"))
    cells = [f"{f['value']:.3f} [{f['ci_low']:.3f}, {f['ci_high']:.3f}]" for f in (edema, auprc, brier, ece)]
    cells.insert(2, f"{auprc['prevalence']:.3f}")
    assert text == f"Edema {' '.join(cells)} {edema['positives']} {edema['negatives']}"


def test_each_observation_has_one_plot_of_each_kind(page):
    kinds = re.findall(r'role="img" aria-label="(ROC|Precision-recall|Reliability|AUROC by|Mean AUROC by|\w+)', page)
    assert [kinds.count(kind) for kind in ("ROC", "Precision-recall", "Reliability", "AUROC by", "Mean AUROC by")] == [
        3, 3, 3, 1, 1,
    ]  # fmt: skip
    assert kinds.count("Loss") == kinds.count("Learning") == 1


def test_readers_points_stand_beside_the_curves_of_their_observation(copy, page):
    readers = copy / "readers.csv"
    readers.write_text("observation,reader,sensitivity,specificity\nEdema,one,.6,.9\nEdema,two,.7,.8\n")
    section = find_section(write_report(copy, readers=readers).read_text(), "curves")
    assert section.count(", 2 readers</figcaption>") == 1
    assert section.count("#009e73") > find_section(page, "curves").count("#009e73")


def test_ids_are_unique_and_references_resolve(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    referred = re.findall(r'(?:href="|url\()#([^")]+)', page) + re.findall(r'\bfor="([^"]+)"', page)
    assert set(referred) <= set(ids)


def test_page_loads_nothing_and_runs_its_own_script_only(page):
    assert_safe(page)


def test_hostile_texts_are_shown_and_run_nothing(tmp_path):
    assert len(HOSTILE) >= 40
    page = write_report(make_hostile_run(tmp_path / "run"), "path").read_text()
    seen = assert_safe(page)
    text = "".join(seen.texts)
    shown = [name for name in HOSTILE if re.sub(r"[\x00-\x08\x0b-\x1f\u202e\ufeff\udcff]", "\ufffd", name) in text]
    assert set(HOSTILE) - set(shown) == set()


def assert_safe(page: str) -> Seen:
    """Assert known elements, closed in order; one script and one style, in the policy; no handler, no address."""
    seen = Seen(page)
    assert set(seen.tags) <= TAGS
    assert seen.stack == []
    assert (seen.tags.count("script"), seen.tags.count("style"), seen.tags.count("title")) == (1, 1, 1)
    for _, name, value in seen.attributes:
        assert not name.startswith("on")
        assert name not in ("style", "srcdoc", "action", "formaction", "src", "xlink:href")
        if name == "href":
            assert re.match(r"#[\w-]+$|data:image/(png|jpeg);base64,|data:,$", value)
    policy = next(
        value for tag, name, value in seen.attributes if (tag, name) == ("meta", "content") and "src" in value
    )
    for kind in ("script", "style"):
        body = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    return seen


@pytest.mark.usefixtures("plots_left_empty")
def test_names_are_hashed_unless_ids_are_paths(copy):
    named = "valid/patient64541/study1/view1_frontal.jpg"
    page = write_report(copy).read_text()
    for secret in ("patient64541", "patient70000", "JANE", "ward", "/data"):
        assert secret not in page
    assert hash_name(named, (copy / "ids.salt").read_text().strip()) in page
    assert write_report(copy).read_text() == page
    shown = write_report(copy, "path").read_text()
    assert named in shown
    assert "data.root=/data/ward 3/DOE^JANE" in shown


@pytest.mark.usefixtures("plots_left_empty")
def test_run_without_evaluations_has_a_page_without_a_mean(page, copy):
    shutil.rmtree(copy / "evaluation")
    shutil.rmtree(copy / "labels")
    for name in ("state.json", "calibration.json", "data.json"):
        (copy / name).unlink()
    old = write_report(copy).read_text()
    assert ("Mean over" in page, "Mean over" in old) == (True, False)
    assert "chexpert evaluate --predictions RUN/predictions/valid.csv --labels LABELS.csv --level image" in old
    assert "0.750" in old
    assert_safe(old)


@pytest.mark.usefixtures("plots_left_empty")
def test_old_run_has_intervals_after_evaluate_files(copy):
    shutil.rmtree(copy / "evaluation")
    given = (copy / "predictions/valid.csv", copy / "labels/valid.csv")
    content = evaluate_files(
        *given, level="image", mean_over=["Edema", "Cardiomegaly"], replicates=20, group_by=["sex"]
    )
    run_files.write_json(copy / "evaluation/valid.json", content)
    page = write_report(copy).read_text()
    mean = content["auroc_mean"]
    assert f"Edema, Cardiomegaly: {mean['value']:.3f} [{mean['ci_low']:.3f}" in find_section(page, "verdict")
    assert re.search(r"\b20 resamples of 60\b", page)
    assert_safe(page)


@pytest.mark.usefixtures("plots_left_empty")
@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("tensorboard", "tensorboard"),
        ("explanations", "chexpert explain RUN"),
        ("explanations/images", "images"),
        ("calibration.json", "data.dev=0.1 calibration=platt"),
        ("config.yaml", "config.yaml"),
        ("predictions/valid.csv", "predictions/valid.csv"),
    ],
)
def test_missing_file_is_listed_with_a_hint(copy, gone, named):
    path = copy / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = write_report(copy).read_text()
    (missing,) = re.findall("<dt>.*?</dd>", re.search('<dl class="lacks">.*?</dl>', page, re.DOTALL)[0], re.DOTALL)
    assert named in missing
    assert_safe(page)


@pytest.mark.usefixtures("plots_left_empty")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("evaluation/valid.json", '{"groups": 3}'),
        ("calibration.json", "{"),
        ("state.json", '{"started": 3, "overrides": "x", "versions": [], "seconds": "long", "why": {}}'),
        ("config.yaml", "labels: 3\ndata: [1]\nname: [2]"),
        ("config.yaml", "a: [unclosed"),
        ("data.json", "[]"),
        ("explanations/quality.json", '{"explainers": {"lime": {}}}'),
        ("explanations/lime/manifest.json", '[{"view": 1}, 3]'),
    ],
)
def test_page_of_a_run_with_a_damaged_file_has_curves(copy, name, content):
    (copy / name).write_text(content)
    page = write_report(copy).read_text()
    assert 'class="lack"' not in find_section(page, "curves")
    assert_safe(page)


def test_folder_without_metrics_is_an_error(tmp_path):
    with raises("missing-run", tmp_path / "metrics.json"):
        write_report(tmp_path)


def test_report_is_small_and_made_without_torch(copy):
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in ('torch', 'torchvision', 'timm', 'pytorch_lightning'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"sys.argv = ['make_report.py', {str(copy)!r}]\n"
        f"import runpy; runpy.run_path({str(PROJECT / 'scripts/make_report.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'class="lack' not in (copy / run_files.REPORT).read_text()
    assert (copy / run_files.REPORT).stat().st_size < 1e6
