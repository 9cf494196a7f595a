"""Pickled maps, as CheXlocalize's code writes them."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from helpers.errors import raises

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
def test_map_is_read_from_any_types_and_protocol(tmp_path, other, protocol):
    read = dump(tmp_path, content(**other), protocol=protocol).read()
    assert read.map.tolist() == VALUES.tolist()
    assert (read.probability, read.width, read.height) == (0.25, 40, 30)


@pytest.mark.parametrize(
    ("other", "code", "named"),
    [
        ({"map": torch.zeros(2, 1, 3, 4)}, "damaged-file", "(2, 1, 3, 4)"),
        ({"map": TENSOR * torch.nan}, "damaged-file", "finite"),
        ({"prob": 1.5}, "damaged-file", "probability 1.5"),
        ({"cxr_dims": (0, 30)}, "damaged-file", "width 0"),
        ({"cxr_dims": 7}, "damaged-file", ""),
        ({"task": "Edema"}, "file-name", "Edema"),
        ({"map": np.array([object], dtype=object)}, "damaged-file", ""),
    ],
)
def test_invalid_value_is_an_error_of_its_file(tmp_path, other, code, named):
    file = dump(tmp_path, content(**other))
    with raises(code, file.path) as error:
        file.read()
    assert named in error.value.message


@pytest.mark.parametrize("cut", [0, 1, 40, 300])
def test_truncated_file_is_an_error(tmp_path, cut):
    file = dump(tmp_path, content())
    file.path.write_bytes(file.path.read_bytes()[:cut])
    with raises("damaged-file", file.path):
        file.read()


def test_tensor_larger_than_its_storage_is_an_error(tmp_path):
    class Large:
        def __reduce__(self):
            _, arguments, *_ = TENSOR.__reduce_ex__(2)
            return torch._utils._rebuild_tensor_v2, (arguments[0], 0, (1, 1, 3000, 4), (0, 0, 4, 1), False, {})

    file = dump(tmp_path, content(map=Large()))
    with raises("damaged-file", file.path) as error:
        file.read()
    assert "tensor" in error.value.message


def test_tensor_over_an_array_of_several_dimensions_is_an_error():
    """Its offset would count rows, while the check counts numbers."""
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
def test_small_file_with_a_huge_object_number_takes_no_memory(tmp_path, written):
    (tmp_path / "map.pkl").write_bytes(written)
    tracemalloc.start()
    with pytest.raises(ValueError, match="2,000,000"):
        read_pickled(tmp_path / "map.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_too_large_file_is_an_error_before_it_is_read(tmp_path):
    with (tmp_path / "map.pkl").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=f"{MAX_BYTES:,}"):
        read_pickled(tmp_path / "map.pkl")


def test_map_of_many_pixels_is_read(tmp_path):
    values = np.zeros((3000, 3000))
    values[-1, -1] = 1
    (tmp_path / "map.pkl").write_bytes(pickle.dumps(content(map=torch.from_numpy(values)[None, None]), 4))
    assert (tmp_path / "map.pkl").stat().st_size > 72_000_000
    assert read_pickled(tmp_path / "map.pkl").map.sum() == 1


def test_pickled_and_npz_maps_score_the_same(tmp_path):
    mask = np.zeros((30, 40), dtype=bool)
    mask[20:, 30:] = True
    write_segmentations(tmp_path / "gt.json", {VIEW: {"Cardiomegaly": encode(mask)}})
    file = dump(tmp_path / "pkl", content())
    write_map(tmp_path / "npz" / f"{VIEW}_Cardiomegaly_map.npz", file.read())
    tables = [localize(tmp_path / "gt.json", maps=tmp_path / name, bootstrap=10) for name in ("npz", "pkl")]
    assert str(tables[0]) == str(tables[1])  # what is undefined is NaN
    assert tables[0][0]["Cardiomegaly"]["hit_rate"] == 1


def test_ignored_files_are_noted(tmp_path):
    dump(tmp_path / "maps", content())
    dump(tmp_path / "maps", content(), f"{VIEW}_Fracture_map.pkl")
    for name in ("README", f"{VIEW}_Cardiomegaly.pkl", "sheet.png", "z"):
        (tmp_path / "maps" / name).touch()
    files, notes = find_maps(tmp_path / "maps", ["Cardiomegaly"])
    assert [file.path.name for file in files] == [f"{VIEW}_Cardiomegaly_map.pkl"]
    assert len(notes) == 2
    assert "Fracture" in notes[0]
    assert "4 files" in notes[1]
    with raises("missing-map", tmp_path / "maps") as error:
        find_maps(tmp_path / "maps", ["Edema"])
    assert "4 files" in error.value.message
