"""Comparisons of made-up run folders with a recipe."""

import copy
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.errors import raises
from helpers.golden import check_golden
from helpers.made_up_test_set import AUROCS, write_labels, write_predictions

from chexpert.config import compose_recipe
from chexpert.evaluation import published_setting, reproduce
from chexpert.evaluation.run import evaluate_run
from chexpert.observations import COMPETITION
from chexpert.report import describe_reproduction
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import NOTE

PROJECT = Path(__file__).parents[2]
CONF = PROJECT / "conf"
RECIPE = compose_recipe(CONF, "densenet121_original")
IRVIN = compose_recipe(CONF, "irvin2019")


def make_evaluation(value=0.82, level="image", n=202, over=COMPETITION):
    mean = {"value": value, "ci_low": value - 0.03, "ci_high": value + 0.02, "over": list(over)}
    return {"level": level, "views": "max" if level == "study" else None, "n": n, "auroc_mean": mean}


def make(folder, recipe=RECIPE, *, value=0.82, data=None, metrics=None, state="finished", change=None, **evaluation):
    """Write a run of a recipe with the counts of CheXpert; ``change`` edits its config."""
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
    """Return a function that sets one dotted key."""

    def change(config):
        *parents, last = path.split(".")
        for key in parents:
            config = config.setdefault(key, {})
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("value", "word"), [(0.78, "within"), (0.84, "within"), (0.841, "outside"), (0.77, "outside"), (0.95, "outside")]
)
def test_value_within_the_tolerance_is_reproduced(value, word, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", value=value))
    assert (found.word, found.reasons) == (word, ())
    assert found.measured["value"] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "mine"), ("seed", 7), ("labels.seed", 7), ("data.num_workers", 9), ("data.cache", "/tmp/images"),
        ("trainer.devices", 8), ("trainer.strategy", "ddp"), ("trainer.accelerator", "gpu"), ("explainer", {}),
        ("explain.count", 9), ("save_top_k", 3), ("calibration", None), ("data.test", True), ("compile", True),
        ("trainer.precision", "32-true"), ("optimizer.lr", "1e-4"), ("optimizer.lr", 0.0001), ("tta", 5),
    ],
)  # fmt: skip
def test_settings_that_do_not_matter_may_differ(key, value, tmp_path):
    assert reproduce(RECIPE, make(tmp_path / "run", change=put(key, value))).word == "within"


@pytest.mark.parametrize(
    ("key", "value", "recipe", "run"),
    [
        ("optimizer.lr", 1e-3, "0.0001", "0.001"),
        ("data.batch_size", 32, "64", "32"),
        ("trainer.max_epochs", 4, "3", "4"),
        ("trainer.gradient_clip_val", 1, "None", "1"),
        ("averaging._target_", "chexpert.training.EMA", "None", "chexpert.training.EMA"),
        ("labels.uncertain", "ones", "[0.55, 0.85]", "ones"),
        ("data.dev", 0.1, "None", "0.1"),
        ("model.backbone.name", "resnet18", "densenet121", "resnet18"),
        ("pretrained", False, "True", "False"),
        ("start_from", "outputs/x", "none", "outputs/x"),
        ("level", "study", "image", "study"),
        ("study_score", "mean", "max", "mean"),
    ],
)
def test_other_setting_is_not_comparable(key, value, recipe, run, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", change=put(key, value)))
    assert found.word == "not comparable"
    (reason,) = found.reasons
    named, _, values = reason.partition(": ")
    assert (named, *re.findall(r"(\[.*?\]|\S+) in the", values)) == (key, recipe, run)


def test_public_weights_may_come_from_any_file(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["pretrained"] = recipe["model"]["backbone"]["pretrained"] = "rad-dino"

    def change(value):
        def put_both(config):
            put("pretrained", value)(config)
            put("model.backbone.pretrained", value)(config)

        return put_both

    same = make(tmp_path / "same", recipe, change=change("rad-dino:/files/dino.safetensors"))
    assert reproduce(recipe, same).word == "within"
    other = make(tmp_path / "other", recipe, change=change("medical-mae-vit-b:/files/dino.safetensors"))
    assert len(reproduce(recipe, other).reasons) == 2


def test_run_on_a_phantom_is_not_comparable(tmp_path):
    change = put("data.root", {"_target_": "chexpert.data.find_phantom"})
    found = reproduce(RECIPE, make(tmp_path / "run", change=change))
    assert (found.word, found.reasons) == ("not comparable", (NOTE,))


def test_all_reasons_are_listed(tmp_path):
    def change(config):
        config["optimizer"]["lr"] = 1
        config["seed"], config["data"]["image_size"] = 3, 320

    found = reproduce(RECIPE, make(tmp_path / "run", change=change, state="failed"))
    first, second, state = found.reasons
    assert (first.partition(":")[0], second.partition(":")[0]) == ("data.image_size", "optimizer.lr")
    assert "failed" in state


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"data": {"train": {"images": 1_181}}}, ("1,181", "191,027")),
        ({"data": {"train": {"images": 190_000}}}, ("190,000",)),
        ({"data": {"train": {"images": 191_028}}}, ("191,028",)),
        ({"data": {"valid": {"studies": 240}}}, ("240", "200")),
        ({"metrics": {"valid": {"labels": "train.csv"}}}, ("train.csv", "valid.csv")),
        ({"metrics": {"epoch_chosen_on": "dev"}}, ("dev", "valid")),
        ({"state": "running"}, ("running",)),
        ({"level": "study", "n": 200}, ("study", "image")),
        ({"over": COMPETITION[:4]}, ("Atelectasis", "Pleural Effusion")),
    ],
)
def test_other_data_or_evaluation_setting_is_not_comparable(options, named, tmp_path):
    found = reproduce(RECIPE, make(tmp_path / "run", **options))
    assert found.word == "not comparable"
    (reason,) = found.reasons
    assert all(name in reason for name in named)


