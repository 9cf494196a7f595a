"""The report as a page: what stands in it, what may run in it, and that runs of any age get one."""

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
from helpers.hostile_runs import HOSTILE, make_hostile_run
from helpers.report_runs import make_run

from chexpert.errors import UserError
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
    """What a page consists of."""

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
    """Empty drawings: matplotlib takes most of the time of a page, and some tests look elsewhere."""
    empty = '<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda self, file, **_: file.write(empty))


def test_the_parts_stand_in_their_order_and_the_page_says_that_it_is_no_medical_device(page):
    order = ("verdict", "metrics", "curves", "reliability", "training", "groups", "data", "explanations", "done", "run")
    assert re.findall(r'<section id="(\w+)"', page) == list(order)
    assert "Not a medical device." in page[page.index("<footer>") :]
    assert 'class="lack"' not in page


def test_the_verdict_names_its_evaluation_setting(run, page):
    mean = json.loads((run / "evaluation/valid.json").read_text())["auroc_mean"]
    value = f"{mean['value']:.3f} [{mean['ci_low']:.3f}, {mean['ci_high']:.3f}]"
    assert (
        f"Mean AUROC over Edema, Cardiomegaly, Consolidation: {value} (valid split, single views, n = 60, labels of "
        "valid.csv); the epoch was chosen on the dev split."
    ) in page


@pytest.mark.usefixtures("plots_left_empty")
def test_a_phantom_s_page_says_synthetic_in_verdict_and_data_table(page, copy):
    assert "synthetic" not in page
    data = json.loads((copy / "data.json").read_text())
    data["splits"]["valid"]["synthetic"] = True
    (copy / "data.json").write_text(json.dumps(data))
    text = write_report(copy).read_text()
    verdict, table = (
        re.search(rf'<section id="{part}".*?</section>', text, re.DOTALL)[0] for part in ("verdict", "data")
    )
    assert "synthetic images" in verdict
    assert "synthetic images, laid out as CheXpert-v1.0-small" in table


@pytest.mark.usefixtures("plots_left_empty")
def test_hashed_names_are_explained_where_they_stand(page, copy):
    assert "keyed by the file ids.salt" in re.search(r'<section id="explanations".*?</section>', page, re.DOTALL)[0]
    assert "ids.salt" not in write_report(copy, ids="path").read_text()


def test_each_observation_has_its_metrics_with_intervals_and_counts(run, page):
    content = json.loads((run / "evaluation/valid.json").read_text())
    edema, auprc = content["auroc"]["Edema"], content["auprc"]["Edema"]
    row = re.search(r'<tr><th scope="row">Edema</th>.*?</tr>', page, re.DOTALL)[0]
    text = " ".join(re.sub(r"<[^>]+>", " ", row).split())
    brier, ece = (content["calibration"]["Edema"][key] for key in ("brier", "ece"))
    cells = [f"{f['value']:.3f} [{f['ci_low']:.3f}, {f['ci_high']:.3f}]" for f in (edema, auprc, brier, ece)]
    cells.insert(2, f"{auprc['prevalence']:.3f}")
    assert text == f"Edema {' '.join(cells)} {edema['positives']} {edema['negatives']}"


def test_there_is_one_chart_of_each_kind_an_observation(page):
    kinds = re.findall(r'role="img" aria-label="(ROC|Precision-recall|Reliability|AUROC by|Mean AUROC by|\w+)', page)
    assert [kinds.count(kind) for kind in ("ROC", "Precision-recall", "Reliability", "AUROC by", "Mean AUROC by")] == [
        3, 3, 3, 1, 1,
    ]  # fmt: skip
    assert kinds.count("Loss") == kinds.count("Learning") == 1


def test_every_id_stands_once_and_every_reference_is_to_one_of_them(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    referred = re.findall(r'(?:href="|url\()#([^")]+)', page) + re.findall(r'\bfor="([^"]+)"', page)
    assert set(referred) <= set(ids)


def test_nothing_is_loaded_and_nothing_runs_but_the_page_s_own_script(page):
    assert_tame(page)


def test_hostile_texts_are_shown_and_run_nothing(tmp_path):
    assert len(HOSTILE) >= 40
    page = write_report(make_hostile_run(tmp_path / "run"), "path").read_text()
    seen = assert_tame(page)
    text = "".join(seen.texts)
    shown = [name for name in HOSTILE if re.sub(r"[\x00-\x08\x0b-\x1f\u202e\ufeff\udcff]", "\ufffd", name) in text]
    assert set(HOSTILE) - set(shown) == set()


def assert_tame(page: str) -> Seen:
    """Known elements only, closed in order; one script and one style, those of the policy; no handler, no address."""
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
def test_images_are_hashed_and_paths_hidden_unless_asked_for(copy):
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
def test_a_run_from_before_evaluations_gets_a_page_without_a_mean(copy):
    shutil.rmtree(copy / "evaluation")
    shutil.rmtree(copy / "labels")
    for name in ("state.json", "calibration.json", "data.json"):
        (copy / name).unlink()
    page = write_report(copy).read_text()
    assert "No mean AUROC is reported" in page
    assert "Mean over" not in page
    assert "scripts/evaluate.py --predictions RUN/predictions/valid.csv --labels LABELS.csv --level image" in page
    assert "0.750" in page
    assert_tame(page)


def test_an_old_run_gets_its_intervals_by_evaluating_its_files(copy):
    shutil.rmtree(copy / "evaluation")
    given = (copy / "predictions/valid.csv", copy / "labels/valid.csv")
    content = evaluate_files(
        *given, level="image", mean_over=["Edema", "Cardiomegaly"], replicates=20, group_by=["sex"]
    )
    run_files.write_json(copy / "evaluation/valid.json", content)
    page = write_report(copy).read_text()
    assert "Mean AUROC over Edema, Cardiomegaly: " in page
    assert "20 resamples of 60 studies" in page
    assert "no thresholds were chosen on other rows" in page
    assert_tame(page)


@pytest.mark.usefixtures("plots_left_empty")
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("tensorboard", "training curves: nothing was trained, or no event file is left"),
        ("explanations", "explanations: none are left"),
        ("explanations/images", "images beneath the maps: this run did not keep them"),
        ("calibration.json", "calibrated probabilities: nothing was fitted"),
        ("config.yaml", "no readable config.yaml"),
        ("predictions/valid.csv", "valid.csv are not there"),
    ],
)
def test_what_is_missing_is_reported(copy, gone, message):
    path = copy / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = write_report(copy).read_text()
    assert message in page
    assert_tame(page)


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
def test_a_damaged_file_costs_its_part_alone(copy, name, content):
    (copy / name).write_text(content)
    page = write_report(copy).read_text()
    assert "Precision-recall curve" in page
    assert_tame(page)


def test_a_folder_that_evaluated_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="no metrics of a run"):
        write_report(tmp_path)


def test_a_report_needs_no_torch_and_leaves_a_small_page(copy):
    """Also of what it imports: a module that asks for torch fails here."""
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
    assert "training curves" not in (copy / run_files.REPORT).read_text()
    assert (copy / run_files.REPORT).stat().st_size < 1e6
