"""Predictions of any images by a finished run."""

import csv
import json
import os
import re
import signal
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch
import yaml
from helpers.cli import run_cli
from helpers.commands import running_code
from helpers.dicom import make_dicom
from helpers.errors import raises
from helpers.runs import start
from PIL import Image

from chexpert.conf_folder import find_conf
from chexpert.data import write_phantom
from chexpert.evaluation import evaluate, read_labeled_scores
from chexpert.inference.explain import explain_run
from chexpert.inference.inputs import InputImage, name_image, read_images
from chexpert.inference.journal import Journal
from chexpert.inference.predict import hash_own_names, predict
from chexpert.runs import files as run_files
from chexpert.runs.identifiers import is_public

GRAY = np.random.default_rng(0).integers(0, 256, (80, 80), dtype=np.uint8)
SPLIT = ["level=study", "data.views=all", "data.dev=0.3", "explainer=[]", "calibration=temperature"]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, size=96, workers=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, *SPLIT)
    return folder


@pytest.fixture
def table(run, tmp_path):
    """The valid views as the competition names them."""
    paths = [row["Path"] for row in read(run_files.predictions(run, "valid"))]
    path = tmp_path / "input.csv"
    path.write_text("\n".join(["Path", *paths]) + "\n")
    return path


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_valid_predictions_equal_those_of_the_run(run, table, tmp_path):
    outcome = predict(run, [table], tmp_path / "out.csv")
    assert (outcome.synthetic, outcome.hashed) == (True, False)
    metrics = json.loads((run / "metrics.json").read_text())["valid"]
    assert (outcome.rows, outcome.failed) == (metrics["n"], {})
    content = evaluate(read_labeled_scores(tmp_path / "out.csv", run_files.labels(run, "valid")), replicates=10)
    values = {name: own["value"] for name, own in metrics["auroc"].items()}
    assert {name: own["value"] for name, own in content["auroc"].items()} == pytest.approx(values, abs=1e-12)
    assert content["auroc_mean"]["value"] == pytest.approx(metrics["auroc_mean"], abs=1e-12)
    predict(run, [table], tmp_path / "views.csv", level="image")
    assert (tmp_path / "views.csv").read_text() == run_files.predictions(run, "valid").read_text()


@pytest.mark.parametrize(
    ("name", "value"), [("ids", "Hash"), ("level", "Study"), ("views", "Mean"), ("observations", "Edema")]
)
def test_unknown_choice_is_an_error(run, table, tmp_path, name, value):
    with raises("choice", name):
        predict(run, [table], tmp_path / "out.csv", **{name: value})
    assert not (tmp_path / "out.csv").exists()


def test_explanations_have_no_unknown_kind_of_names(run, tmp_path):
    with raises("choice", "ids"):
        explain_run(run, ["DOE.png"], ["gradcam"], find_conf(), out=tmp_path / "out", ids="Hash")


def test_calibration_is_applied_at_its_level(run, table, tmp_path):
    calibration = json.loads((run / "calibration.json").read_text())
    for level in ("study", "image"):
        predict(run, [table], tmp_path / f"{level}.csv", level=level)
        predict(run, [table], tmp_path / f"{level}-c.csv", level=level, calibrated=True)
        for raw, calibrated in zip(read(tmp_path / f"{level}.csv"), read(tmp_path / f"{level}-c.csv"), strict=True):
            slope, p = calibration["levels"][level]["Edema"]["slope"], float(raw["Edema"])
            expected = 1 / (1 + ((1 - p) / p) ** slope)
            assert float(calibrated["Edema"]) == pytest.approx(expected, rel=1e-6)


