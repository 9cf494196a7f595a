"""Verdicts on fabricated run folders."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chexpert.config import compose_recipe
from chexpert.errors import UserError
from chexpert.evaluation import reproduce
from chexpert.observations import COMPETITION
from chexpert.report import describe_reproduction
from chexpert.runs import files as run_files

PROJECT = Path(__file__).parents[2]
CONF = PROJECT / "conf"
RECIPE = compose_recipe(CONF, "densenet121_original")
IRVIN = compose_recipe(CONF, "irvin2019")


def make_evaluation(value=0.82, level="image", n=202, over=COMPETITION):
    mean = {"value": value, "ci_low": value - 0.03, "ci_high": value + 0.02, "over": list(over)}
    return {"level": level, "views": "max" if level == "study" else None, "n": n, "auroc_mean": mean}


def make(folder, recipe=RECIPE, *, value=0.82, data=None, metrics=None, state="finished", change=None, **evaluation):
    """A run of a recipe on what claims to be CheXpert; ``change`` edits its config."""
    folder.mkdir()
    config = yaml.safe_load(yaml.safe_dump(dict(recipe)))
    config["data"]["root"] = "/data/chexpert"
    config["trainer"]["precision"] = "bf16-mixed"
    (change or (lambda config: None))(config)
    (folder / run_files.CONFIG).write_text(yaml.safe_dump(config))
    train = 223_414 if config["data"].get("views") == "all" else 191_027
    counts = {"train": {"images": train, "studies": 187_625}, "valid": {"images": 202, "studies": 200}}
    views = config["data"].get("views", "frontal")
    run_files.write_json(folder / run_files.DATA, {"views": views, "splits": counts | (data or {})})
    content = {"valid": {"labels": "valid.csv"}, "epoch_chosen_on": "valid"} | (metrics or {})
    run_files.write_json(folder / run_files.METRICS, content)
    run_files.write_json(folder / run_files.STATE, {"state": state})
    run_files.write_json(run_files.evaluation(folder, "valid"), make_evaluation(value, **evaluation))
    return folder


def put(path, value):
    """An edit of one dotted key."""

    def change(config):
        *parents, last = path.split(".")
        for key in parents:
            config = config.setdefault(key, {})
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("value", "word"), [(0.78, "within"), (0.84, "within"), (0.841, "outside"), (0.77, "outside"), (0.95, "outside")]
)
def test_a_value_is_held_against_expected_and_tolerance(value, word, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", value=value))
    assert (found.word, found.reasons) == (word, ())
    assert found.measured["value"] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "mine"), ("seed", 7), ("labels.seed", 7), ("data.num_workers", 9), ("data.cache", "/tmp/images"),
        ("trainer.devices", 8), ("trainer.strategy", "ddp"), ("trainer.accelerator", "gpu"), ("explainer", {}),
        ("explain.count", 9), ("save_top_k", 3), ("calibration", None), ("data.test", True), ("compile", True),
        ("trainer.precision", "32-true"), ("optimizer.lr", "1e-4"), ("optimizer.lr", 0.0001),
    ],
)  # fmt: skip
def test_what_cannot_change_the_value_may_differ(key, value, tmp_path):
    assert reproduce(RECIPE, make(tmp_path / "run", change=put(key, value))).word == "within"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("optimizer.lr", 1e-3, "optimizer.lr: 0.0001 in the recipe, 0.001 in the run"),
        ("data.batch_size", 32, "data.batch_size: 64 in the recipe, 32 in the run"),
        ("trainer.max_epochs", 4, "trainer.max_epochs: 3 in the recipe, 4 in the run"),
        ("trainer.gradient_clip_val", 1, "trainer.gradient_clip_val: None in the recipe, 1 in the run"),
        ("averaging._target_", "chexpert.training.EMA", "averaging._target_: None in the recipe"),
        ("labels.uncertain", "ones", "labels.uncertain: [0.55, 0.85] in the recipe, ones in the run"),
        ("data.dev", 0.1, "data.dev: None in the recipe, 0.1 in the run"),
        ("model.backbone.name", "resnet18", "model.backbone.name: densenet121 in the recipe, resnet18 in the run"),
        ("pretrained", False, "pretrained: True in the recipe, False in the run"),
        ("start_from", "outputs/x", "start_from: none in the recipe, outputs/x in the run"),
        ("data.root", {"_target_": "chexpert.data.find_phantom"}, "synthetic"),
    ],
)
def test_what_can_change_it_is_listed_and_not_comparable(key, value, reason, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", change=put(key, value)))
    assert found.word == "not comparable"
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def test_all_reasons_are_reported_at_once(tmp_path):
    def change(config):
        config["optimizer"]["lr"] = 1
        config["seed"], config["data"]["image_size"] = 3, 320

    found = reproduce(RECIPE, make(tmp_path / "run", change=change, state="failed"))
    assert [reason.partition(":")[0] for reason in found.reasons] == [
        "data.image_size", "optimizer.lr", "the run is not finished",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"data": {"train": {"images": 1_181}}}, "1,181 frontal images, and not 191,027"),
        ({"data": {"train": {"images": 190_000}}}, "190,000 frontal images"),
        ({"data": {"train": {"images": 191_028}}}, "191,028 frontal images"),
        ({"data": {"valid": {"studies": 240}}}, "240 studies, and not 200"),
        ({"metrics": {"valid": {"labels": "train.csv"}}}, "labels of train.csv, and not of valid.csv"),
        ({"metrics": {"epoch_chosen_on": "dev"}}, "chosen on dev, and not on valid"),
        ({"state": "running"}, "not finished: running"),
        ({"level": "study", "n": 200}, "the level study, and not image"),
        ({"over": COMPETITION[:4]}, "the mean is over Atelectasis"),
    ],
)
def test_other_data_or_another_evaluation_setting_is_not_comparable(options, reason, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", **options))
    assert found.word == "not comparable"
    assert reason in " ".join(found.reasons)


def test_the_one_image_that_some_copies_lack_does_no_harm_and_held_out_ones_count(tmp_path):
    assert reproduce(RECIPE, make(tmp_path / "a", data={"train": {"images": 191_026}})).word == "within"
    parts = {"train": {"images": 150_000}, "dev": {"images": 41_027}}
    assert reproduce(RECIPE, make(tmp_path / "b", data=parts)).word == "within"


def test_a_stage_wants_a_run_of_the_stage_before(tmp_path):
    def find(name):
        return compose_recipe(CONF, name)

    second = find("pham_stage2")
    first = make(tmp_path / "first", find("pham_stage1"))
    run = make(tmp_path / "run", second, value=0.9, change=put("start_from", str(first)))
    assert reproduce(second, run, find_recipe=find).word == "within"
    whole = make(tmp_path / "whole", second, change=put("start_from", str(first / "checkpoints/best.ckpt")))
    assert "start" not in " ".join(reproduce(second, whole, find_recipe=find).reasons)
    other = make(tmp_path / "other", find("pham_stage1"), change=put("data.image_size", 320))
    wrong = make(tmp_path / "wrong", second, change=put("start_from", str(other)))
    assert "started from: data.image_size: 224" in " ".join(reproduce(second, wrong, find_recipe=find).reasons)
    none = make(tmp_path / "none", second)
    assert "did not start from a run of pham_stage1" in " ".join(reproduce(second, none, find_recipe=find).reasons)
    gone = make(tmp_path / "gone", second, change=put("start_from", "no/such/run"))
    assert "not there to be compared" in " ".join(reproduce(second, gone, find_recipe=find).reasons)


def test_a_stage_without_a_published_value_is_never_comparable(tmp_path):
    recipe = compose_recipe(CONF, "pham_stage1")
    found = reproduce(recipe, make(tmp_path / "run", recipe))
    assert found.reasons == ("nothing is published after this stage alone",)


def test_a_value_of_many_checkpoints_wants_the_evaluation_of_their_ensemble(tmp_path):
    run = make(tmp_path / "run", IRVIN, level="study", n=200)
    assert "30 checkpoints" in " ".join(reproduce(IRVIN, run).reasons)
    run_files.write_json(tmp_path / "ensemble.json", make_evaluation(0.9, "study", 200))
    assert reproduce(IRVIN, run, tmp_path / "ensemble.json").word == "within"
    run_files.write_json(tmp_path / "part.json", make_evaluation(0.9, "study", 199))
    assert "199 studies" in " ".join(reproduce(IRVIN, run, tmp_path / "part.json").reasons)


def test_without_metrics_or_a_run_it_says_so(tmp_path):
    run = make(tmp_path / "run")
    run_files.evaluation(run, "valid").unlink()
    assert "run scripts/evaluate.py" in " ".join(reproduce(RECIPE, run).reasons)
    with pytest.raises(UserError, match="no config of a run"):
        reproduce(RECIPE, tmp_path / "nothing")
    (run / run_files.METRICS).write_text("{")
    with pytest.raises(UserError, match="damaged"):
        reproduce(RECIPE, run)


def test_the_text_names_both_values_and_whether_the_interval_holds_the_expected(tmp_path):
    text = describe_reproduction("densenet121_original", reproduce(RECIPE, make(tmp_path / "a", value=0.9)))
    assert "expected:  mean AUROC 0.81 +- 0.03 (valid split, labels of valid.csv, single views)" in text
    assert "measured:  mean AUROC 0.9000 [0.8700, 0.9200]" in text
    assert "verdict:   outside: +0.0900 from what is expected, which its interval does not hold" in text
    text = describe_reproduction("densenet121_original", reproduce(RECIPE, make(tmp_path / "b", value=0.8)))
    assert "verdict:   within: -0.0100 from what is expected, which its interval holds" in text


def call(monkeypatch, *arguments):
    """The exit code of the script."""
    monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(PROJECT / "scripts/reproduce.py"), run_name="__main__")
    return stopped.value.code


def test_the_exit_code_is_the_verdict(tmp_path, monkeypatch, capsys):
    runs = {0: make(tmp_path / "in"), 1: make(tmp_path / "out", value=0.6), 3: make(tmp_path / "bad", state="failed")}
    for code, run in runs.items():
        assert call(monkeypatch, "densenet121_original", run) == code
    assert call(monkeypatch, "densenet", runs[0]) == 2
    assert "one of combined_original" in capsys.readouterr().err


def test_no_verdict_needs_torch(tmp_path):
    script = [sys.executable, PROJECT / "scripts/reproduce.py"]
    done = subprocess.run([*script, "--help"], capture_output=True, text=True, check=True)
    assert "Exit code 0: within" in done.stdout
    arguments = [sys.executable, "-X", "importtime", *script[1:], "densenet121_original", make(tmp_path / "run")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert not any(line.endswith("| torch") for line in done.stderr.splitlines())
