"""The nearest training images: by a slow reference, called by hashes, without a path and without pixels of patients."""

import dataclasses
import io
import json
import re
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from serve.conftest import PORT, TOKEN, Client

from chexpert.data import Preprocessing, read_gray
from chexpert.errors import UserError
from chexpert.models.pooled_features import pool_batch
from chexpert.runs.anonymize import hash_name, read_salt
from chexpert.serve.app import make_app
from chexpert.serve.served_model import ServedModel
from chexpert.serve.training_neighbors import TrainingNeighbors


@pytest.fixture(scope="module")
def neighbors(run, model) -> TrainingNeighbors:
    found = TrainingNeighbors(run, model.loaded)
    while not found.is_ready:
        found.read_batch()
    return found


def test_nearest_are_those_of_a_slow_reference(neighbors, model, run, images):
    reader: Preprocessing = model.loaded.preprocessing
    query = reader.read(images[0])
    known = np.stack([pool_batch(model.model, torch.from_numpy(reader.read(file))[None, None]).numpy()[0]
                      for file in neighbors.files]).astype("float64")  # fmt: skip
    own = pool_batch(model.model, torch.from_numpy(query)[None, None]).numpy()[0] - known.mean(axis=0)
    distances = [1 - np.corrcoef(row - known.mean(axis=0), own)[0, 1] for row in known]
    found = neighbors.compare(query)["neighbors"]
    assert [one["id"] for one in found] == [neighbors.names[row] for row in np.argsort(distances)[:5]]
    assert [one["distance"] for one in found] == pytest.approx(sorted(distances)[:5], abs=1e-5)


def test_training_image_is_its_own_nearest_and_is_called_by_its_hash(neighbors, model, run):
    answer = neighbors.compare(model.loaded.preprocessing.read(neighbors.files[3]))
    found = answer["neighbors"][0]
    assert answer["text"].endswith("is a training image.")
    assert found["distance"] == pytest.approx(0, abs=1e-5)
    assert re.fullmatch(r"id-[0-9a-f]{12}", found["id"])
    name = neighbors.files[3].partition("phantom/")[2]
    assert found["id"] == hash_name(name, read_salt(run))
    assert "image" in found


def test_no_path_and_no_pixels_of_patients_are_shown(run, model, images):
    loaded = dataclasses.replace(model.loaded, synthetic=False)
    found = TrainingNeighbors(run, loaded, most=7)
    found.read_batch()
    assert (len(found.files), found.is_ready) == (7, True)
    answer = found.compare(loaded.preprocessing.read(images[0]))
    assert all(set(one) == {"id", "distance", "labels"} for one in answer["neighbors"])
    assert "patient" not in str(answer)
    assert re.search(r"The 5 nearest of 7 of \d+ training images", answer["text"])
    assert "no pixels are shown" in found.describe()


def test_one_request_reports_its_progress_and_ends_in_the_nearest(client, images):
    found = client.ask("/api/neighbors", images[0].read_bytes())
    *progress, last = [json.loads(line) for line in found.text.splitlines()]
    assert all(0 <= line["progress"] < 1 for line in progress)
    assert len(last["result"]["neighbors"]) == 5


def test_image_is_checked_before_training_images_are_read(client, model):
    with mock.patch.object(model, "compare") as compare:
        found = client.ask("/api/neighbors", b"no image")
    assert json.loads(found.text.splitlines()[-1])["code"] == "unreadable-image"
    assert not compare.called


def test_image_that_the_gate_refuses_is_not_compared(run, queue, images):
    file = io.BytesIO()
    Image.fromarray(255 - read_gray(images[0])).rotate(90, expand=True).save(file, "PNG")
    client = Client(make_app(ServedModel(run, gate="refuse"), queue, TOKEN, PORT))
    found = client.ask("/api/neighbors", file.getvalue())
    assert json.loads(found.text.splitlines()[-1])["code"] == "input-kind"


def test_run_whose_data_are_gone_has_one_message(run, model):
    config = model.loaded.config | {"data": model.loaded.config["data"] | {"root": "/nowhere"}}
    found = TrainingNeighbors(run, dataclasses.replace(model.loaded, config=config))
    with pytest.raises(UserError) as caught:
        found.read_batch()
    assert caught.value.code == "missing-folder"