def test_study_with_an_unreadable_image_uses_its_other_view(run, phantom, table, tmp_path):
    studies = [row["Path"].rpartition("/")[0] for row in read(table)]
    study = next(study for study in studies if studies.count(study) == 2)
    names = [row["Path"] for row in read(table) if row["Path"].startswith(f"{study}/")]
    root = tmp_path / "copy"
    for row in read(table):
        target = root / row["Path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"no image" if row["Path"] == names[0] else (phantom / row["Path"]).read_bytes())
    (root / read(table)[-1]["Path"]).unlink()
    outcome = predict(run, [table], tmp_path / "out.csv", root=root)
    missing = read(table)[-1]["Path"]
    assert outcome.failed.keys() == {names[0], missing}
    assert ["missing" in outcome.failed[name] for name in (names[0], missing)] == [False, True]
    assert study in outcome.incomplete
    predict(run, [table], tmp_path / "views.csv", level="image", root=root)
    single = next(row for row in read(tmp_path / "views.csv") if row["Path"] == names[1])
    assert next(row for row in read(tmp_path / "out.csv") if row["Study"] == study)["Edema"] == single["Edema"]


def test_killed_prediction_resumes(run, table, tmp_path):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    predict(run, [table], whole)
    code = (
        "import sys, time; from pathlib import Path; from chexpert.inference.predict import predict\n"
        "def slow(batches):\n for batch in batches:\n  yield batch\n  print('batch', flush=True); time.sleep(1)\n"
        "predict(Path(sys.argv[1]), [Path(sys.argv[2])], Path(sys.argv[3]), watch=slow, num_workers=0)"
    )
    with running_code(code, run, table, cut) as running:
        running.wait_for_lines(2)
        assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not cut.exists()
    outcome = predict(run, [table], cut)
    assert outcome.resumed >= 8
    assert cut.read_text() == whole.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.csv", "input.csv", "whole.csv"]


def test_unfinished_predictions_of_another_model_are_an_error(run, table, tmp_path):
    part = tmp_path / "out.csv.part"
    part.write_text(json.dumps({"key": "another"}) + "\n")
    with raises("other-config", part):
        predict(run, [table], tmp_path / "out.csv")
    assert part.read_text() == json.dumps({"key": "another"}) + "\n"


@pytest.mark.parametrize("line", ["5", "null", "[[1],0.5,0.5]", "[9,0.1,0.1]", '[0,"a","b"]', "[1,0.5,0.5", "\xff"])
def test_damaged_journal_lines_are_predicted_again(tmp_path, line):
    with Journal(tmp_path / "out.csv", "key", 3, 2) as journal:
        journal.add({0: [0.5, 0.25]})
    with (tmp_path / "out.csv.part").open("a") as file:
        file.write(f"{line}\n")
    with Journal(tmp_path / "out.csv", "key", 3, 2) as journal:
        assert journal.done == {0: [0.5, 0.25]}


def test_calibration_of_exported_weights_is_that_of_the_run(run, table, tmp_path):
    root = find_root(run)
    for name, source in (("run", run), ("exported", run / "checkpoints/best.safetensors")):
        predict(source, [table], tmp_path / f"{name}.csv", root=root, calibrated=True)
    expected = read_numbers(tmp_path / "run.csv")
    assert read_numbers(tmp_path / "exported.csv") == pytest.approx(expected, abs=1e-5)  # in batches of another size
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("best.safetensors", "best.json"):
        (alone / name).write_bytes((run / "checkpoints" / name).read_bytes())
    predict(alone / "best.safetensors", [table], tmp_path / "alone.csv", root=root, calibrated=True, ids="path")
    assert read_numbers(tmp_path / "alone.csv") == pytest.approx(expected, abs=1e-5)
    stored = json.loads((alone / "best.json").read_text())
    assert stored["calibration"] == json.loads((run / "calibration.json").read_text())
    assert stored["thresholds"] == json.loads((run / "thresholds.json").read_text())
    assert str(root) not in json.dumps(stored)
    assert not re.search(r"patient\d", json.dumps(stored))
    (alone / "best.json").write_text(json.dumps({key: own for key, own in stored.items() if key != "calibration"}))
    with raises("missing-calibration", alone / "best.safetensors"):
        predict(alone / "best.safetensors", [table], tmp_path / "out.csv", root=root, calibrated=True)


def test_calibration_may_be_a_file(run, table, tmp_path):
    content = json.loads((run / "calibration.json").read_text())
    for level in content["levels"].values():
        for name in level:
            level[name] = {"slope": 1.0, "intercept": 0.0}
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(content))
    predict(run, [table], tmp_path / "raw.csv")
    predict(run, [table], tmp_path / "same.csv", calibration_file=path)
    assert read_numbers(tmp_path / "same.csv") == pytest.approx(read_numbers(tmp_path / "raw.csv"), abs=1e-6)
    with raises("missing-file", tmp_path / "none.json"):
        predict(run, [table], tmp_path / "out.csv", calibration_file=tmp_path / "none.json")


def read_numbers(path):
    return np.array([[float(value) for key, value in row.items() if key != "Study"] for row in read(path)])


def find_root(run):
    return Path(yaml.safe_load((run / "config.yaml").read_text())["data"]["root"])


