"""The model card of a run: a whole page, its numbers, its header, and nothing private or hostile in it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.golden import check_golden
from helpers.hostile_runs import make_hostile_run
from helpers.report_runs import OBSERVATIONS, STATE, edit_json, make_run
from helpers.shortcuts import make_shortcuts
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from chexpert.gate import Gate, write_gate
from chexpert.gate.feature_distance import fit_distance
from chexpert.gate.view_check import fit_view_check
from chexpert.report import write_report
from chexpert.report.html.run_page import make_page
from chexpert.report.model_card.card import make_card
from chexpert.report.model_card.explanations import SCORES
from chexpert.report.model_card.words import CLASSES, TITLES, list_settings
from chexpert.report.names import HIDDEN, Names
from chexpert.report.run_data import RunData
from chexpert.runs import files as run_files

PROJECT = Path(__file__).parents[3]
SECTIONS = [
    "Model", "Intended use", "Data", "Training", "Evaluation", "Limits", "License", "How to repeat it",
    "What is missing",
]  # fmt: skip
MODEL = {
    "_target_": "chexpert.models.Single",
    "backbone": {"_target_": "chexpert.models.Backbone", "name": "vit_base_patch14_dinov2", "pretrained": "rad-dino"},
}
EXPORTED = {
    "observations": list(OBSERVATIONS), "readout": {"uncertain": [1], "parents": None},
    "preprocessing": {"size": [96, 64], "fit": "pad"},
}  # fmt: skip
CONTAMINATION = "the backbone saw CheXpert's training images before this run (rad-dino)"


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    run = make_run(tmp_path_factory.mktemp("outputs") / "run")
    config = yaml.safe_load((run / run_files.CONFIG).read_text())
    config |= {"model": MODEL, "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.0003}}
    (run / run_files.CONFIG).write_text(yaml.safe_dump(config))
    edit_json(run / run_files.METRICS, lambda content: content | {"contamination": CONTAMINATION})
    run_files.write_json(run_files.checkpoint(run).with_suffix(".json"), EXPORTED)
    run_files.write_json(run / run_files.SHORTCUTS / "shortcut.json", make_shortcuts())
    write_gate(run / run_files.GATE, make_gate())
    return run


def make_gate() -> Gate:
    rng = np.random.default_rng(0)
    patients, thumbnails = [f"patient{n}" for n in range(40)], rng.normal(size=(40, 16, 16))
    view = fit_view_check(thumbnails, patients, np.zeros((0, 16, 16)), [], seed=0)
    distance = fit_distance("mahalanobis", rng.normal(size=(40, 6)), patients, np.zeros((0, 6)), seed=0)
    return Gate("0" * 16, view, distance, {"images": 40, "held_out": 9, "held_split": "dev", "laterals": 0})


@pytest.fixture
def run(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "run"))


def write_card(run: Path) -> str:
    return make_card(RunData.read(run))


def find_section(card: str, title: str) -> str:
    return re.search(rf"^(#+) {title}\n(.*?)(?=^#+ |\Z)", card, re.DOTALL | re.MULTILINE)[2]


def read_table(text: str) -> dict[str, list[str]]:
    """The cells of each row of a table by its first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return {row[0]: row[1:] for row in rows}


def show(metric: dict, digits: int) -> str:
    value, low, high = (format(metric[key], f".{digits}f") for key in ("value", "ci_low", "ci_high"))
    return f"{value} [{low}, {high}]".replace(" ", "\u00a0")


def test_whole_card(run):
    check_golden(write_card(run), Path(__file__).parent / "golden/card.md")


