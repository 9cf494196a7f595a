"""Attribution maps as files: <patient>_<study>_<view>_<observation>_map.npz, or CheXlocalize's own .pkl."""

import re
import zipfile
import zlib
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chexpert.errors import UserError
from chexpert.metrics.localization.pickled_maps import read_pickled
from chexpert.metrics.localization.segmentations import SPELLED
from chexpert.observations import OBSERVATIONS

ENDINGS = ("_map.npz", "_map.pkl")
"""Of this project's maps, and of those that CheXlocalize's own code writes."""
NAME = re.compile(r"(?P<view>.+)_(?P<observation>[^_]+)_map\.(?:npz|pkl)")
BROKEN = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a file that is no sound .npz."""


class LocalMap(NamedTuple):
    """What a file holds.

    Attributes:
        map: (h, w) float32 over the whole image, of any scale.
        probability: of the observation, by the model, in [0, 1].
        width: of the image, in pixels.
        height: likewise.
        grid: cells (rows, columns) of the feature map that the map was upsampled from; None where there was none.
        matrix: (3, 3), from the image to the coordinates that the grid lies in, where the map was carried back from
            them; None where the grid lies over the image.
        shape: (h, w) of these coordinates.
    """

    map: np.ndarray
    probability: float
    width: int
    height: int
    grid: tuple[int, int] | None = None
    matrix: np.ndarray | None = None
    shape: tuple[int, int] | None = None


class MapFile(NamedTuple):
    """A file, not yet read, and what its name says. The observation is in CheXpert's spelling."""

    path: Path
    view: str
    observation: str

    def read(self) -> LocalMap:
        """Read the map; of a pickle only plain values, arrays and tensors, and nothing that it names is run.

        Raises:
            UserError: it is damaged, what it holds is not a map of an image, or it says that it is another's.
        """
        hint = "write it by chexpert.metrics.write_map"
        if self.path.suffix == ".pkl":
            return self._read_pickled()
        try:
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves it open
                probability, width, height = (file[name].item() for name in ("probability", "width", "height"))
                grid, shape = (_read_sides(file[name]) if name in file else None for name in ("grid", "shape"))
                matrix = file["matrix"].astype("float64") if "matrix" in file else None
                read = LocalMap(file["map"].astype("float32"), probability, width, height, grid, matrix, shape)
                said = tuple(str(file[name]) if name in file else None for name in ("view", "observation"))
        except BROKEN as error:
            raise UserError(f"no map: {error}", code="damaged-file", where=str(self.path), hint=hint) from error
        if wrong := _find_wrong(read):
            raise UserError(wrong, code="damaged-file", where=str(self.path), hint=hint)
        self._check_name(*said)
        return read

    def _read_pickled(self) -> LocalMap:
        """One of CheXlocalize's own."""
        hint = f"write it as {self.path.stem}.npz by chexpert.metrics.write_map, or take it out of the folder"
        try:
            found = read_pickled(self.path)
        except (OSError, ValueError) as error:
            raise UserError(f"no map: {error}", code="damaged-file", where=str(self.path), hint=hint) from error
        read = LocalMap(found.map, found.probability, found.width, found.height)
        if wrong := _find_wrong(read):
            raise UserError(wrong, code="damaged-file", where=str(self.path), hint=hint)
        self._check_name(None, found.task)
        return read

    def _check_name(self, view: str | None, observation: str | None) -> None:
        """Compares what the file says of itself, if it does, with its name."""
        name = observation or self.observation
        is_of = view or self.view, SPELLED.get(name, name)
        if is_of != (self.view, self.observation):
            message = f"this is the map of {', '.join(is_of)}, named as {self.view}, {self.observation}"
            raise UserError(message, code="file-name", where=str(self.path), hint="give the file its own name again")


