"""The autoencoder: its sizes, its training, its file and the errors of the file."""

import json

import numpy as np
import pytest
import torch
from helpers.autoencoders import make_random_autoencoder, write_random_autoencoder
from helpers.errors import raises

from chexpert.data import Preprocessing
from chexpert.explain import LatentShift
from chexpert.explain.counterfactual.autoencoder import Autoencoder, Shape
from chexpert.explain.counterfactual.autoencoder_file import read_autoencoder, write_autoencoder
from chexpert.explain.counterfactual.fit import fit_autoencoder, measure_psnr
from chexpert.explain.counterfactual.reconstruction import measure_reconstruction
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Single

SHAPE = Shape(16, 16, stride=4, latent=4, channels=8)


@pytest.fixture(scope="module")
def images():
    """Soft spots at places of their own: (32, 1, 16, 16)."""
    y, x = np.mgrid[:16, :16]
    places = np.random.default_rng(0).uniform(4, 12, (32, 2))
    spots = [200 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in places]
    return torch.tensor(np.array(spots)[:, None], dtype=torch.uint8)


@pytest.mark.parametrize(
    ("size", "longest", "height", "width"),
    [((64, 64), 128, 64, 64), ((320, 390), 128, 104, 128), ((10, 300), 128, 8, 128), ((65, 65), 128, 64, 64)],
)
def test_network_works_at_whole_cells(size, longest, height, width):
    shape = Shape.of(ImageSize(*size), longest)
    assert (shape.height, shape.width) == (height, width)
    network = Autoencoder(shape)
    image = torch.rand(1, 1, *size)
    assert network.encode(image).shape == (1, shape.latent, height // 8, width // 8)
    assert network(image).shape == image.shape


def test_training_lowers_the_error_and_is_the_same_each_time(images):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    untrained, one, two = (fit_autoencoder(images, SHAPE, epochs, seed=1) for epochs in (0, 12, 12))
    assert torch.equal(torch.get_rng_state(), state)
    assert measure_psnr(one, images) > measure_psnr(untrained, images) + 3
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert not any(weight.requires_grad for weight in one.parameters())
    latents = one.encode(images.float() / 255).flatten(1)
    assert float(one.spread) == pytest.approx(float((latents - latents.mean(0)).norm(dim=1).mean()))


def test_psnr_is_that_of_the_mean_squared_error(images, monkeypatch):
    network = Autoencoder(SHAPE)
    monkeypatch.setattr(network, "forward", lambda gray: gray + 0.1)
    assert measure_psnr(network, images) == pytest.approx(20.0, abs=1e-4)  # 10 log10(1 / .01)


def test_exact_reconstruction_changes_no_probability(images, monkeypatch):
    network, model = Autoencoder(SHAPE), Single(Backbone("resnet10t"), 2)
    monkeypatch.setattr(network, "forward", lambda gray: gray)
    found = measure_reconstruction(model, network, images[:4], ["Edema", "Fracture"])
    assert found["psnr"] == float("inf")
    assert found["images"] == 4
    assert [own["change"] for own in found["probabilities"].values()] == [0.0, 0.0]
    assert all(own["kept"] == 1 for own in found["probabilities"].values() if own["positives"])


def test_file_gives_the_same_network_back(tmp_path, images):
    stored = make_random_autoencoder(16, "crop")
    write_autoencoder(tmp_path / "a.safetensors", stored)
    read = read_autoencoder(tmp_path / "a.safetensors")
    assert torch.equal(read.network(images.float() / 255), stored.network(images.float() / 255))
    assert read.preprocessing == Preprocessing(16, "crop")
    assert not any(weight.requires_grad for weight in read.network.parameters())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


@pytest.mark.parametrize("there", ["a.safetensors", "a.json"])
def test_file_is_never_overwritten(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with raises("not-empty", tmp_path / there):
        write_autoencoder(tmp_path / "a.safetensors", make_random_autoencoder(16))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"shape": {"height": 16, "width": 16, "channels": 10**9}}, "damaged-file"),
        ({"shape": {"height": 16, "width": 16, "stride": "4"}}, "damaged-file"),
        ({"shape": {"height": 16, "width": 16, "stride": 8}}, "damaged-file"),
        ({"shape": None}, "damaged-file"),
        ({"preprocessing": {"size": 16, "fit": "stretch", "gamma": 2}}, "damaged-file"),
        ({"format": 2}, "newer-version"),
    ],
)
def test_changed_description_is_an_error(tmp_path, changed, code):
    path = write_random_autoencoder(tmp_path / "a.safetensors", 16)
    card = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(card | changed))
    with raises(code, path):
        read_autoencoder(path)


def test_missing_and_damaged_files_are_errors(tmp_path):
    path = tmp_path / "a.safetensors"
    with raises("missing-file", path.with_suffix(".json")):
        read_autoencoder(path)
    write_random_autoencoder(path, 16)
    path.write_bytes(path.read_bytes()[:100])
    with raises("damaged-file", path):
        read_autoencoder(path)
    path.unlink()
    with raises("missing-file", path):
        read_autoencoder(path)


def test_other_preprocessing_is_an_error():
    stored = make_random_autoencoder(16)
    stored.check(Preprocessing(16), "a")
    for other in (Preprocessing(32), Preprocessing(16, "crop")):
        with raises("other-preprocessing", "a"):
            stored.check(other, "a")


def test_explainer_refuses_images_of_another_size(tmp_path):
    path = write_random_autoencoder(tmp_path / "a.safetensors", 16)
    model = Single(Backbone("resnet10t"), 2)
    with raises("other-preprocessing", path):
        LatentShift(path)(model, torch.zeros(1, 1, 32, 32, dtype=torch.uint8), [[0]])


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({}, ["missing-argument"]),
        ({"autoencoder": "a", "amount": 1}, ["value"]),
        ({"autoencoder": "a", "amount": True, "longest": 0}, ["value", "value"]),
        ({"autoencoder": "a", "amount": 0.5, "longest": 2}, []),
    ],
)
def test_wrong_options_are_found_before_anything_is_built(options, codes):
    assert [error.code for error in LatentShift.validate_args(**options)] == codes