def test_numbers_are_those_of_the_evaluation(run):
    card, content = write_card(run), json.loads(run_files.evaluation(run, "valid").read_text())
    aurocs = read_table(find_section(card, "The valid split"))
    precisions = read_table(find_section(card, "Calibration"))
    sets = read_table(find_section(card, "Prediction sets"))
    points = find_section(card, "Sensitivity and specificity")
    for name in OBSERVATIONS:
        auroc = content["auroc"][name]
        counts = [str(auroc[key]) for key in ("positives", "negatives")]
        assert f"| {name} | {show(auroc, 3)} | {' | '.join(counts)} |" in card
        raw, after = content["calibration"][name], content["calibrated"]["figures"][name]
        cells = [show(one[key], 3) for key in ("ece", "brier") for one in (raw, after)]
        assert precisions[name] == cells
        coverage = content["prediction_sets"]["error_rates"]["0.1"][name]["coverage"]
        assert sets[name][:2] == [show(coverage[kind], 2) for kind in ("present", "absent")]
        for own in content["operating_points"][name].values():
            ends = f"{own['threshold']:.3f} | {show(own['sensitivity'], 2)} | {show(own['specificity'], 2)} |"
            assert re.search(rf"\| {name} \| [^|]+ \| {re.escape(ends)}", points)
    assert aurocs["mean over 3"][0] == show(content["auroc_mean"], 3)
    female = content["groups"]["sex"]["rows"]["Female"]
    groups = read_table(find_section(card, "Groups"))
    assert groups["Female"] == [str(female["n"]), show(female["auroc_mean"], 3), "3"]


UNSCORED = {"value": None, "ci_low": None, "ci_high": None, "n": 0}


@pytest.mark.parametrize(
    ("masks", "change", "score", "reason"),
    [
        (None, {"hit_normalized": UNSCORED}, "Hit", "no outlines were given"),
        ("m.json", {"hit_normalized": UNSCORED}, "Hit", "no outline of it in these views"),
        ("m.json", {"hit_normalized": UNSCORED, "without_evidence": 8}, "Hit", "no map has positive evidence"),
        ("m.json", {"right_for_the_right_reason": UNSCORED}, "Right reason", "no true positive with an outline"),
        ("m.json", {"gap_over_random": UNSCORED}, "Gap", "no map with positive evidence"),
        ("m.json", {"gap_over_random": UNSCORED, "n": 0}, "Gap", "no view was explained"),
        ("m.json", {"sanity": {"top_block_size": UNSCORED, "passed": None}}, "Sanity", "weights were not shuffled"),
    ],
)
def test_missing_score_of_an_explanation_has_its_reason(run, masks, change, score, reason):
    def edit(content):
        first = content["explainers"]["hirescam"]["observations"]
        first["Edema"] = first["Edema"] | change
        return content | {"masks": masks}

    edit_json(run / "explanations/quality.json", edit)
    section = find_section(write_card(run), "Explanations")
    table = section[: section.index("**lime**")]
    row = dict(zip(SCORES, read_table(table)["Edema"], strict=True))
    assert row.pop(score) == f"not scored: {reason}"
    assert not any("not scored" in own for own in row.values())


def test_group_of_few_patients_is_named_and_has_no_metric(run):
    path = run_files.evaluation(run, "valid")
    content = json.loads(path.read_text())
    female = content["groups"]["sex"]["rows"]["Female"]
    assert female["patients"] == female["n"] == 30

    def edit(content):
        content["groups"]["sex"]["rows"]["Female"]["patients"] = 9  # of 30 images
        return content

    edit_json(path, edit)
    groups = find_section(write_card(run), "Groups")
    assert "Female" not in read_table(groups)
    assert "Female above" not in groups
    assert "above Female" not in groups
    assert "Male" in read_table(groups)
    assert "fewer than 10 patients: Female (n = 30)" in groups
    page = make_page(RunData.read(run), Names("hash", run))
    page = page[page.index('<section id="groups">') : page.index('<section id="data">')]
    assert "fewer than 10 patients: Female (n = 30)" in page
    assert '<th scope="row">Female' not in page
    assert '<th scope="row">under 40' in page


def test_every_class_of_the_config_has_a_plain_name():
    folders = ("loss", "optimizer", "scheduler", "averaging", "model")
    files = [file for folder in folders for file in (PROJECT / "conf" / folder).glob("*.yaml")]
    targets = [yaml.safe_load(file.read_text()).get("_target_") for file in files]
    names = {target.rpartition(".")[2] for target in targets if target}
    assert len(names) > 12
    assert names <= CLASSES.keys()


