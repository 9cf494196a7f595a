"""Parts of the export that need no trained run: calibration, maps, digests, layers in errors, the script's reading."""

import json
import struct
import tracemalloc
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import torch
from helpers.errors import raises
from PIL import Image
from torch import nn

from chexpert.data.preprocessing import read_gray
from chexpert.evaluation import PredictionSets
from chexpert.image_size import ImageSize
from chexpert.inference.exported import run_template
from chexpert.inference.exported.digest import EMPTY, MARK, check_file, compute_archive_digest, seal
from chexpert.inference.exported.graph import Calibrated, check_maps, compute_maps
from chexpert.inference.exported.metadata import describe_licenses
from chexpert.inference.exported.trace import trace
from chexpert.metrics.calibration import calibrate
from chexpert.metrics.conformal import fit_bounds
from chexpert.models import Backbone, Combined, Single

SMALL = {"channels": [4, 4, 8, 8], "stem_width": 4}
GRAY = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 4096, (40, 50)).astype(np.uint16)


def make_backbone(**settings):
    return Backbone("resnet10t", options=SMALL, **settings)


@pytest.mark.parametrize(
    "parameters",
    [
        {"slope": 1.7, "intercept": -0.3},
        {"scores": [0.1, 0.4, 0.41, 0.9], "probabilities": [0.0, 0.2, 0.7, 0.8]},
        {"scores": [0.5], "probabilities": [0.3]},
    ],
)
def test_calibration_is_that_of_the_run(parameters):
    scores = np.r_[np.linspace(0, 1, 101), 1e-9, 1 - 1e-9]
    ours = Calibrated(parameters)(torch.from_numpy(scores)).numpy()
    np.testing.assert_allclose(ours, calibrate(scores, parameters), rtol=0, atol=1e-12)


def test_scores_without_calibration_stay():
    scores = torch.tensor([0.0, 0.3], dtype=torch.float64)
    assert (Calibrated({})(scores) == scores).all()


def test_the_mean_of_a_map_and_the_bias_are_the_logit():
    model = Single(make_backbone(), 3, uncertain=[1]).eval()
    check_maps(model)
    with torch.no_grad():
        features = model.feature_maps(torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8))
        maps = compute_maps(model, features)
        logits = model.classify(features)
    assert maps.shape == (2, 3, 2, 2)
    torch.testing.assert_close(maps.mean((2, 3)) + model.head.bias[:3], logits)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Combined({"a": make_backbone(), "b": make_backbone()}, 2),
        lambda: Single(make_backbone(pooling="max"), 2),
        lambda: Single(make_backbone(), 2, parents=[-1, 0]),
    ],
)
def test_a_map_that_is_not_exact_is_refused(make):
    with raises("missing-map", "--map"):
        check_maps(make())


def test_a_digest_is_of_every_byte(tmp_path):
    file = tmp_path / "model.onnx"
    content = seal(b"weights and names " + MARK + EMPTY.encode() + b" more")
    file.write_bytes(content)
    assert check_file(file) in content.decode("latin-1")
    run_template.check_digest(file)
    for place in (0, len(content) - 1, content.index(MARK) + len(MARK)):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with raises("changed-file", file):
            check_file(file)
        with pytest.raises(run_template.BadInputError):
            run_template.check_digest(file)


def test_a_file_without_a_digest_is_none_of_an_export(tmp_path):
    file = tmp_path / "other.onnx"
    file.write_bytes(b"no export")
    with raises("damaged-file", file):
        check_file(file)
    with raises("input-kind", tmp_path) as caught:  # the folder, not its model
        check_file(tmp_path)
    assert "model.onnx or model.pt2" in caught.value.hint
    (tmp_path / "model.pt2").write_bytes(b"")
    with raises("input-kind", tmp_path) as caught:
        check_file(tmp_path)
    assert str(tmp_path / "model.pt2") in caught.value.hint
    with raises("missing-file", tmp_path / "none.onnx"):
        check_file(tmp_path / "none.onnx")


def test_a_digest_of_an_archive(tmp_path):
    file = tmp_path / "model.pt2"
    parts = {"model/weights": b"1", "model/extra/chexpert.note": b'"a"'}

    def write(parts, digest):
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in (parts | {"model/extra/chexpert.sha256": digest}).items():
                archive.writestr(name, content)

    write(parts, b"")
    digest = compute_archive_digest(file)
    write(parts, digest.encode())
    assert check_file(file) == digest
    run_template.check_digest(file)
    write(parts | {"model/extra/chexpert.note": b'"b"'}, digest.encode())
    with raises("changed-file", file):
        check_file(file)
    with pytest.raises(run_template.BadInputError):
        run_template.check_digest(file)


class Branching(nn.Module):
    """A layer that does one thing or another by the values of the image."""

    def forward(self, values):
        return values if values.float().mean() > 0.5 else values * 2