def test_missing_image_does_not_matter_and_dev_counts_as_train(tmp_path):
    assert reproduce(RECIPE, make(tmp_path / "a", data={"train": {"images": 191_026}})).word == "within"
    parts = {"train": {"images": 150_000}, "dev": {"images": 41_027}}
    assert reproduce(RECIPE, make(tmp_path / "b", data=parts)).word == "within"


def test_second_stage_needs_a_run_of_the_first(tmp_path):
    def find(name):
        return compose_recipe(CONF, name)

    second = find("pham_stage2")
    second["recipe"]["of"] |= {"level": "image", "images": "frontal"}  # as if the source had stated them
    first = make(tmp_path / "first", find("pham_stage1"))
    run = make(tmp_path / "run", second, value=0.9, change=put("start_from", str(first)))
    assert reproduce(second, run, find_recipe=find).word == "within"
    change = put("start_from", str(first / "checkpoints/best.ckpt"))
    assert (
        reproduce(second, make(tmp_path / "file", second, value=0.9, change=change), find_recipe=find).word == "within"
    )
    other = make(tmp_path / "other", find("pham_stage1"), change=put("data.image_size", 320))
    wrong = make(tmp_path / "wrong", second, change=put("start_from", str(other)))
    assert "data.image_size: 224" in " ".join(reproduce(second, wrong, find_recipe=find).reasons)
    none = make(tmp_path / "none", second)
    assert "pham_stage1" in " ".join(reproduce(second, none, find_recipe=find).reasons)
    gone = make(tmp_path / "gone", second, change=put("start_from", "no/such/run"))
    assert "no/such/run" in " ".join(reproduce(second, gone, find_recipe=find).reasons)


def test_self_training_needs_a_run_of_the_recipe_that_predicts(tmp_path):
    def find(name):
        recipe = compose_recipe(CONF, name)
        recipe["recipe"]["of"]["checkpoints"] = 1
        return recipe

    def compare(name, recipe, predictions):
        change = put("labels.predictions", predictions and str(predictions))
        run = make(tmp_path / name, find(recipe), change=change, level="study", n=200, value=0.894)
        return reproduce(find(recipe), run, find_recipe=find)

    first = make(tmp_path / "first", find("irvin2019_ignore"), change=put("predict_train", True))
    assert compare("run", "irvin2019_self_trained", first).word == "within"
    assert compare("file", "irvin2019_self_trained", first / "predictions/train.csv").word == "within"
    ones = make(tmp_path / "ones", find("irvin2019_ones"))
    (reason,) = compare("other", "irvin2019_self_trained", ones).reasons
    assert reason.startswith("the run of labels.predictions: labels.uncertain: ignore in the recipe, ones in the run")
    failed = make(tmp_path / "failed", find("irvin2019_ignore"), state="failed", data={"train": {"images": 9}})
    reasons = compare("of_failed", "irvin2019_self_trained", failed).reasons
    assert [reason.partition(": ")[0] for reason in reasons] == ["the run of labels.predictions"] * 2
    (reason,) = compare("none", "irvin2019_self_trained", None).reasons
    assert "irvin2019_ignore" in reason
    (reason,) = compare("plain", "irvin2019_ignore", first).reasons
    assert reason.startswith("labels.predictions: none in the recipe")