def _find_wrong(read: LocalMap) -> str | None:
    if read.map.ndim != 2 or not read.map.size:
        return f"the map has the shape {read.map.shape}, not (h, w)"
    if not np.isfinite(read.map).all():
        return "the map is not finite everywhere"
    if isinstance(read.probability, str | bytes) or not 0 <= read.probability <= 1:
        return f"the probability {read.probability} is not in [0, 1]"
    if read.matrix is not None and not _is_affine(read.matrix):
        return "the matrix is not that of an affine map"
    if not all(type(side) is int and side > 0 for side in (read.width, read.height)):
        return f"width {read.width} and height {read.height} are not those of an image"
    return None


def _is_affine(matrix: np.ndarray) -> bool:
    return matrix.shape == (3, 3) and bool(np.isfinite(matrix).all()) and abs(np.linalg.det(matrix)) > 0


def _read_sides(sides: np.ndarray) -> tuple[int, int]:
    rows, columns = (int(side) for side in np.atleast_1d(sides))
    if rows < 1 or columns < 1:
        raise ValueError(f"{rows} x {columns} cells")
    return rows, columns


def write_map(path: Path, local: LocalMap, **beside: np.ndarray) -> Path:
    """Write a map, and further arrays beside it, as a compressed .npz file; the folder is made if missing.

    Args:
        path: file to write, named <patient>_<study>_<view>_<observation>_map.npz.
        local: map with its probability and image size; fields that are None are left out.
        **beside: further arrays by name. ``view`` and ``observation`` must be those of the name: :meth:`MapFile.read`
            compares them.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {name: value for name, value in local._asdict().items() if value is not None}
    np.savez_compressed(path, **known, **beside)  # type: ignore[arg-type]
    return path


def find_maps(folder: str | Path, observations: Collection[str]) -> tuple[list[MapFile], list[str]]:
    """Return the map files below a folder, and notes on the files that are ignored.

    Args:
        folder: folder of the maps; folders in it are searched at any depth.
        observations: wanted observations, in CheXpert's spelling; files may be named in CheXlocalize's.

    Returns:
        The files, not yet read, ordered by view and observation; and one note for each unwanted observation and for all
        files that are no maps by their names.

    Raises:
        UserError: no such folder, no map in it, or two of the same view and observation.
    """
    if not Path(folder).is_dir():
        raise UserError("no such folder", code="missing-folder", where=str(folder), hint="give the folder of the maps")
    there = sorted(path for path in Path(folder).rglob("*") if not path.is_dir())
    named = [_parse(path) for path in there if path.name.endswith(ENDINGS)]
    others = _note_others([path for path in there if not path.name.endswith(ENDINGS)])
    files = sorted((file for file in named if file.observation in observations), key=lambda f: (f.view, f.observation))
    notes = [*_note_ignored([file for file in named if file.observation not in observations]), *others]
    hint = f"name maps <patient>_<study>_<view>_<observation>{ENDINGS[0]} (or .pkl, CheXlocalize's own)"
    if not files:
        message = "; ".join(["no maps of the wanted observations", *notes])
        raise UserError(message, code="missing-map", where=str(folder), hint=hint)
    for one, other in pairwise(files):
        if one[1:] == other[1:]:
            message = f"two maps of {one.view}, {one.observation}"
            raise UserError(
                message, code="repeated", where=f"{one.path} and {other.path}", hint="one folder for each explainer"
            )
    return files, notes


def _parse(path: Path) -> MapFile:
    found = NAME.fullmatch(path.name)
    name = found["observation"] if found else ""
    return MapFile(path, found["view"] if found else path.name, SPELLED.get(name, name))


def _note_others(paths: Sequence[Path]) -> list[str]:
    """One note on all files that are no maps by their names."""
    names = ", ".join(path.name for path in paths[:3]) + ", ..." * (len(paths) > 3)
    return [f"{len(paths)} file{'s' * (len(paths) > 1)} left aside, no maps by name: {names}"] if paths else []


def _note_ignored(files: Sequence[MapFile]) -> list[str]:
    """One note for each observation that has no masks, or that nobody knows."""
    notes = []
    for name in sorted({file.observation for file in files}):
        count = sum(file.observation == name for file in files)
        why = "has no masks" if name in OBSERVATIONS else "is not an observation of CheXpert"
        notes.append(f"{count} map{'s' * (count > 1)} ignored: {name or 'a name without observation'} {why}")
    return notes