def test_calibration_of_other_weights_or_scores_is_an_error(run, table, tmp_path):
    with raises("other-calibration", run / "checkpoints/last.ckpt"):
        predict(run / "checkpoints/last.ckpt", [table], tmp_path / "out.csv", calibrated=True)
    with raises("other-calibration", "--study-score mean") as caught:
        predict(run, [table], tmp_path / "out.csv", calibrated=True, views="mean")
    assert caught.value.hint == "--study-score max"


def test_existing_output_is_not_overwritten(run, table, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with raises("not-empty", tmp_path / "out.csv"):
        predict(run, [table], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("Name\na.jpg\n", "missing-column", "{table}"),
        ("Path\n", "missing-column", "{table}"),
        ("Path\n/etc/passwd\n", "outside-root", "{table}, line 2"),
        ("Path\na/../../b.jpg\n", "outside-root", "{table}, line 2"),
        ("Path\na\0.jpg\n", "not-csv", "{table}, line 2"),
        ("Path\na.jpg\na.jpg\n", "repeated", "{table}"),
        ("Path\na/patient00001/study1/view1_frontal.jpg\nb/patient00001/study1/view1_frontal.jpg\n", "repeated",
         "{table}"),
        ("Path\na.jpg\n", "unreadable-image", "a.jpg"),
    ],
)  # fmt: skip
def test_wrong_table_is_an_error(run, tmp_path, text, code, where):
    path = tmp_path / "input.csv"
    path.write_text(text)
    with raises(code, where.format(table=path)):
        predict(run, [path], tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["input.csv"]  # nor a journal that refuses the next call


@pytest.mark.parametrize(
    "path",
    [
        "/kaggle/input/x/valid/patient64541/study1/view1_frontal.jpg",
        "..\\input\\valid\\patient64541\\study1\\view1_frontal.JPG",
        "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.png",
        '"valid/patient64541/study1/view1_frontal.jpg"',
    ],
)
def test_table_of_another_machine_is_read(phantom, tmp_path, path):
    (tmp_path / "input.csv").write_text(f",Path\r\n0,{path}\r\n\r\n", newline="")
    (image,) = read_images(tmp_path / "input.csv", [phantom])
    assert image.file.endswith("/valid/patient64541/study1/view1_frontal.jpg")
    assert image.study.endswith("valid/patient64541/study1")


def test_link_out_of_the_root_is_an_error(run, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/image.jpg").symlink_to("/etc/passwd")
    (tmp_path / "input.csv").write_text("Path\nimage.jpg\n")
    with raises("outside-root", tmp_path / "root/image.jpg"):
        predict(run, [tmp_path / "input.csv"], tmp_path / "out.csv", root=tmp_path / "root")


def test_folder_of_images_has_one_hashed_study_per_image(run, tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "ward"
    gray = rng.integers(0, 256, (80, 70), dtype=np.uint8)
    folder.mkdir()
    Image.fromarray(gray).save(folder / "a.png")
    Image.fromarray(gray).save(folder / "b.jpg")
    Image.fromarray(gray.astype(np.uint16) << 4).save(folder / "c.png")
    make_dicom(folder / "IM0001", gray.astype(np.uint16) << 4)
    (folder / "notes.txt").write_text("no image")
    outcome = predict(run, [folder], tmp_path / "out.csv")
    assert (outcome.images, outcome.rows) == (4, 4)
    rows = read(tmp_path / "out.csv")
    assert all(row["Study"].startswith("id-") for row in rows)
    values = [float(row["Edema"]) for row in rows]  # IM0001, a.png, b.jpg, c.png
    assert values[1] == values[3]
    assert values[0] == pytest.approx(values[1], abs=0.02)  # stretched to its own darkest and brightest
    predict(run, [folder / "a.png", folder / "b.jpg"], tmp_path / "named.csv", ids="path")
    assert [row["Study"] for row in read(tmp_path / "named.csv")] == [str(folder / "a.png"), str(folder / "b.jpg")]


def test_images_in_a_folder_are_recognized_by_content(run, tmp_path):
    """Other files are listed and fail nothing; files that may be images fail."""
    folder, image = tmp_path / "ward", Image.fromarray(GRAY)
    (folder / "sub").mkdir(parents=True)
    make_dicom(folder / "CR.1.2.840.113619", GRAY.astype(np.uint16) << 4)
    make_dicom(folder / "sub/1.IMA", GRAY.astype(np.uint16) << 4)
    for name in ("a.tif", "b.bmp", "c.webp", "d.jp2", "e.JPG", "f"):
        image.save(folder / name, {"f": "PNG", "d.jp2": "JPEG2000"}.get(name))
    for name, content in {
        "notes.txt": b"none",
        "table.csv": b"Path\na.jpg\n",
        "._e.JPG": b"\0\x05\x16\x07" + bytes(80),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(80),
        ".DS_Store": b"\0\0\0\x01Bud1" + bytes(80),
        "images.zip": b"PK\x03\x04" + bytes(80),
        "empty": b"",
    }.items():
        (folder / name).write_bytes(content)
    listed = make_dicom(tmp_path / "image.dcm").read_bytes()
    listed = listed.replace(b"1.2.840.10008.5.1.4.1.1.1.1", b"1.2.840.10008.1.3.10".ljust(27, b"\0"))
    (folder / "DICOMDIR").write_bytes(listed)
    outcome = predict(run, [folder], tmp_path / "good.csv")
    assert (outcome.images, outcome.failed, outcome.flagged) == (8, {}, {})
    aside = {Path(name).name: message for name, message in outcome.aside.items()}
    assert aside.keys() == {
        "notes.txt", "table.csv", "._e.JPG", "Thumbs.db", ".DS_Store", "images.zip", "empty", "DICOMDIR"
    }  # fmt: skip
    assert "zip" in aside["images.zip"]
    image.save(folder / ".hidden.png")
    image.save(folder / "moving.gif", save_all=True, append_images=[Image.fromarray(255 - GRAY)])
    (folder / "g.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(80))
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "IM2").write_bytes(bytes(range(256)) * 3)
    (folder / "elsewhere").symlink_to(tmp_path)
    Image.fromarray(GRAY[:1, :1]).save(folder / "dot.png")
    outcome = predict(run, [folder], tmp_path / "bad.csv")
    failed = {Path(name).name: why for name, why in outcome.failed.items()}
    assert outcome.images == 8
    assert failed.keys() == {".hidden.png", "moving.gif", "g.heic", "broken.png", "IM2", "elsewhere", "dot.png"}
    assert "2 frames" in failed["moving.gif"]
    assert "HEIC" in failed["g.heic"]
    assert "1 x 1 pixels" in failed["dot.png"]


def test_suspicious_images_are_flagged(run, tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    Image.fromarray(np.full((70, 70), 7, np.uint8)).save(folder / "blank.png")
    make_dicom(folder / "ct.dcm", GRAY.astype(np.uint16) << 4, Modality="CT")
    Image.fromarray(GRAY).save(folder / "good.png")
    outcome = predict(run, [folder], tmp_path / "out.csv")
    flagged = {Path(name).name: why for name, why in outcome.flagged.items()}
    assert flagged.keys() == {"blank.png", "ct.dcm"}
    assert "CT" in flagged["ct.dcm"]


def test_journal_keeps_its_flags(tmp_path):
    with Journal(tmp_path / "b.csv", "key", 3, 1) as journal:
        journal.add({0: [0.5]}, {0: "no contrast"})
    with Journal(tmp_path / "b.csv", "key", 3, 1) as journal:
        pass
    with Journal(tmp_path / "b.csv", "key", 3, 1) as journal:
        assert (journal.done, journal.flagged) == ({0: [0.5]}, {0: "no contrast"})


def test_formula_like_name_gets_an_apostrophe(run, tmp_path):
    Image.fromarray(GRAY[:70, :70]).save(tmp_path / "=cmd.png")
    (tmp_path / "input.csv").write_text("Path\n=cmd.png\n")
    predict(run, [tmp_path / "input.csv"], tmp_path / "out.csv", ids="path", level="image")
    assert read(tmp_path / "out.csv")[0]["Path"] == "'=cmd.png"


def test_pipe_in_a_folder_does_not_block(run, tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    os.mkfifo(folder / "a.png")
    Image.fromarray(GRAY[:70, :70]).save(folder / "b.png")
    outcome = predict(run, [folder], tmp_path / "out.csv")
    assert (outcome.images, list(outcome.failed)) == (1, [str(folder / "a.png")])


def test_study_in_a_deeper_folder_keeps_its_public_name(run, phantom, table, tmp_path):
    paths = [row["Path"] for row in read(table)]
    for path in paths:
        (tmp_path / "DOE" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "DOE" / path).write_bytes((phantom / path).read_bytes())
    (tmp_path / "deep.CSV").write_text("\n".join(["Path", *(f"DOE/{path}" for path in paths)]) + "\n")
    predict(run, [table], tmp_path / "plain.csv")
    predict(run, [tmp_path / "deep.CSV"], tmp_path / "out.csv", root=tmp_path)
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "plain.csv").read_text()


def test_model_of_nan_writes_no_table(run, table, tmp_path):
    content = torch.load(run_files.checkpoint(run), weights_only=True)
    for values in content["state_dict"].values():
        if values.is_floating_point():
            values.fill_(float("nan"))
    torch.save(content, tmp_path / "nan.ckpt")
    with raises("nan"):
        predict(tmp_path / "nan.ckpt", [table], tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.salt", "input.csv", "nan.ckpt"]


NAMES = [f"{family}^{given}" for family in ("DOEX", "MUSTERX", "ROSSIX", "TANAKAX", "DUPONTX") for given in
         ("JANEX", "MAXX", "ADAX", "LEEX", "NOAX")]  # fmt: skip
IDS = [f"MRN{9_000_000 + 7919 * number}" for number in range(25)]


def test_outputs_contain_no_patient_name_or_id(run, tmp_path):
    """They are in headers and paths of DICOM files; all files are searched, also zipped ones."""
    ward = tmp_path / "ward"
    for number, (name, mrn) in enumerate(zip(NAMES, IDS, strict=True)):
        pixels = np.random.default_rng(number).integers(0, 4096, (64, 64)).astype(np.uint16)
        path = ward / name.replace("^", "_") / f"{mrn}.dcm"
        make_dicom(path, pixels, PatientName=name, PatientID=mrn, AccessionNumber=mrn, InstitutionName=f"{name} ward",
                   ReferringPhysicianName=name, ImageComments=mrn, private=f"{name} {mrn}")  # fmt: skip
    (ward / "DOEX_JANEX" / "broken.dcm").write_bytes(b"no image")
    out = tmp_path / "out"
    done = run_cli("predict", run, ward, out / "p.csv")
    assert done.returncode == 1, done.stderr
    assert "broken.dcm" in done.stderr  # on the user's own terminal
    image = next(ward.glob("*/MRN*.dcm"))
    few = ["--explainer", "gradcam", "lime", "explainer.lime.samples=20"]
    done = run_cli("explain", run, image, "--out", out / "explained", *few)
    assert done.returncode == 0, done.stderr
    found = [(path, secret) for folder in (run, out) for path in folder.rglob("*") for secret in find_secrets(path)]
    assert found == []
    assert len(read(out / "p.csv")) == 25


def find_secrets(path):
    secrets = [part for name in NAMES for part in name.split("^")] + IDS
    yield from (secret for secret in secrets if secret.lower() in str(path.name).lower())
    if path.is_file():
        content = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                content += [file.read(name) for name in file.namelist()]
        if path.suffix == ".png":
            with Image.open(path) as image:
                content.append(repr(image.info).encode())
        codes = ("utf-8", "utf-16-le", "utf-16-be")
        yield from (secret for secret in secrets for code in codes for own in content if secret.encode(code) in own)


def test_hash_uses_the_salt_of_the_run_folder(run, tmp_path):
    Image.fromarray(GRAY[:70, :70]).save(tmp_path / "a.png")
    outs = [tmp_path / f"{number}.csv" for number in range(2)]
    for out in outs:
        predict(run, [tmp_path / "a.png"], out)
    assert outs[0].read_text() == outs[1].read_text()
    assert len((run / "ids.salt").read_text().strip()) == 32
    assert not is_public("a.png")


def test_image_names_have_slashes_on_windows():
    public = "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"
    for path in (PureWindowsPath("C:/data", public), PurePosixPath("/data", public)):
        image = InputImage(name_image(path), None)
        assert (image.name, image.study) == (public, public.rpartition("/")[0])
    image = InputImage(name_image(PureWindowsPath(r"C:\ward 3\DOE.dcm")), None)
    assert (image.name, image.study) == ("C:/ward 3/DOE.dcm", "C:/ward 3/DOE.dcm")


def test_hash_is_independent_of_the_folder_on_windows():
    class Folder(PureWindowsPath):
        def is_dir(self):
            return True

    hashes = []
    for folder in (r"C:\ward", r"D:\moved\ward"):
        images = [InputImage(name_image(PureWindowsPath(folder, name)), None) for name in ("x/a.png", "y/a.png")]
        hashes.append(list(hash_own_names(images, [Folder(folder)], "salt").values()))
    assert hashes[0] == hashes[1]
    assert len({*hashes[0]}) == 2