def test_settings_are_in_plain_words():
    config = {
        "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.001, "weight_decay": 0.01},
        "loss": {"_target_": "chexpert.training.MaskedBCE"}, "averaging": {}, "early_stopping": None,
        "scheduler": {"_target_": "ward3.private.Own", "file": "/data/DOE"},
        "data": {"batch_size": 8, "dev": 0.1, "root": "/data/DOE"},
    }  # fmt: skip
    found = dict(list_settings(config))
    assert found["Loss"] == CLASSES["MaskedBCE"]
    assert found["Optimizer"] == "AdamW; learning rate 0.001, weight decay 0.01"
    assert found["Learning rate schedule"] == f"Own; file {HIDDEN}"
    assert found.keys() == {"Loss", "Optimizer", "Learning rate schedule", "Batch size", TITLES["data.dev"]}


def test_sections_are_in_order_and_none_is_missing(run):
    card = write_card(run)
    assert re.findall(r"^## (.*)", card, re.MULTILINE) == SECTIONS
    assert find_section(card, "What is missing").strip() == "Nothing."
    assert "Missing:" not in card


@pytest.mark.parametrize(
    ("file", "title", "name"),
    [
        (run_files.CONFIG, "Label policy", "labels"),
        (run_files.DATA, "Data", "data"),
        (run_files.STATE, "How to repeat it", "command"),
        (run_files.GATE, "Gate", "gate"),
        ("shortcuts/shortcut.json", "Shortcuts", "shortcuts"),
        ("explanations/quality.json", "Explanations", "explanations"),
        ("evaluation/valid.json", "Prediction sets", "sets"),
    ],
)
def test_missing_part_is_named_in_its_place_and_in_the_list(run, file, title, name):
    (run / file).unlink()
    card = write_card(run)
    assert find_section(card, title).startswith("\nMissing: ")
    assert re.search(rf"^- {name.capitalize()}: ", find_section(card, "What is missing"), re.MULTILINE)
    assert re.findall(r"^## (.*)", card, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("content", [b"", b"\0" * 40, (2).to_bytes(8, "little") + b"{}"])
def test_damaged_gate_is_named(run, content):
    (run / run_files.GATE).write_bytes(content)
    card = write_card(run)
    assert find_section(card, "Gate").startswith("\nMissing: ")
    assert "- Gate: a file of the run has another form" in card


def test_shortcut_stands_in_the_card_and_the_absence_of_one_too(run):
    assert "Cardiomegaly leans heavily on Support Devices" in find_section(write_card(run), "Shortcuts")
    content = make_shortcuts()
    content["pairs"][0] |= {"alarm": False, "lacking": ["effect"]}
    run_files.write_json(run / run_files.SHORTCUTS / "shortcut.json", content)
    assert "No shortcut was found among the suspects tested" in find_section(write_card(run), "Shortcuts")


def read_header(card: str) -> dict:
    return ModelCard(card).data.to_dict()


def test_header_is_read_by_the_library_of_the_hub(run):
    mean = json.loads(run_files.evaluation(run, "valid").read_text())["auroc_mean"]["value"]
    card = ModelCard(write_card(run))
    assert (card.data.library_name, card.data.license) == ("chexpert", "other")
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("roc_auc", round(mean, 4))
    assert result.dataset_split == "valid"


@pytest.mark.parametrize("reason", ["synthetic", "chosen on the same split", "no choice", "no interval"])
def test_header_has_no_result_where_it_would_mislead(run, reason):
    if reason == "synthetic":
        edit_json(run / run_files.DATA, lambda content: {
            "splits": {"valid": content["splits"]["valid"] | {"synthetic": True}}})  # fmt: skip
    elif reason == "no interval":
        run_files.evaluation(run, "valid").unlink()
    else:
        chosen = "valid" if reason.startswith("chosen") else None
        edit_json(run / run_files.METRICS, lambda content: content | {"epoch_chosen_on": chosen})
    header = read_header(write_card(run))
    assert not {"model-index", "metrics"} & set(header)
    assert ("synthetic-data" in header["tags"]) == (reason == "synthetic")


def test_card_of_a_phantom_says_so(run):
    def mark(content):
        return {"splits": {"valid": content["splits"]["valid"] | {"synthetic": True}}}

    edit_json(run / run_files.DATA, mark)
    card = write_card(run)
    assert "synthetic images: no result on them says anything about patients" in card.partition("## Model")[0]
    assert "research-use agreement" not in card


PRIVATE = ("jdoe", "ward 3", "DOE", "pacs01", "St. Mary", "mary.example", "/home", "/data", "lab_of_doe")


def test_nothing_private_is_in_the_card(run):
    place = "/home/jdoe/ward 3/DOE^JANE"
    config = yaml.safe_load((run / run_files.CONFIG).read_text())
    config["data"] |= {"root": place, "cache": place, "corrections": "jdoe.csv", "augmentation": {"file": place}}
    config |= {
        "features": place, "start_from": f"{place}/best.ckpt", "recipe": {"source": "St. Mary"},
        "logger": {"mlflow": {"tracking_uri": "http://pacs01.mary.example"}}, "notes": "St. Mary",
        "loss": {"_target_": "lab_of_doe.losses.Focal", "masks": place, "gamma": 2.0},
    }  # fmt: skip
    config["model"]["backbone"]["pretrained"] = f"{place}.pt"
    (run / run_files.CONFIG).write_text(yaml.safe_dump(config))
    overrides = [
        f"data.root={place}", f"start_from={place}", "name=jdoe", "hydra.run.dir=/home/jdoe/out", "data.cache=DOE",
        "logger.mlflow.tracking_uri=http://pacs01", "+data.corrections=jdoe.csv", f"pretrained={place}.pt", "seed=3",
        "logger.wandb.entity=jdoe",
    ]  # fmt: skip
    why = f"cannot read {place}"
    run_files.write_json(run / run_files.STATE, STATE | {"overrides": overrides, "why": why, "command": why})
    edit_json(run / run_files.EXPLANATIONS / run_files.QUALITY, lambda content: content | {"masks": place})
    edit_json(run_files.evaluation(run, "valid"), lambda content: content | {
        "operating_points_chosen_on": f"{place}/dev.csv", "left_out": {"predictions": [place], "labels": [place]},
    })  # fmt: skip
    edit_json(run / run_files.METRICS, lambda content: content | {"skipped": [f"{place}/a.jpg"]})
    card = write_card(run)
    assert [word for word in PRIVATE if word in card] == []
    assert "- **Loss**: Focal; " in card
    assert "; gamma 2.0, masks " in card
    assert "'start_from=[a path]'" in find_section(card, "How to repeat it")
    assert "seed=3" in find_section(card, "How to repeat it")


SAFE_TAGS = {"h1", "h2", "h3", "p", "ul", "li", "strong", "a", "table", "thead", "tbody", "tr", "th", "td"}
SAFE_TAGS |= {"pre", "code", "hr", "em"}


def test_hostile_texts_are_shown_and_make_no_markup(tmp_path):
    card = write_card(make_hostile_run(tmp_path / "run"))
    body = card.split("---\n", 2)[2]
    assert yaml.safe_load(card.split("---\n", 2)[1])["library_name"] == "chexpert"
    page = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").render(body)
    assert set(re.findall(r"<([a-z0-9]+)", page)) <= SAFE_TAGS
    assert set(re.findall(r'href="([^"]*)"', page)) <= {"#what-is-missing"}
    assert not re.search(r"https?:(?!&#8203;)//", body.replace("\u200b", "&#8203;"))


@pytest.mark.parametrize("name", ["x\n## Not a limit\n", "[a]: http://evil.invalid", "---", "- item", "1. item", "# x"])
def test_name_of_a_run_is_no_markup(run, name):
    config = yaml.safe_load((run / run_files.CONFIG).read_text())
    (run / run_files.CONFIG).write_text(yaml.safe_dump(config | {"name": name}))
    card = write_card(run)
    assert re.findall(r"^## (.*)", card, re.MULTILINE) == SECTIONS
    assert "evil.invalid)" not in card
    assert read_header(card)["model-index"][0]["name"] == name


def test_report_writes_the_card_beside_the_page_and_not_for_a_page_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.setattr("chexpert.report.html.run_page.make_page", lambda *_: "page")
    write_report(run, out=tmp_path / "page.html")
    assert not (run / run_files.MODEL_CARD).exists()
    write_report(run)
    assert (run / run_files.MODEL_CARD).read_text() == write_card(run)


def mark_layout(run, layout, split="valid"):
    def change(content):
        return content | {"splits": content["splits"] | {split: content["splits"]["valid"] | {"layout": layout}}}

    edit_json(run / run_files.DATA, change)


@pytest.mark.parametrize(
    ("layout", "kind", "labels", "terms"),
    [
        ("NIH ChestX-ray14", "nih-chestx-ray14", "read from reports", "the data set's own terms"),
        ("VinDr-CXR", "vindr-cxr", "radiologists", "PhysioNet's data use agreement"),
        ("Ward 7", "other", "as the data set gives them", "the data set's own terms"),
    ],
)
def test_card_names_the_data_set_that_was_trained_on(run, layout, kind, labels, terms):
    mark_layout(run, layout)
    card = write_card(run)
    (result,) = ModelCard(card).data.eval_results
    assert (result.dataset_type, result.dataset_name.partition(",")[0]) == (kind, layout)
    assert layout in find_section(card, "Label policy")
    assert labels in find_section(card, "Label policy")
    assert terms in find_section(card, "License")
    assert "CheXpert" not in find_section(card, "Label policy") + find_section(card, "License")


def test_evaluation_on_another_hospital_is_named_as_such(run):
    mark_layout(run, "CheXpert-v1.0-small", "train")
    mark_layout(run, "NIH ChestX-ray14")
    card = write_card(run)
    (result,) = ModelCard(card).data.eval_results
    assert result.dataset_type == "nih-chestx-ray14"
    assert "CheXpert" in find_section(card, "License")
    assert "No data of another hospital" not in find_section(card, "Limits")


def test_variant_names_the_data_set_where_no_layout_is_recorded(run):
    (run / run_files.DATA).unlink()
    config = yaml.safe_load((run / run_files.CONFIG).read_text())
    config["data"]["variant"] = "mimic"
    (run / run_files.CONFIG).write_text(yaml.safe_dump(config))
    assert "MIMIC-CXR-JPG" in find_section(write_card(run), "License")


def test_outputs_without_a_training_label_are_named(run):
    assert "no training label" not in write_card(run)
    run_files.write_json(run_files.checkpoint(run).with_suffix(".json"), EXPORTED | {"not_labeled": ["Edema"]})
    assert "- **Outputs that no training label was there for**: Edema" in find_section(write_card(run), "Model")


MEMBERS = [
    {"name": f"member {n}", "weights": f"{n}" * 64, "contamination": "saw it (cxformer-b)", "licenses": [
        {"weights": "cxformer-b", "license": "CC BY-NC 4.0", "non_commercial": True}]}
    for n in (1, 2)
]  # fmt: skip
SOUP = {"kind": "soup", "method": "greedy", "start": "pretrained=True", "members": MEMBERS, "left_out": []}


def test_soup_is_named_with_its_members_its_command_and_their_licenses(run):
    edit_json(run / run_files.METRICS, lambda content: content | {"made_of": SOUP})
    command = "chexpert soup jdoe /home/two --out 'ward 3' --method greedy --top-k 2"
    run_files.write_json(run / run_files.STATE, STATE | {"overrides": [], "command": command})
    card = write_card(run)
    made = find_section(card, "Made of")
    assert "- **Member 1**: weights 111111111111; saw it (cxformer-b)" in made
    assert "- **Member 2**: weights 222222222222" in made
    hidden = "chexpert soup '[a path]' '[a path]' --out '[a path]' --method greedy --top-k 2"
    assert hidden in find_section(card, "How to repeat it")
    assert "one seed" not in find_section(card, "Limits").lower()
    assert "cxformer-b: CC BY-NC 4.0; commercial use is not allowed" in find_section(card, "License")
