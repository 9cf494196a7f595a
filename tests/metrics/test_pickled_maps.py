"""CheXlocalize's own maps, as its code and others' write them."""

import pickle

import numpy as np
import pytest
import torch

from chexpert.metrics.chexlocalize import localize
from chexpert.metrics.maps import MapFile, find_maps, write_map
from chexpert.metrics.runlengths import encode
from chexpert.metrics.segmentations import write_segmentations
from chexpert.problem import ProblemError

VIEW = "patient64541_study1_view1_frontal"
VALUES = np.arange(12, dtype="float32").reshape(3, 4)
TENSOR = torch.tensor(VALUES)[None, None]


def dump(folder, content, name=f"{VIEW}_Cardiomegaly_map.pkl", protocol=4):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    return MapFile(folder / name, VIEW, "Cardiomegaly")


def content(**other):
    """As github.com/rajpurkarlab/cheXlocalize has it."""
    whole = {"map": TENSOR, "prob": 0.25, "task": "Cardiomegaly", "gt": 1, "cxr_img": torch.zeros(3, 5, 5)}
    return whole | {"cxr_dims": (40, 30)} | other


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "other",
    [
        {},
        {"map": TENSOR.double()},
        {"map": TENSOR.half()},
        {"map": TENSOR.int()},
        {"map": torch.tensor(VALUES.T).T[None, None]},
        {"map": torch.cat([TENSOR, TENSOR])[1:]},
        {"map": TENSOR.clone().requires_grad_()},
        {"map": VALUES},
        {"map": np.asfortranarray(VALUES)},
        {"map": VALUES.astype(">f8")},
        {"prob": np.float32(0.25)},
        {"prob": torch.tensor(0.25)},
        {"prob": np.array([0.25])},
        {"cxr_dims": [torch.tensor(40), torch.tensor(30)]},
        {"cxr_dims": np.array([40, 30])},
        {"gt": np.int64(1)},
    ],
    ids=str,
)
def test_a_map_is_read_in_any_spelling(tmp_path, other, protocol):
    read = dump(tmp_path, content(**other), protocol=protocol).read()
    assert read.map.tolist() == VALUES.tolist()
    assert (read.probability, read.width, read.height) == (0.25, 40, 30)


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"map": torch.zeros(2, 1, 3, 4)}, "shape"),
        ({"map": TENSOR * torch.nan}, "finite"),
        ({"prob": 1.5}, "probability"),
        ({"cxr_dims": (0, 30)}, "width"),
        ({"cxr_dims": 7}, "no map"),
        ({"task": "Edema"}, "this is the map of"),
        ({"map": np.array([object], dtype=object)}, "no map"),
    ],
)
def test_what_is_no_map_is_refused_by_file(tmp_path, other, word):
    with pytest.raises(ProblemError, match=word) as caught:
        dump(tmp_path, content(**other)).read()
    assert caught.value.where.endswith("_map.pkl")


@pytest.mark.parametrize("cut", [0, 1, 40, 300])
def test_a_cut_file_is_refused(tmp_path, cut):
    file = dump(tmp_path, content())
    file.path.write_bytes(file.path.read_bytes()[:cut])
    with pytest.raises(ProblemError, match="no map"):
        file.read()


def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(tmp_path):
    class Reaching:
        def __reduce__(self):
            _, arguments, *_ = TENSOR.__reduce_ex__(2)
            return torch._utils._rebuild_tensor_v2, (arguments[0], 0, (1, 1, 3000, 4), (0, 0, 4, 1), False, {})

    with pytest.raises(ProblemError, match="larger than its numbers"):
        dump(tmp_path, content(map=Reaching())).read()


def test_pickles_score_as_the_same_maps_of_this_project(tmp_path):
    mask = np.zeros((30, 40), dtype=bool)
    mask[20:, 30:] = True
    write_segmentations(tmp_path / "gt.json", {VIEW: {"Cardiomegaly": encode(mask)}})
    file = dump(tmp_path / "theirs", content())
    write_map(tmp_path / "ours" / f"{VIEW}_Cardiomegaly_map.npz", file.read())
    tables = [localize(tmp_path / "gt.json", maps=tmp_path / name, bootstrap=10) for name in ("ours", "theirs")]
    assert str(tables[0]) == str(tables[1])  # what is undefined is NaN
    assert tables[0][0]["Cardiomegaly"]["hit_rate"] == 1


def test_no_file_of_the_folder_is_left_aside_in_silence(tmp_path):
    dump(tmp_path / "maps", content())
    dump(tmp_path / "maps", content(), f"{VIEW}_Fracture_map.pkl")
    for name in ("README", f"{VIEW}_Cardiomegaly.pkl", "sheet.png", "z"):
        (tmp_path / "maps" / name).touch()
    files, notes = find_maps(tmp_path / "maps", ["Cardiomegaly"])
    assert [file.path.name for file in files] == [f"{VIEW}_Cardiomegaly_map.pkl"]
    assert len(notes) == 2
    assert "Fracture" in notes[0]
    assert notes[1].startswith("4 files left aside")
    with pytest.raises(ProblemError, match="4 files left aside"):
        find_maps(tmp_path / "maps", ["Edema"])
