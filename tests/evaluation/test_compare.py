"""Comparisons of models on the same rows, and errors of those that cannot be compared."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from helpers.evaluated_runs import LABELS, STUDIES, make_run, make_scores
from helpers.golden import check_golden
from helpers.made_up_test_set import AUROCS, SCORES, frontal_scores, write_labels, write_predictions
from sklearn.metrics import roc_auc_score

from chexpert.evaluation import compare
from chexpert.observations import COMPETITION
from chexpert.report import describe_comparison, write_comparison
from chexpert.runs import files as run_files

GOLDEN = Path(__file__).parent / "golden"


def mean_auroc(scores):
    return float(np.mean([roc_auc_score(LABELS[:, c], scores[:, c]) for c in range(5)]))


def test_ranking_matches_aurocs_of_sklearn(tmp_path):
    runs = [make_run(tmp_path / name, skill) for name, skill in (("a", 0.5), ("b", 1.5), ("c", 1.0))]
    content = compare(runs, replicates=100)
    assert [model["name"] for model in content["models"]] == [str(runs[1]), str(runs[2]), str(runs[0])]
    for model, skill in zip(content["models"], (1.5, 1.0, 0.5), strict=True):
        assert model["figure"]["value"] == pytest.approx(mean_auroc(make_scores(skill)), abs=1e-9)
        assert model["figure"]["ci_low"] < model["figure"]["value"] < model["figure"]["ci_high"]
    assert content["models"][0]["reference"]
    expected = mean_auroc(make_scores(1.5)) - mean_auroc(make_scores(0.5))
    assert content["models"][2]["reference_has_more"]["value"] == pytest.approx(expected, abs=1e-9)


def test_ranking_by_an_observation_agrees_with_delong(tmp_path):
    runs = [make_run(tmp_path / name, skill, seed=seed) for name, skill, seed in (("a", 0.4, 1), ("b", 1.2, 2))]
    best, other = compare(runs, by="edema", replicates=500)["models"]
    c = list(COMPETITION).index("Edema")
    assert best["figure"]["value"] == pytest.approx(roc_auc_score(LABELS[:, c], make_scores(1.2, 2)[:, c]), abs=1e-9)
    assert best["over"] == ["Edema"]
    assert best["figure"] == best["auroc"]["Edema"]
    assert other["reference_has_more"]["p"] == pytest.approx(other["delong_p"], abs=0.03)


def test_equal_models_do_not_differ(tmp_path):
    _, second = compare([make_run(tmp_path / "a"), make_run(tmp_path / "b")], replicates=50)["models"]
    more = second["reference_has_more"]
    assert (more["value"], more["ci_low"], more["ci_high"]) == (0, 0, 0)
    assert math.isnan(more["p"])


def test_sweep_is_compared_while_it_runs_and_after(tmp_path):
    for job in range(9):
        make_run(tmp_path / str(job), 0.5 + job / 10, optimizer={"lr": job})
    make_run(tmp_path / "9", state="failed", why="the loss is nan at epoch 0")
    make_run(tmp_path / "10", state="failed", why="cannot be built")
    make_run(tmp_path / "11", state="running")
    during = compare([tmp_path], replicates=20)
    assert [model["name"] for model in during["models"]] == [str(tmp_path / str(job)) for job in range(8, -1, -1)]
    assert [(one["name"].rpartition("/")[2], one["state"], one["why"]) for one in during["absent"]] == [
        ("9", "failed", "the loss is nan at epoch 0"),
        ("10", "failed", "cannot be built"),
        ("11", "running", "since 2026-11-25T10:00:00+00:00"),
    ]
    assert during["differing_settings"] == ["optimizer.lr"]
    for path in (tmp_path / "11").iterdir():
        path.unlink()
    (tmp_path / "11").rmdir()
    make_run(tmp_path / "11", 2.5, optimizer={"lr": 11})
    after = compare([tmp_path], replicates=20)
    assert after["models"][0]["name"] == str(tmp_path / "11")
    assert (len(after["models"]), len(after["absent"])) == (10, 2)


def test_run_without_predictions_is_listed_as_absent(tmp_path):
    make_run(tmp_path / "a")
    run = make_run(tmp_path / "b")
    run_files.predictions(run, "valid").unlink()
    assert compare([tmp_path], replicates=10)["absent"] == [
        {"name": str(run), "state": "finished", "why": "no predictions/valid.csv", "overrides": None}
    ]


@pytest.mark.parametrize(
    ("name", "content", "code", "place"),
    [
        ("config.yaml", b"optimizer: {lr: [", "damaged-file", ""),
        ("config.yaml", b"hello", "damaged-file", ""),
        ("config.yaml", b"- 1", "damaged-file", ""),
        ("config.yaml", b"\xff\xfe", "damaged-file", ""),
        ("metrics.json", b'{"valid": {', "damaged-file", ""),
        ("metrics.json", b'{"valid": 3}', "missing-split", ""),
        ("state.json", b"", "damaged-file", ""),
        ("predictions/valid.csv", b"Path,Edema\na/b.jpg,x", "cell", ", line 2, column Edema"),
        ("labels/valid.csv", b"Path,Edema\na/b.jpg", "field-count", ", line 2"),
    ],
)
def test_damaged_run_is_left_out_of_a_sweep_only(tmp_path, name, content, code, place):
    runs = [make_run(tmp_path / "sweep" / str(job), job + 0.5) for job in range(2)]
    (runs[1] / name).write_bytes(content)
    compared = compare([tmp_path / "sweep"], replicates=5)
    (absent,) = compared["absent"]
    assert (absent["name"], absent["state"]) == (str(runs[1]), "unreadable")
    assert f"{runs[1] / name}{place}" in absent["why"]
    with raises(code, f"{runs[1] / name}{place}"):
        compare(runs, replicates=5)


def test_runs_of_different_evaluation_settings_are_not_ranked(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", study_score="mean")]
    metrics = json.loads((runs[1] / run_files.METRICS).read_text())
    run_files.write_json(runs[1] / run_files.METRICS, metrics | {"valid": {"level": "image"}})
    frontal = "frontal images"
    with raises(
        "not-comparable", f"{runs[0]} (studies (max over views), {frontal}), {runs[1]} (single views, {frontal})"
    ) as caught:
        compare(runs, replicates=5)
    assert caught.value.hint.endswith(": --level study --study-score max")
    kinds = ("studies (max over views)", "studies (mean over views)")
    where = ", ".join(f"{run} ({kind}, {frontal})" for run, kind in zip(runs, kinds, strict=True))
    with raises("not-comparable", where) as caught:
        compare(runs, level="study", replicates=5)
    assert caught.value.hint.endswith(": --study-score max")
    content = compare(runs, level="image", replicates=5)
    assert (content["level"], content["views"], content["images"], content["n"]) == ("image", None, "frontal", 120)
    content = compare(runs, level="study", views="noisy_or", replicates=5)
    assert (content["level"], content["views"]) == ("study", "noisy_or")


def test_models_of_other_images_are_not_ranked_until_frontal_ones_are_chosen(tmp_path):
    every = write_predictions(tmp_path / "all.csv")
    frontal = write_predictions(tmp_path / "frontal.csv", frontal_scores())
    labels, paths = write_labels(tmp_path / "l.csv"), [every, frontal]
    options = {"labels": labels, "mean_over": ["Edema"], "replicates": 20}
    for level in ("study", "image"):
        with raises("not-comparable") as caught:
            compare(paths, level=level, **options)
        assert all(f"{path} (" in caught.value.where for path in paths)
        assert "all images" in caught.value.where
        assert caught.value.hint.endswith(": --images frontal")
        content = compare(paths, level=level, images="frontal", **options)
        assert [model["figure"]["value"] for model in content["models"]] == [0.5, 0.5]
        assert content["images"] == "frontal"
    assert compare([every], **options)["models"][0]["figure"]["value"] == pytest.approx(AUROCS["studies"][1])
    for images in ("lateral", "all"):
        with raises("choice", "--images"):
            compare(paths, images=images, **options)


def write_studies(path):
    """Scores of the four studies by the mean over all views."""
    rows = [f"CheXpert-v1.0/test/patient{64741 + row}/study1,{score}" for row, score in enumerate((0.9, 0.6, 0.7, 0.5))]
    path.write_text("\n".join(["Study,Edema", *rows]))
    return path


def test_advice_fits_the_images_that_the_files_have(tmp_path):
    lateral = write_predictions(tmp_path / "side.csv", {k: v for k, v in SCORES.items() if "lateral" in k})
    frontal = write_predictions(tmp_path / "frontal.csv", frontal_scores())
    options = {"labels": write_labels(tmp_path / "l.csv"), "mean_over": ["Edema"], "replicates": 20}
    with raises("not-comparable") as caught:
        compare([lateral, frontal], **options)
    assert "--images" not in caught.value.hint
    assert str(lateral) in caught.value.hint
    studies, every = write_studies(tmp_path / "studies.csv"), write_predictions(tmp_path / "all.csv")
    with raises("not-comparable") as caught:
        compare([studies, every, frontal], **options)
    assert caught.value.hint.endswith(f"--images frontal, without {studies}")
    assert compare([every, frontal], images="frontal", **options)["images"] == "frontal"


def test_setting_that_is_not_known_of_each_model_is_not_stated(tmp_path):
    paths = [
        write_studies(tmp_path / "studies.csv"),
        write_predictions(tmp_path / "frontal.csv", frontal_scores()),
    ]
    options = {"labels": write_labels(tmp_path / "l.csv"), "mean_over": ["Edema"], "replicates": 20}
    content = compare(paths, **options)
    assert (content["views"], content["images"], content["setting_unknown"]) == (None, None, [str(paths[0])])
    head, *lines = describe_comparison(content).splitlines()
    assert "frontal" not in head
    assert "max over" not in head
    assert [line for line in lines if "studies.csv" in line and "evaluation setting" in line]
    assert all(str(tmp_path) not in path.read_text() for path in write_comparison(tmp_path / "out", content))
    alone = compare(paths[1:], **options)
    assert (alone["views"], alone["images"], alone["setting_unknown"]) == ("max", "frontal", [])


def test_labels_of_frontal_images_alone_make_single_views_comparable(tmp_path):
    paths = [write_predictions(tmp_path / "all.csv"), write_predictions(tmp_path / "frontal.csv", frontal_scores())]
    labels = write_labels(tmp_path / "l.csv", tuple(frontal_scores()))
    content = compare(paths, labels=labels, mean_over=["Edema"], level="image", replicates=5)
    assert (content["n"], content["images"]) == (4, "frontal")
    with raises("not-comparable"):  # the maximum is over laterals too
        compare(paths, labels=labels, mean_over=["Edema"], level="study", replicates=5)


def test_file_of_studies_is_compared_with_any_but_has_no_frontal_images(tmp_path):
    studies = write_studies(tmp_path / "studies.csv")
    paths = [studies, write_predictions(tmp_path / "frontal.csv", frontal_scores())]
    options = {"labels": write_labels(tmp_path / "l.csv"), "mean_over": ["Edema"], "replicates": 20}
    assert [model["figure"]["value"] for model in compare(paths, **options)["models"]] == [0.75, 0.5]
    with raises("level", studies):
        compare(paths, images="frontal", **options)


def test_seeds_and_folds_of_one_configuration_are_averaged(tmp_path):
    for seed in range(3):
        make_run(tmp_path / f"a{seed}", 1.0, seed=seed, data={"fold": seed})
    make_run(tmp_path / "other", 1.0, optimizer={"lr": 7})
    content = compare([tmp_path], replicates=10)
    values = [mean_auroc(make_scores(1.0, seed)) for seed in range(3)]
    (group,) = content["configurations"]
    assert group["runs"] == [str(tmp_path / f"a{seed}") for seed in range(3)]
    assert (group["n"], group["mean"]) == (3, pytest.approx(np.mean(values), abs=1e-9))
    assert group["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (group["low"], group["high"]) == pytest.approx((min(values), max(values)), abs=1e-9)
    assert group["folds"] == [0, 1, 2]
    assert content["tie"] == {"limit": None, "sd": None, "degrees": 0}


def test_files_of_predictions_need_labels(tmp_path):
    run = make_run(tmp_path / "a", 1.0)
    rows = zip(STUDIES[::-1], make_scores(0.3)[::-1].tolist(), strict=True)
    file = tmp_path / "p.csv"
    run_files.write_table(file, ["Study", *COMPETITION], ([name, *map(repr, row)] for name, row in rows))
    content = compare([run, file], labels=run_files.labels(run, "valid"), replicates=10)
    assert content["models"][1]["figure"]["value"] == pytest.approx(mean_auroc(make_scores(0.3)), abs=1e-9)
    with raises("missing-labels", file):
        compare([run, file], replicates=10)


def test_rows_that_not_all_have_are_left_out_and_counted(tmp_path):
    run, cut = make_run(tmp_path / "a"), make_run(tmp_path / "b", 2.0)
    path = run_files.predictions(cut, "valid")
    path.write_text("\n".join(path.read_text().splitlines()[:101]) + "\n")
    content = compare([run, cut], replicates=10)
    assert content["n"] == 100
    assert {model["name"]: model["left_out"] for model in content["models"]} == {str(run): 20, str(cut): 0}
    assert content["labels_left_out"] == 20
    expected = np.mean([roc_auc_score(LABELS[:100, c], make_scores(1.0)[:100, c]) for c in range(5)])
    assert content["models"][1]["figure"]["value"] == pytest.approx(expected, abs=1e-9)


def test_missing_observations_are_an_error_unless_left_out(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", observations=COMPETITION[:3])]
    with raises("other-observations", runs[1]) as caught:
        compare(runs, replicates=10)
    assert "Edema, Pleural Effusion" in caught.value.message
    assert "--mean-over" in caught.value.hint
    assert compare(runs, mean_over=["atelectasis"], replicates=10)["models"][0]["over"] == ["Atelectasis"]


def test_different_labels_are_an_error(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    path = run_files.labels(runs[1], "valid")
    header, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[1] = "1.0" if cells[1] == "0.0" else "0.0"
    path.write_text("\n".join([header, ",".join(cells), *rest]))
    with raises("label-conflict", f"{runs[0]} and {runs[1]}") as caught:
        compare(runs, replicates=10)
    assert caught.value.message.startswith("1 ")
    assert "patient64541/study1" in caught.value.message


def test_runs_without_a_shared_row_are_an_error(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    for path in (run_files.predictions(runs[1], "valid"), run_files.labels(runs[1], "valid")):
        path.write_text(path.read_text().replace("patient6", "patient7"))
    with raises("no-overlap", f"{runs[0]}, {runs[1]}"):
        compare(runs, replicates=10)


@pytest.mark.parametrize("by", ["auc", "Fracture"])
def test_unknown_metric_to_rank_by_is_an_error(tmp_path, by):
    with raises("choice", "--by") as caught:
        compare([make_run(tmp_path / "a")], by=by, replicates=10)
    assert by in caught.value.message


def test_without_a_finished_run_there_is_an_error(tmp_path):
    with raises("missing-run", tmp_path / "none"):
        compare([tmp_path / "none"])
    failed = make_run(tmp_path / "a", state="failed", why="no data")
    with raises("too-few", tmp_path) as caught:
        compare([tmp_path])
    assert f"{failed} failed: no data" in caught.value.message


def test_comparison_is_written_as_text_csv_markdown_and_html(tmp_path):
    for seed in range(2):
        make_run(tmp_path / "sweep" / str(seed), 1.0, seed=seed, chosen="valid")
    make_run(tmp_path / "sweep/2", state="failed", why="<script>alert(1)")
    content = compare([tmp_path / "sweep"], replicates=20)
    check_golden(describe_comparison(content), GOLDEN / "comparison.txt")
    paths = write_comparison(tmp_path / "out", content)
    csv, markdown, page, _ = (path.read_text() for path in paths)
    assert csv.splitlines()[1].startswith(("1,sweep/0,valid,study,120,0.", "1,sweep/1,valid,study,120,0."))
    assert "| rank | model | value |" in markdown
    assert "<script>alert" not in page + markdown
    assert "&lt;script&gt;alert(1)" in page


def test_written_comparison_has_no_private_paths(tmp_path):
    for job in range(2):
        make_run(tmp_path / "DOE_1950/sweep" / str(job), 1.0, seed=job, labels={"predictions": f"DOE{job}"})
    make_run(tmp_path / "DOE_1950/sweep/2", state="failed", why="no file /home/DOE/a.jpg")
    for path in write_comparison(tmp_path / "out", compare([tmp_path / "DOE_1950"], replicates=10)):
        text = path.read_text()
        assert "DOE" not in text
        assert "[a path]" in text or path.suffix == ".md"


def test_copies_of_one_run_do_not_count_as_seeds(tmp_path):
    for name in "abc":
        make_run(tmp_path / name, 1.0, seed=3)
    assert compare([tmp_path], replicates=10)["configurations"] == []


@pytest.mark.parametrize("again", ["a", "b/../a"])
def test_run_given_twice_is_an_error(tmp_path, again):
    for name in "ab":
        make_run(tmp_path / name)
    with raises("repeated", (tmp_path / "a").resolve()):
        compare([tmp_path / "a", tmp_path / again], replicates=10)


def test_runs_are_named_by_overrides_without_paths(tmp_path):
    for job, own in enumerate((["model=combined"], ["model=combined", "start_from=/data/DOE"])):
        run = make_run(tmp_path / "sweep" / str(job), 0.5 + job, start=job)
        run_files.write_json(run / "state.json", {"state": "finished", "overrides": [*own, "data.root=/data/DOE"]})
        run_files.write_json(run / "data.json", {"splits": {"valid": {"synthetic": not job}}})
    content = compare([tmp_path], replicates=20)
    text = describe_comparison(content)
    assert "start_from=[a path] (sweep/1)" in text
    assert "nothing else (sweep/0)" in text
    assert text.count("model=combined") == 1
    assert [line.rpartition(": ")[2] for line in text.splitlines() if "synthetic" in line] == ["nothing else (sweep/0)"]
    for path in write_comparison(tmp_path / "out", content):
        text = path.read_text()
        assert "sweep/1" in text
        assert "DOE" not in text
        assert "synthetic" in text


def test_comparison_on_a_phantom_begins_with_synthetic(tmp_path):
    for name in "ab":
        run_files.write_json(make_run(tmp_path / name) / "data.json", {"splits": {"valid": {"synthetic": True}}})
    assert "synthetic" in describe_comparison(compare([tmp_path], replicates=20)).splitlines()[0]
