"""chexpert explain-leaderboard, on folders with made-up scores."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.scored_explainers import write_quality, write_run

FILES = ["differences.csv", "explainers.csv", "explainers.html", "explainers.json"]


def make(scale):
    """Six views of two observations; all values differ between explainers by the scale."""
    columns = {"iou": 0.5, "gap_over_random": 1.0, "road": 2.0, "top_block_size": 0.25, "stability": 0.75}
    own = {key: [scale * value * (1 + row / 10) for row in range(6)] for key, value in columns.items()}
    hits = {"hit": [float(row % 3 == 0) for row in range(6)], "chance": [0.1] * 6, "reachable": [0.9] * 6}
    return {"Enlarged Cardiomediastinum": own | hits, "Edema": own}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("DOE^JANE") / "outputs"
    explainers = {"gradcam_plus_plus": make(1.0), "lime": make(0.9), "integrated_gradients": make(0.8)}
    run = write_run(folder / "run", explainers | {"random": make(0.1)}, controls=["random"])
    return run, write_quality(folder / "<b>more", {"gradcam": make(0.5)}, first=2)


@pytest.fixture(scope="module")
def done(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "board"
    return run_cli("explain-leaderboard", *folders, "--bootstrap", 50, "--out", out), out


def test_tables_are_printed_in_120_columns(done):
    printed = done[0].stdout.splitlines()
    assert done[0].returncode == 0, done[0].stderr
    assert max(len(line) for line in printed if not line.startswith("written:")) <= 120
    starts = [line.split("  ")[0] for line in printed]
    assert starts.index("gradcam_plus_plus") < starts.index("lime") < starts.index("integrated_gradients")
    assert {"Kendall's tau", "less gradcam_plus_plus", "Enlarged Cardiomediastinum"} <= {*starts}


def test_files_hold_every_value_and_no_path(done, folders):
    out = done[1]
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert all("DOE^JANE" not in (out / name).read_text() for name in FILES)
    content = json.loads((out / "explainers.json").read_text())
    assert [len(model["explainers"]) for model in content["models"]] == [4, 1]
    rows = list(csv.DictReader((out / "explainers.csv").open()))
    iou = next(row for row in rows if row["explainer"] == "lime" and row["metric"] == "iou")
    assert iou["observation"] == "mean over observations"
    assert float(iou["value"]) == pytest.approx(0.45 * 1.25)
    rows = list(csv.DictReader((out / "differences.csv").open()))
    assert {row["observation"] for row in rows} == {"mean over observations", "Edema", "Enlarged Cardiomediastinum"}
    assert len({(row["first"], row["second"]) for row in rows}) == 6


def test_names_of_files_are_in_no_file(tmp_path):
    run = write_run(tmp_path / "run", {"lime": make(1.0), "latent_shift": make(0.5)})
    for name in ("lime", "latent_shift"):
        entry = {key: f"{name}/{key}/DOE^JANE/view1.png" for key in ("view", "picture", "mask", "map", "image")}
        entry |= {"observation": "Edema", "probability": 0.5, "superpixels": 60, "pairs": True}
        entry |= {"segments": "DOE^JANE", "autoencoder": "DOE^JANE", "kernel": "DOE^JANE/kernel.npy"}
        entry |= {"layer": {"file": "DOE^JANE/net.pt"}, "options": {"segments": "DOE^JANE", "notes": ["DOE^JANE.png"]}}
        (run / "explanations" / name).mkdir()
        (run / "explanations" / name / "manifest.json").write_text(json.dumps([entry]))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["explainer"]["lime"]["segments"] = config["explainer"]["lime"]["regions"] = "/data/DOE^JANE/regions.png"
    config["explainer"]["latent_shift"] = {"autoencoder": "DOE^JANE", "amount": 0.25}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert run_cli("explain-leaderboard", run, "--out", tmp_path / "out").returncode == 0
    texts = [(tmp_path / "out" / name).read_text() for name in FILES]
    assert not any("DOE" in text for text in texts)
    assert texts[FILES.index("explainers.html")].count("pairs True") == 2


def test_division_of_the_image_is_shown(tmp_path):
    folder = write_quality(tmp_path / "more", {"lime": make(1.0)})
    (folder / "lime").mkdir()
    entry = {"view": "a", "observation": "Edema", "probability": 0.5, "segments": "slic"}
    (folder / "lime/manifest.json").write_text(json.dumps([entry]))
    assert run_cli("explain-leaderboard", folder, "--out", tmp_path / "out").returncode == 0
    assert "segments slic" in (tmp_path / "out/explainers.html").read_text()


class Page(HTMLParser):
    """Counts what a page opens and closes, and collects what it loads."""

    VOID = ("meta", "link", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.ids, self.links, self.loaded, self.bare = [], [], [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.seen.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.loaded += [found[key] for key in ("src", "srcset") if key in found]
        if tag == "table":
            self.bare += not any("scroll" in kind for _, kind in self.open)
        if tag not in self.VOID:
            self.open.append((tag, found.get("class", "")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag


def test_page_is_whole_and_loads_nothing(done):
    text = (done[1] / "explainers.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.loaded == []
    assert "script" not in page.seen
    assert len({*page.ids}) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= {*page.ids}
    assert page.bare == 0  # each table scrolls by itself on a phone
    assert page.seen.count("article") == 5
    assert "&lt;b&gt;more" in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?://", text)


def test_lone_explainer_is_shown_without_differences(tmp_path):
    folder = write_quality(tmp_path / "one", {"lime": make(1.0)})
    done = run_cli("explain-leaderboard", folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "less lime" not in done.stdout
    assert "Kendall" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        (["none"], ["none"]),
        (["none", "--bootstrap", "1"], ["chexpert explain-leaderboard"]),
        ([], ["chexpert explain-leaderboard"]),
        (["none", "--by", "auroc"], ["--by"]),
    ],
)
def test_wrong_call_is_one_error(tmp_path, monkeypatch, arguments, places):
    monkeypatch.chdir(tmp_path)
    done = run_cli("explain-leaderboard", *arguments)
    assert (done.returncode, done.stdout, find_places(done.stderr)) == (2, "", places)
