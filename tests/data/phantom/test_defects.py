import csv
import json
from pathlib import Path

import pytest
from helpers.errors import raises
from PIL import Image

from chexpert.data.phantom import write_phantom
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.options import DEFECTS

OPTIONS = {"patients": 4, "valid": 3, "size": 48, "workers": 1}


def list_paths(phantom: Path, layout: str, split: str) -> list[str]:
    with (phantom / LAYOUTS[layout].tables[split]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = "path_to_image" if layout == "plus" else "Path"
    return [row[column] for row in rows if row.get("split", split) == split]


@pytest.mark.parametrize("layout", ["small", "aimi", "flat", "plus"])
def test_each_defect_is_planted_once_and_listed(tmp_path: Path, layout: str) -> None:
    clean = write_phantom(tmp_path / "clean", layout=layout, **OPTIONS)
    phantom = write_phantom(tmp_path / "phantom", layout=layout, defects=DEFECTS, **OPTIONS)
    assert not (clean / "phantom/defects.json").exists()
    found = {defect["kind"]: defect for defect in json.loads((phantom / "phantom/defects.json").read_text())}
    assert set(found) == set(DEFECTS)
    assert all("frontal" in defect["file"] for kind, defect in found.items() if kind != "shared")

    assert not (phantom / found["missing"]["file"]).exists()
    whole, cut = clean / found["truncated"]["file"], phantom / found["truncated"]["file"]
    assert cut.read_bytes() == whole.read_bytes()[: len(whole.read_bytes()) // 2]
    with pytest.raises(OSError, match="truncated"), Image.open(cut) as image:
        image.load()

    train = list_paths(phantom, layout, "train")
    assert [path for path in set(train) if train.count(path) == 2] == [found["duplicate"]["path"]]
    shared = {path for path in train if "patient64541" in path}
    assert found["shared"]["path"] in shared
    assert {path.replace("train/", "valid/") for path in shared} <= set(list_paths(phantom, layout, "valid"))
    for path in shared:
        place = path[path.index("train/") :].removesuffix(".jpg")
        other = place.replace("train/", "valid/")
        one, two = (phantom / LAYOUTS[layout].file(where) for where in (place, other))
        assert one.read_bytes() == two.read_bytes()


def test_file_defects_change_no_other_file(tmp_path: Path) -> None:
    clean = write_phantom(tmp_path / "clean", **OPTIONS)
    phantom = write_phantom(tmp_path / "phantom", defects=["missing", "truncated"], **OPTIONS)
    damaged = {defect["file"] for defect in json.loads((phantom / "phantom/defects.json").read_text())}
    for path in clean.rglob("*"):
        name = str(path.relative_to(clean))
        if path.is_file() and name not in damaged | {"phantom/options.json"}:
            assert (phantom / name).read_bytes() == path.read_bytes()


def test_shared_patient_without_train_is_an_error(tmp_path: Path) -> None:
    with raises("conflict", "defects"):
        write_phantom(tmp_path / "phantom", layout="chexlocalize", defects=["shared"], **OPTIONS)
    assert list(tmp_path.iterdir()) == []
