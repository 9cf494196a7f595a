"""Weight soups of tiny runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cli import run_cli
from helpers.errors import find_places, raises
from helpers.runs import start

from chexpert.checkpoints import load, read_checkpoint
from chexpert.data import write_phantom
from chexpert.evaluation import compare, read_predictions
from chexpert.inference.ensemble import ensemble
from chexpert.inference.soup import Soup, describe_soup, make_soup
from chexpert.inference.soup_members import SoupMember, describe_start, merge_metadata, read_soup_members
from chexpert.models import describe_run
from chexpert.models.batch_norm import list_learning_layers
from chexpert.runs import files as run_files
from chexpert.runs.read import read_config, read_mapping
from chexpert.weights import SENTENCES

OPTIONS = ["trainer.max_epochs=2", "explainer=[]", "logger=[]"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, test=8, size=96, workers=1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, root) -> dict[str, Path]:
    """A run that kept two checkpoints, and two more of other seeds that started from it."""
    folder = tmp_path_factory.mktemp("outputs")
    found = {name: folder / name for name in ("base", "one", "two")}
    start(found["base"], root, *OPTIONS, "data.dev=0.3", "save_top_k=2")
    for seed, name in enumerate(("one", "two")):
        own = [f"start_from={found['base']}", f"seed={seed}", "data.dev=0.5", "trainer.max_epochs=1"]
        start(found[name], root, *OPTIONS, *own)
    return found


@pytest.fixture(scope="module")
def soup(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("soup")
    return make_soup([runs["base"]], folder, command="chexpert soup")


def test_weights_are_the_mean_and_statistics_are_those_of_the_training_images(soup, runs):
    states = [read_checkpoint(path)[1] for path in run_files.kept_checkpoints(runs["base"])]
    metadata, weights = read_checkpoint(soup.folder)
    model = load(soup.folder).model
    layers = {id(layer) for layer in list_learning_layers(model)}
    computed = {f"{name}.{key}" for name, part in model.named_modules() if id(part) in layers
                for key in ("running_mean", "running_var", "num_batches_tracked")}  # fmt: skip
    assert computed
    for name, weight in weights.items():
        if name not in computed:
            mean = torch.stack([state[name].double() for state in states]).mean(0)
            assert torch.equal(weight, mean.to(weight.dtype)), name
        elif name.endswith("running_mean"):
            assert not torch.equal(weight, states[0][name])
    assert soup.images == read_mapping(soup.folder / "data.json")["splits"]["train"]["images"]
    assert [one["name"] for one in metadata["made_of"]["members"]] == ["member 1", "member 2"]
    assert [one["weights"] for one in metadata["made_of"]["members"]] == [member.digest for member in soup.members]
    assert all(one["licenses"] == [] and one["contamination"] for one in metadata["made_of"]["members"])
    assert read_mapping(soup.folder / "soup.json")["names"] == [member.name for member in soup.members]


def test_folder_is_a_run_for_other_commands(soup, runs, root, tmp_path):
    folder = soup.folder
    assert (
        ensemble([folder], top_k=1).predictions.columns.keys()
        == load(folder).fitted["calibration"]["levels"]["image"].keys()
        or load(folder).calibration
    )
    again = ensemble([folder], top_k=1).predictions
    written = read_predictions(run_files.predictions(folder, "valid"))
    assert all(np.array_equal(again.columns[name], own) for name, own in written.columns.items())
    compared = compare([folder, runs["base"]], replicates=20)
    assert {model["name"] for model in compared["models"]} == {str(folder), str(runs["base"])}
    assert all(len(group["runs"]) == 1 for group in compared["configurations"])  # it is no seed of its member's
    assert {path.name for path in folder.iterdir()} >= {
        "calibration.json",
        "thresholds.json",
        "report.html",
        "soup.json",
    }
    page = (folder / "report.html").read_text()
    assert "member 2" in page[page.index('<h2 id="made-from">') :]
    assert str(runs["base"].parent) not in page
    exported = folder / "checkpoints/best.safetensors"
    text = exported.with_suffix(".json").read_text()
    assert json.loads(text)["made_of"]["kind"] == "soup"
    assert str(runs["base"].parent) not in text
    assert "base/" not in text
    assert load(exported).calibration
    done = run_cli("predict", folder, next(root.rglob("valid/**/*_frontal.jpg")), tmp_path / "p.csv", "--calibrated")
    assert done.returncode == 0, done.stderr


def test_differences_are_to_all_members_and_the_best_on_dev(soup, runs):
    content = soup.comparisons["valid"]
    assert list(soup.comparisons) == ["valid"]  # dev has chosen
    names = [member.name for member in soup.members]
    mean = np.mean([content["members"][name] for name in names])
    assert content["members"].keys() == set(names)
    assert 0 <= mean <= 1
    own = read_mapping(soup.folder / "metrics.json")["valid"]["auroc_mean"]
    assert content["auroc_mean"] == pytest.approx(own)
    assert content["best_member"]["chosen_on"] == "dev"
    averaged = ensemble([runs["base"]])
    assert len(averaged.chosen_on) == 2
    difference = content["ensemble"]["difference"]
    assert difference["value"] == pytest.approx(content["auroc_mean"] - content["ensemble"]["auroc_mean"])


def test_greedy_order_is_chosen_on_dev(runs, tmp_path):
    made = make_soup([runs["base"]], tmp_path / "soup", method="greedy")
    values = [step["value"] for step in made.steps]
    assert made.chosen_on == "dev"
    assert made.steps[0]["taken"]
    assert made.steps[1]["taken"] == (values[1] >= values[0])
    assert len(made.chosen) == sum(step["taken"] for step in made.steps)
    assert read_mapping(made.folder / "metrics.json")["epoch_chosen_on"] == "dev"


def test_runs_of_several_seeds_share_their_start_and_what_all_held_out(runs, tmp_path):
    made = make_soup([runs["one"], runs["two"]], tmp_path / "soup")
    assert made.start.startswith("start_from")
    held = [set(read_predictions(run_files.predictions(runs[name], "dev")).names) for name in ("one", "two")]
    shared = held[0] & held[1]
    assert shared
    assert set(read_predictions(run_files.predictions(made.folder, "dev")).names) == shared
    assert "dev" not in read_config(made.folder)["data"]
    note, started = made.notes
    assert str(len(shared)) in note
    assert "start" in started
    with raises("missing-split"):
        ensemble([made.folder], split="dev")


def edit(path: Path, out: Path, change) -> Path:
    content = torch.load(path, weights_only=True)
    change(content["chexpert"])
    out.parent.mkdir(parents=True)
    torch.save(content, out)
    return out


@pytest.mark.parametrize(
    ("name", "code", "change"),
    [
        ("seed", "not-comparable", lambda own: own["config"].update(seed=7)),
        ("input", "other-preprocessing", lambda own: own["preprocessing"].update(fit="pad")),
        ("names", "other-observations", lambda own: own["observations"].reverse()),
        ("network", "other-model", lambda own: own["config"]["model"].update(dropout=0.4)),
        ("outputs", "other-model", lambda own: own["readout"].update(uncertain=[0])),
    ],
)
def test_members_that_cannot_be_averaged_are_an_error(runs, tmp_path, name, code, change):
    first = run_files.checkpoint(runs["base"])
    other = edit(first, tmp_path / name / "checkpoints/best.ckpt", change)
    with raises(code) as caught:
        describe_start(read_soup_members([first, other]))
    assert not set("[]{}'") & set(caught.value.message)


def test_averaged_weights_saw_what_any_member_saw(runs, tmp_path):
    """The first member says that it saw nothing, and the last that it did."""
    first = run_files.checkpoint(runs["base"])
    seen = f"{SENTENCES['yes']} before this run (rad-dino)"
    other = edit(first, tmp_path / "other/checkpoints/best.ckpt", lambda own: own.update(contamination=seen))
    shutil.copy(runs["base"] / "config.yaml", tmp_path / "other")
    made = make_soup([first, other], tmp_path / "soup", images=8)
    metadata = read_checkpoint(made.folder)[0]
    assert metadata["contamination"].startswith(SENTENCES["yes"])
    assert "rad-dino: yes" in metadata["contamination"]
    for file in ("metrics.json", "checkpoints/best.json"):
        assert read_mapping(made.folder / file)["contamination"] == metadata["contamination"]
    assert metadata["contamination"] in (made.folder / "MODEL_CARD.md").read_text()
    assert describe_run(metadata).saw_chexpert == "yes"
    alone = merge_metadata(made.members[:1])  # a member that is left out of a greedy soup gives nothing
    assert alone["contamination"] == made.members[0].metadata["contamination"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "other",
    [{"synthetic": True}, {"synthetic": False, "origin": "NIH ChestX-ray14"}],
)
def test_averaged_weights_saw_what_any_member_was_trained_on(first, other):
    """Each member began with random weights; one was trained on CheXpert."""
    began = f"{SENTENCES['no']} before this run (random weights)"
    seen = {"contamination": began, "synthetic": False, "origin": "CheXpert"}
    both = [seen, other | {"contamination": began}]
    members = [SoupMember(Path("a.ckpt"), own, {}, "") for own in (both if first else both[::-1])]
    merged = merge_metadata(members)
    assert describe_run(merged).saw_chexpert == "yes"
    assert merge_metadata([members[0], members[0]])["contamination"] == began


def test_other_weights_and_files_without_a_start_are_errors(runs):
    first = run_files.checkpoint(runs["base"])
    with raises("too-few", first):
        read_soup_members([first])
    with raises("input-kind", first.with_suffix(".safetensors")):
        read_soup_members([first, first.with_suffix(".safetensors")])


def test_start_of_a_file_is_its_content(runs, tmp_path):
    """Equal files of two names are one start, and one name of two contents is two."""
    base = runs["base"]
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "c.safetensors"]
    for file, content in zip(files, (b"1", b"1", b"2"), strict=True):
        file.write_bytes(content)

    def change(file):
        def set_file(own):
            own["config"].pop("start_from", None)
            backbone = own["config"]["model"].get("backbone", own["config"]["model"])
            backbone["pretrained"] = str(file)

        return set_file

    made = [edit(run_files.checkpoint(base), tmp_path / file.stem / "checkpoints/best.ckpt", change(file))
            for file in files]  # fmt: skip
    assert describe_start(read_soup_members(made[:2])).startswith("pretrained=weights ")
    with raises("not-comparable"):
        describe_start(read_soup_members(made[1:]))


def test_runs_trained_on_other_images_are_an_error(runs, tmp_path):
    copy = Path(shutil.copytree(runs["base"], tmp_path / "copy"))
    content = read_mapping(copy / "data.json")
    content["splits"]["train"]["fingerprint"] = "0"
    (copy / "data.json").write_text(json.dumps(content))
    with raises("other-data"):
        read_soup_members([run_files.checkpoint(runs["base"]), run_files.checkpoint(copy)])


def test_greedy_without_a_split_of_its_own_leaves_no_folder(root, tmp_path):
    start(tmp_path / "run", root, *OPTIONS, "save_top_k=2")
    done = run_cli("soup", tmp_path / "run", tmp_path / "soup", "--method", "greedy")
    assert (done.returncode, len(find_places(done.stderr))) == (2, 1)
    assert not (tmp_path / "soup").exists()
    done = run_cli("soup", tmp_path / "run", tmp_path / "soup")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "soup/calibration.json").exists()
    assert "chexpert gate" in done.stdout
    done = run_cli("soup", tmp_path / "run", tmp_path / "soup")
    assert (done.returncode, find_places(done.stderr)) == (2, [str(tmp_path / "soup")])


def test_steps_name_members_of_one_name_by_their_place():
    members = [SoupMember(Path(folder) / "best.ckpt", {"config": {"model": {}}}, {}, folder) for folder in "ab"]
    assert members[0].name == members[1].name
    steps = [{"member": 0, "value": 0.9, "taken": True}, {"member": 1, "value": 0.8, "taken": False}]
    content = describe_soup(Soup(Path("soup"), "pretrained=True", members, [0], steps, "dev", 0), "greedy")
    assert [step["member"] for step in content["steps"]] == ["member 1", "member 2"]