def test_stage_without_a_published_value_is_not_comparable(tmp_path):
    recipe = compose_recipe(CONF, "pham_stage1")
    found = reproduce(recipe, make(tmp_path / "run", recipe))
    assert (found.word, len(found.reasons), found.reference["expected"]) == ("not comparable", 1, None)


def test_value_of_30_checkpoints_needs_an_ensemble(tmp_path):
    run = make(tmp_path / "run", IRVIN, level="study", n=200)
    (reason,) = reproduce(IRVIN, run).reasons
    assert "30 checkpoints" in reason
    assert "--evaluation" in reason
    run_files.write_json(tmp_path / "ensemble.json", make_evaluation(0.9, "study", 200))
    assert reproduce(IRVIN, run, tmp_path / "ensemble.json").word == "within"
    run_files.write_json(tmp_path / "part.json", make_evaluation(0.9, "study", 199))
    assert "199" in " ".join(reproduce(IRVIN, run, tmp_path / "part.json").reasons)


ROWS = {"studies": 200, "images": 234, "frontal": 202}


def make_settings(missing=(), used="all", **values):
    """Evaluation settings with these mean AUROCs; of the missing ones there is a reason."""
    found = {}
    for name, n in ROWS.items():
        mean = make_evaluation(values.get(name, 0.6))["auroc_mean"]
        kind = {"studies": used, "images": "all", "frontal": "frontal"}[name]
        level, views = ("study", "max") if name == "studies" else ("image", None)
        own = {"level": level, "views": views, "images": kind, "n": n, "why": None}
        found[name] = own | {"auroc_mean": mean}
        if name in missing:
            found[name] |= dict.fromkeys(("views", "images", "n", "auroc_mean")) | {"why": "no lateral image"}
    return {"evaluation_settings": found}


def reproduce_setting(folder, of, settings, main=0.99):
    """Compare an evaluation with a recipe whose value, .81, has this setting."""
    recipe = copy.deepcopy(RECIPE)
    recipe["recipe"]["of"] |= of
    run = make(folder, recipe)
    run_files.write_json(folder / "e.json", make_evaluation(main, "image", 234) | settings)
    return reproduce(recipe, run, folder / "e.json")


@pytest.mark.parametrize(
    ("level", "images", "name"),
    [("study", "all", "studies"), ("image", "all", "images"), ("image", "frontal", "frontal")],
)
def test_value_is_compared_in_the_setting_of_the_published_one(level, images, name, tmp_path):
    of = {"level": level, "images": images}
    found = reproduce_setting(tmp_path / "in", of, make_settings(**{name: 0.82}))
    assert (found.word, found.reasons, found.measured["value"]) == ("within", (), 0.82)
    others = {other: 0.82 for other in ROWS if other != name}
    assert reproduce_setting(tmp_path / "out", of, make_settings(**others)).word == "outside"
    found = reproduce_setting(tmp_path / "no", of, make_settings([name], **{name: 0.82}))
    assert (found.word, len(found.reasons)) == ("not comparable", 1)
    assert "no lateral image" in found.reasons[0]


def test_studies_by_frontal_views_are_another_setting_than_by_all(tmp_path):
    for images, other in (("all", "frontal"), ("frontal", "all")):
        of = {"level": "study", "images": images}
        found = reproduce_setting(tmp_path / images, of, make_settings(used=other, studies=0.82))
        assert (found.word, len(found.reasons)) == ("not comparable", 1)
        same = reproduce_setting(tmp_path / f"{images} too", of, make_settings(used=images, studies=0.82))
        assert same.word == "within"
        unknown = reproduce_setting(tmp_path / f"{images} none", of, make_settings(used=None, studies=0.82))
        assert unknown.word == "within"  # of a file of studies, such as an ensemble's


def test_own_setting_counts_where_an_older_evaluation_has_no_other(tmp_path):
    change = put("data.views", "all")
    run = make(tmp_path / "run", change=change, n=234)
    reasons = reproduce(RECIPE, run).reasons
    assert [reason for reason in reasons if "of all images, and not of frontal" in reason]