class Nested(nn.Module):
    """A model with such a layer."""

    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Identity(), Branching())

    def forward(self, images, file_size):
        return self.network(images.float())


def test_the_layer_that_cannot_be_exported_is_named():
    with raises("not-built", "network.1"):
        trace(Nested().eval(), ImageSize(32, 32))


def describe(model, **more):
    return describe_licenses({"config": {"model": model}} | more)


def test_licenses_are_those_of_the_weights_cards_and_of_timm():
    assert describe({"name": "vit_base_patch14_dinov2", "pretrained": "rad-dino"})[0].startswith("rad-dino: MIT")
    assert describe({"members": {"a": {"name": "resnet18", "pretrained": True}}})[0].endswith(": apache-2.0")
    random = {"backbone": {"name": "resnet18", "pretrained": False}}
    assert describe(random) == ["no pretrained weights are recorded"]
    began = describe(random, contamination="it saw CheXpert before this run (rad-dino)")
    assert began[0].startswith("rad-dino: MIT")
    part = {"name": "teacher 1", "licenses": [{"weights": "w", "license": "nc", "non_commercial": True}]}
    assert describe(random, made_of={"kind": "distilled", "teachers": [part]}) == ["w: nc"]


def save(path, mode):
    """Write an image of this kind."""
    color = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=2)
    deep = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=2)
    if mode == "deep gray":
        Image.fromarray(DEEP).save(path)
    elif mode == "deep color":
        cv2.imwrite(str(path), deep)
    elif mode == "deep color with alpha":
        cv2.imwrite(str(path), np.dstack([deep, DEEP]))
    elif mode == "turned":
        exif = Image.Exif()
        exif[run_template.ORIENTATION] = 6
        Image.fromarray(GRAY).save(path, exif=exif)
    elif mode == "alpha":
        Image.fromarray(np.dstack([color, GRAY])).save(path)
    elif mode == "palette":
        Image.fromarray(color).quantize(16).save(path)
    else:
        Image.fromarray(color if mode == "color" else GRAY).save(path)


@pytest.mark.parametrize(
    ("mode", "ending"),
    [(mode, "png") for mode in ("gray", "color", "deep gray", "deep color", "deep color with alpha", "turned", "alpha")]
    + [("palette", "png"), ("gray", "jpg"), ("color", "jpg"), ("turned", "jpg")],
)
def test_the_script_reads_images_as_the_project_does(tmp_path, mode, ending):
    path = tmp_path / f"image.{ending}"
    save(path, mode)
    ours, size = run_template.read_gray(path, [1000, 1000])
    assert size == (0, 0)
    assert (ours == read_gray(path)).all()


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_filters_of_png_are_undone(kind):
    """By the definitions of the PNG specification, a byte at a time."""
    rng = np.random.default_rng(kind)
    lines = rng.integers(0, 256, (4, 5, 6), dtype=np.uint8)
    expected = np.zeros((4, 5, 6), dtype=int)
    for y in range(4):
        for x in range(5):
            for c in range(6):
                a = expected[y, x - 1, c] if x else 0
                b = expected[y - 1, x, c] if y else 0
                d = expected[y - 1, x - 1, c] if x and y else 0
                p = a + b - d
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - d), 2, d))[2]
                expected[y, x, c] = (int(lines[y, x, c]) + [0, a, b, (a + b) // 2, near][kind]) % 256
    assert (run_template.undo_filters(np.full(4, kind), lines) == expected).all()


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.4])
def test_the_script_chooses_sets_as_the_project_does(rate):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    levels = {"image": {"Edema": fit_bounds(rng.random(60).round(2) + 0.2 * labels, labels)}}
    scores = rng.random(50).round(2)
    expected = PredictionSets("dev", "max", levels).apply(scores[:, None], ["Edema"], "image", rate)["Edema"]
    metadata = json.loads(json.dumps({"level": "image", "prediction_sets": {"levels": levels}}))
    assert [run_template.choose_set(metadata, "Edema", score, rate) for score in scores] == expected


def make_deep_png(width, height, rows):
    """A PNG of 16-bit colors whose data are these bytes."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_png_that_unpacks_to_more_than_its_pixels_is_refused_within_its_size():
    content = make_deep_png(64, 64, bytes(200_000_000))
    tracemalloc.start()
    with pytest.raises(ValueError, match="damaged"):
        run_template.read_deep_color(content)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_table_in_a_folder_that_is_not_there_is_refused_before_the_model_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "a.png", "--csv", str(tmp_path / "no/out.csv"), "--model", "none.onnx"])
    assert run_template.main() == 2
    assert str(tmp_path / "no") in capsys.readouterr().err


@pytest.mark.parametrize(("content", "why"), [(b"", "empty"), (b"text", "neither PNG nor JPEG"), (None, "folder")])
def test_a_file_that_is_no_image_is_named_by_its_kind(tmp_path, content, why):
    path = tmp_path / "a.png"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        run_template.read_gray(path, [64, 64])
