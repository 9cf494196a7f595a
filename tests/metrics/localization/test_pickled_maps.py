"""CheXlocalize's own maps, as its code and others' write them."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch

from chexpert.errors import UserError
from chexpert.metrics.localization.chexlocalize import localize
from chexpert.metrics.localization.map_files import MapFile, find_maps, write_map
from chexpert.metrics.localization.pickled_maps import MAX_BYTES, make_known, read_pickled
from chexpert.metrics.localization.run_lengths import encode
from chexpert.metrics.localization.segmentations import write_segmentations

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
    with pytest.raises(UserError, match=word) as caught:
        dump(tmp_path, content(**other)).read()
    assert caught.value.where.endswith("_map.pkl")


@pytest.mark.parametrize("cut", [0, 1, 40, 300])
def test_a_cut_file_is_refused(tmp_path, cut):
    file = dump(tmp_path, content())
    file.path.write_bytes(file.path.read_bytes()[:cut])
    with pytest.raises(UserError, match="no map"):
        file.read()


def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(tmp_path):
    class Reaching:
        def __reduce__(self):
            _, arguments, *_ = TENSOR.__reduce_ex__(2)
            return torch._utils._rebuild_tensor_v2, (arguments[0], 0, (1, 1, 3000, 4), (0, 0, 4, 1), False, {})

    with pytest.raises(UserError, match="larger than its numbers"):
        dump(tmp_path, content(map=Reaching())).read()


def test_a_tensor_over_an_array_of_several_dimensions_is_refused():
    """An offset would count its rows, while the check counts its numbers."""
    known = make_known()
    kind = known["numpy.dtype"]("f4")
    content = np.arange(400, dtype="float32").tobytes()
    view = known["torch._utils._rebuild_tensor_v2"]
    plain = known["numpy.core.numeric._frombuffer"](content, kind, (400,), "C")
    assert view(plain, 1, (399,), (1,)).tolist() == list(range(1, 400))
    for shape in [(2, 200), (400, 1), (1, 400)]:
        numbers = known["numpy.core.numeric._frombuffer"](content, kind, shape, "C")
        with pytest.raises(pickle.UnpicklingError):
            view(numbers, 1, (399,), (1,))


@pytest.mark.parametrize("written", [b"Nr" + (2_000_000).to_bytes(4, "little") + b".", b"Np2000000\n."], ids=repr)
def test_a_few_bytes_that_number_an_object_beyond_the_file_take_no_memory(tmp_path, written):
    (tmp_path / "map.pkl").write_bytes(written)
    tracemalloc.start()
    with pytest.raises(ValueError, match="2,000,000"):
        read_pickled(tmp_path / "map.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path):
    with (tmp_path / "map.pkl").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=f"more than {MAX_BYTES:,}"):
        read_pickled(tmp_path / "map.pkl")


def test_a_map_of_many_pixels_is_read(tmp_path):
    values = np.zeros((3000, 3000))
    values[-1, -1] = 1
    (tmp_path / "map.pkl").write_bytes(pickle.dumps(content(map=torch.from_numpy(values)[None, None]), 4))
    assert (tmp_path / "map.pkl").stat().st_size > 72_000_000
    assert read_pickled(tmp_path / "map.pkl").map.sum() == 1


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
    with pytest.raises(UserError, match="4 files left aside"):
        find_maps(tmp_path / "maps", ["Edema"])