@pytest.mark.parametrize("of", [{"images": None}, {"level": None, "images": None}])
def test_unknown_setting_gives_no_verdict_but_all_values(of, tmp_path):
    values = {"studies": 0.81, "images": 0.7, "frontal": 0.9}
    found = reproduce_setting(tmp_path / "run", of, make_settings(**values))
    assert (found.word, len(found.reasons)) == ("not comparable", 1)
    text = describe_reproduction("mine", found)
    assert all(f"{value:.4f}" in text for value in values.values())


def test_assumed_setting_gives_a_verdict_that_names_it(tmp_path):
    found = reproduce_setting(tmp_path / "run", {"assumed": ["images"]}, make_settings(frontal=0.82))
    assert found.word == "within"
    (line,) = [line for line in describe_reproduction("mine", found).splitlines() if line.startswith("expected:")]
    assert "assumed: images" in line


@pytest.mark.parametrize("recipe", ["jfhealthcare", "pham_stage2"])
def test_recipes_whose_source_states_no_setting_say_so(recipe):
    of = compose_recipe(CONF, recipe)["recipe"]["of"]
    assert of["images"] is None


@pytest.mark.parametrize(("level", "words"), [("image", ("within", [])), ("study", ("not comparable", ["level"]))])
def test_files_of_a_run_give_the_published_setting_but_not_an_epoch_chosen_by_another(
    tmp_path, monkeypatch, level, words
):
    """The made-up test set has an AUROC of .5 over frontal images and .75 over studies and all images."""
    monkeypatch.setitem(published_setting.ROWS, "valid", {name: n for name, (n, _) in AUROCS.items()})
    recipe = copy.deepcopy(RECIPE) | {"mean_over": ["Edema"]}
    recipe["recipe"] |= {"expected": 0.5}
    run = make(tmp_path / "run", recipe, data={"valid": {"studies": 4, "images": 7}}, change=put("level", level))
    write_predictions(run_files.predictions(run, "valid"))
    write_labels(run_files.labels(run, "valid"))
    evaluate_run(run, recipe | {"level": level, "calibration": None})
    found = reproduce(recipe, run)
    assert (found.word, [reason.partition(":")[0] for reason in found.reasons]) == words
    assert found.measured["value"] == 0.5
    evaluation = run_files.evaluation(run, "valid")
    assert evaluation.is_file()
    other = make(tmp_path / "other", recipe, data={"valid": {"studies": 4, "images": 7}})
    assert reproduce(recipe, other, evaluation).word == "within"  # a file may have any level


def test_run_without_metrics_is_not_comparable(tmp_path):
    run = make(tmp_path / "run")
    run_files.evaluation(run, "valid").unlink()
    assert "chexpert evaluate" in " ".join(reproduce(RECIPE, run).reasons)


def test_missing_run_or_damaged_metrics_are_an_error(tmp_path):
    with raises("missing-run", tmp_path / "nothing/config.yaml"):
        reproduce(RECIPE, tmp_path / "nothing")
    run = make(tmp_path / "run")
    (run / run_files.METRICS).write_text("{")
    with raises("damaged-file", run / run_files.METRICS):
        reproduce(RECIPE, run)


def test_text_has_both_values_and_the_verdict(tmp_path):
    options = ({"value": 0.9}, {"value": 0.8}, {"state": "failed"})
    found = [reproduce(RECIPE, make(tmp_path / str(n), **own)) for n, own in enumerate(options)]
    text = "\n\n".join(describe_reproduction("densenet121_original", one) for one in found)
    check_golden(text, Path(__file__).parent / "golden/reproduction.txt")


def run_script(monkeypatch, *arguments):
    """Return the exit code of the script."""
    monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(PROJECT / "scripts/reproduce.py"), run_name="__main__")
    return stopped.value.code


def test_exit_code_depends_on_the_verdict(tmp_path, monkeypatch, capsys):
    runs = {0: make(tmp_path / "in"), 1: make(tmp_path / "out", value=0.6), 3: make(tmp_path / "bad", state="failed")}
    for code, run in runs.items():
        assert run_script(monkeypatch, "densenet121_original", run) == code
    assert run_script(monkeypatch, "densenet", runs[0]) == 2
    assert "densenet121_original" in capsys.readouterr().err


def test_script_does_not_import_torch(tmp_path):
    script = PROJECT / "scripts/reproduce.py"
    arguments = [sys.executable, "-X", "importtime", script, "densenet121_original", make(tmp_path / "run")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert not any(line.endswith("| torch") for line in done.stderr.splitlines())
