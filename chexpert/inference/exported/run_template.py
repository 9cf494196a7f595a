"""Predict chest radiographs by an exported model: onnxruntime, numpy and Pillow are all it needs (of model.pt2: torch).

python run.py IMAGE... [--csv OUT.csv] [--rule youden] [--sets 0.1]
PNG and JPEG, gray or color, 8 or 16 bits. Each image is its own row. Not a medical device.
Exit code 1: an image could not be read; 2: the command or the model file is wrong.
"""

import argparse
import csv
import hashlib
import io
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"error: not installed: {missing.name}; pip install onnxruntime numpy pillow")

KEY = "chexpert.sha256"
PREFIX = "chexpert."
MARK = KEY.encode() + b"\x12\x40"
OWN_ENTRIES = ("/extra/" + KEY, "/.data/serialization_id")
ENDS = (0.001, 0.999)  # shares of the pixels of over 8 bits that become black and white
MAX_PIXELS = 64_000_000
LEAST_SIDE = 32  # pixels
ORIENTATION = 0x0112


class BadInputError(Exception):
    """What the user can fix, in one line."""


def main() -> int:
    """Read the command line, predict, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--csv", type=Path, metavar="OUT.csv", help="a new file, one row an image")
    parser.add_argument("--rule", help="by which a threshold was chosen (the first of the model)")
    parser.add_argument("--sets", type=float, default=0.1, metavar="RATE", help="error rate of prediction sets (0.1)")
    parser.add_argument("--model", type=Path, help="the model file (that beside this script)")
    given = parser.parse_args()
    try:
        if given.csv and given.csv.exists():
            raise BadInputError(f"{given.csv} is there already, and nothing is overwritten")
        if given.csv and not given.csv.parent.is_dir():
            raise BadInputError(f"{given.csv} cannot be written: there is no folder {given.csv.parent}")
        if not 0 < given.sets < 0.5:
            raise BadInputError("--sets lies between 0 and 0.5")
        model = Model(given.model or get_model_file())
        thresholds = get_thresholds(model.metadata, given.rule)
    except (BadInputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"error: not installed: {error.name}; pip install {error.name}", file=sys.stderr)
        return 2
    rows, failed = predict_files(model, given.images)
    table = [make_row(model.metadata, thresholds, given.sets, *row) for row in rows]
    print_table(model.metadata, table, given.rule or get_first_rule(model.metadata), given.sets)
    for path, why in failed:
        print(f"not predicted: {path}: {why}", file=sys.stderr)
    try:
        if given.csv and table:
            write_table(given.csv, table)
    except OSError as error:
        print(f"error: {given.csv} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def write_table(path: Path, table: list[dict[str, str]]) -> None:
    """Write a new file of comma-separated values, one row an image."""
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def get_model_file() -> Path:
    """Return the model beside this script."""
    folder = Path(__file__).resolve().parent
    found = [folder / name for name in ("model.onnx", "model.pt2") if (folder / name).is_file()]
    if not found:
        raise BadInputError(f"there is no model.onnx and no model.pt2 in {folder}")
    return found[0]


class Model:
    """An exported model, checked by its own SHA-256."""

    def __init__(self, path: Path) -> None:
        check_digest(path)
        self._run: Callable[..., list[np.ndarray]]
        if path.suffix == ".pt2":
            import torch

            entries = dict.fromkeys(list_entries(path), "")
            program = torch.export.load(path, extra_files=entries).module()
            self._run = lambda *inputs: [out.numpy() for out in program(*map(torch.from_numpy, inputs))]
        else:
            import onnxruntime

            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            entries = session.get_modelmeta().custom_metadata_map
            names = [one.name for one in session.get_inputs()]
            self._run = lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))
        self.metadata = {key.removeprefix(PREFIX): json.loads(value) for key, value in entries.items() if key != KEY}
        self.size = self.metadata["preprocessing"]["image_size"]
        self.kind = self.metadata["input"]

    def __call__(self, gray: np.ndarray, file_size: tuple[int, int]) -> list[np.ndarray]:
        """Return probabilities and scores (C,) of an image (h, w) uint8."""
        inputs = gray[None].astype(self.kind), np.array(file_size, dtype=np.int64)
        return [out[0] for out in self._run(*inputs)[:2]]


def check_digest(path: Path) -> None:
    """Compare a model file with the SHA-256 that it holds of itself."""
    if not path.is_file():
        raise BadInputError(f"{path} is no file")
    if zipfile.is_zipfile(path):
        total = hashlib.sha256()
        with zipfile.ZipFile(path) as archive:
            own = [name for name in archive.namelist() if name.endswith(OWN_ENTRIES[0])]
            stored = archive.read(own[0]).decode() if own else ""
            for name in sorted(archive.namelist()):
                if not name.endswith(OWN_ENTRIES):
                    part = hashlib.sha256(archive.read(name)).digest()
                    total.update(name.partition("/")[2].encode() + b"\0" + part)
        found = total.hexdigest()
    else:
        content = path.read_bytes()
        place = content.find(MARK) + len(MARK)
        stored = content[place : place + 64].decode("ascii", "replace") if MARK in content else ""
        found = hashlib.sha256(content[:place] + b"0" * 64 + content[place + 64 :]).hexdigest()
    if not stored:
        raise BadInputError(f"{path} holds no SHA-256: it is damaged, or no exported model")
    if stored != found:
        raise BadInputError(f"{path} was changed after its export: its SHA-256 is another one")


def list_entries(path: Path) -> list[str]:
    """Return the names of the metadata in a file of torch.export."""
    with zipfile.ZipFile(path) as archive:
        return [name.rpartition("/extra/")[2] for name in archive.namelist() if "/extra/" + PREFIX in name]


def predict_files(model: Model, paths: list[Path]) -> tuple[list[tuple], list[tuple[Path, str]]]:
    """Return path, probabilities and scores of each image, and those that could not be read, with the reason."""
    rows, failed = [], []
    for path in paths:
        try:
            gray, file_size = read_gray(path, model.size)
        except Exception as error:  # Pillow's plugins raise almost anything on damaged files
            failed.append((path, " ".join(str(error).split()) or type(error).__name__))
            continue
        rows.append((path, *model(gray, file_size)))
    return rows, failed


def read_gray(path: Path, size: list[int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the gray values (h, w) uint8 of an image, and the size of its file where it was read smaller."""
    if not Path(path).is_file():
        raise ValueError("a folder: name its images" if Path(path).is_dir() else "no such file")
    content = Path(path).read_bytes()
    if content[128:132] == b"DICM":
        raise ValueError("a DICOM file: convert it, or use chexpert predict")
    if not content.startswith((b"\x89PNG", b"\xff\xd8")):
        raise ValueError("neither PNG nor JPEG" if content else "an empty file")
    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS:,}")
        if min(width, height) < LEAST_SIDE:
            raise ValueError(f"{width} x {height} pixels: a radiograph has at least {LEAST_SIDE} on each side")
        exif = Image.Image.getexif(image) if image.format == "PNG" else image.getexif()
        turned = exif.get(ORIENTATION, 1)
        turned = turned if turned in range(1, 9) else 1
        large = height >= 2 * size[0] and width >= 2 * size[1] and turned == 1
        drafted = image.draft("L", (size[1], size[0])) if large else None
        reduced = round(width / drafted[1][2]) if drafted else 1
        gray = turn(to_gray(image, content), turned)
    return gray, (height, width) if reduced > 1 else (0, 0)


def to_gray(image: Image.Image, content: bytes) -> np.ndarray:
    """Return one 8-bit gray value for each pixel."""
    if image.format == "PNG" and content[24] == 16 and content[25] != 0:
        image.load()  # refuses a truncated file
        return window(read_deep_color(content))
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return window(np.asarray(image))
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"))
    image = image.convert("RGBA")  # before black, which is also what lies outside of an image
    black = Image.new("L", image.size)
    black.paste(image.convert("L"), mask=image.getchannel("A"))
    return np.asarray(black)


def window(values: np.ndarray) -> np.ndarray:
    """Scale values of over 8 bits: nearly the lowest becomes black, nearly the highest white."""
    inner = values.ravel()
    last = len(inner) - 1
    if last < 2:
        low, high = float(inner.min()), float(inner.max())
    else:
        ends = int(np.ceil(ENDS[0] * last)), int(ENDS[1] * last)
        ordered = np.partition(inner, ends)
        low, high = float(ordered[ends[0]]), float(ordered[ends[1]])
    gray = values.astype("float64").clip(low, high)
    return np.round((gray - low) * (255 / (high - low or 1))).astype(np.uint8)


def read_deep_color(content: bytes) -> np.ndarray:
    """Return gray values (h, w) uint16 of a PNG of 16-bit colors, of which Pillow would give 8 bits."""
    width, height, _, kind, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    channels = {2: 3, 4: 2, 6: 4}.get(kind)
    if interlaced or not channels:
        raise ValueError("an interlaced PNG of 16-bit colors")
    place, packed = 8, b""
    while place < len(content):
        length, name = struct.unpack(">I4s", content[place : place + 8])
        packed += content[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += length + 12
    step = 2 * channels
    size = height * (1 + width * step)
    unpacked = zlib.decompressobj().decompress(packed, size + 1)  # a small file may unpack to gigabytes
    if len(unpacked) != size:
        raise ValueError("a damaged PNG: it holds another number of pixels than it says")
    lines = np.frombuffer(unpacked, np.uint8).reshape(height, 1 + width * step)
    pixels = undo_filters(lines[:, 0], lines[:, 1:].reshape(height, width, step)).reshape(height, width, channels, 2)
    wide = pixels[..., 0].astype(np.uint32) * 256 + pixels[..., 1]
    if channels == 2:
        gray = wide[..., 0]
    else:  # Pillow's weights of red, green and blue
        gray = (19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 32768) >> 16
    if channels in (2, 4):
        gray = gray * wide[..., -1] // max(1, int(wide[..., -1].max()))
    return gray.astype(np.uint16)


def undo_filters(kinds: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Undo the filters of a PNG's lines (h, w, bytes of a pixel), whose kinds are (h,)."""
    out = np.zeros_like(lines)
    above = np.zeros_like(lines[0])
    for y, kind in enumerate(kinds):
        line = lines[y]
        if kind == 1:
            line = np.cumsum(line, axis=0, dtype=np.uint8)
        elif kind == 2:
            line = line + above
        elif kind in (3, 4):
            line = undo_pixelwise(kind, line, above)
        above = out[y] = line
    return out


def undo_pixelwise(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Undo the filters Average (3) and Paeth (4), which need each pixel for the next."""
    out = np.zeros_like(line)
    left = corner = np.zeros(line.shape[1], dtype=np.int64)
    for x in range(len(line)):
        up = above[x].astype(np.int64)
        if kind == 3:
            guess = (left + up) // 2
        else:
            near = [np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)]
            first = (near[0] <= near[1]) & (near[0] <= near[2])
            guess = np.where(first, left, np.where(near[1] <= near[2], up, corner))
        left, corner = (line[x] + guess) % 256, up
        out[x] = left
    return out


def turn(gray: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels by EXIF's orientation."""
    turned = gray.T if orientation >= 5 else gray
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def list_rules(metadata: dict[str, Any]) -> list[str]:
    """Return the rules by which the model's thresholds were chosen."""
    level = ((metadata["thresholds"] or {}).get("levels") or {}).get(metadata["level"], {})
    return list(dict.fromkeys(name for own in level.values() for name in own["thresholds"]))


def get_first_rule(metadata: dict[str, Any]) -> str | None:
    """Return the rule that is taken where none is given; None where the model has no thresholds."""
    return next(iter(list_rules(metadata)), None)


def get_thresholds(metadata: dict[str, Any], rule: str | None) -> dict[str, float | None]:
    """Return the threshold of each observation by a rule; None where there is none."""
    level = ((metadata["thresholds"] or {}).get("levels") or {}).get(metadata["level"], {})
    rules = list_rules(metadata)
    if rule and rule not in rules:
        raise BadInputError(f"--rule {rule}: the model has {', '.join(rules) or 'no thresholds'}")
    rule = rule or get_first_rule(metadata)
    return {name: level.get(name, {}).get("thresholds", {}).get(rule) for name in metadata["observations"]}


def choose_set(metadata: dict[str, Any], name: str, score: float, rate: float) -> str:
    """Return the prediction set of a score: present, absent, both or neither; empty where there is none."""
    level = ((metadata["prediction_sets"] or {}).get("levels") or {}).get(metadata["level"], {})
    if name not in level:
        return ""
    bounds = []
    for kind, beyond in (("absent", np.inf), ("present", -np.inf)):
        rows, scores = level[name][kind]["rows"], level[name][kind]["scores"]
        rank = int(rate * (rows + 1))
        rank += ((rank + 1) / (rows + 1) <= rate) - (rank / (rows + 1) > rate)
        ranks = np.unique(np.arange(1, 500).astype("int64") * (rows + 1) // 1000)
        place = np.searchsorted(ranks[ranks > 0], rank, "right")
        bounds.append(scores[place - 1] if place else beyond)
        needed = int(np.ceil(1 / rate)) - 1
        if rows < needed - (1 / needed <= rate):
            return "none"
    return ("neither", "absent", "present", "both")[int(score <= bounds[0]) + 2 * int(score >= bounds[1])]


def make_row(
    metadata: dict[str, Any],
    thresholds: dict[str, float | None],
    rate: float,
    path: Path,
    probabilities: np.ndarray,
    scores: np.ndarray,
) -> dict[str, str]:
    """Return the cells of an image by column. Thresholds and sets are of scores, not of calibrated probabilities."""
    row = {"Path": str(path)}
    for name, probability, score in zip(metadata["observations"], probabilities, scores, strict=True):
        score, limit = float(f"{score:.9g}"), thresholds[name]
        row[name] = f"{probability:.9g}"
        row[f"{name} score"] = f"{score:.9g}"
        row[f"{name} decision"] = "" if limit is None else "yes" if score >= limit else "no"
        row[f"{name} set"] = choose_set(metadata, name, score, rate)
    return row


def print_table(metadata: dict[str, Any], table: list[dict[str, str]], rule: str | None, rate: float) -> None:
    """Print the rows for a reader."""
    print(metadata["note"])
    decision = f"score at or above the threshold of rule {rule}" if rule else "no thresholds"
    print(f"columns: observation, probability, {decision}, prediction set at error rate {rate:g} (none: too few cases)")
    if metadata["uncalibrated"]:
        print(f"not calibrated: {', '.join(metadata['uncalibrated'])}")
    for row in table:
        print(row["Path"])
        for name in metadata["observations"]:
            words = [word for word in (row[f"{name} decision"], row[f"{name} set"]) if word]
            print(f"  {name:<28} {float(row[name]):.4f}  {'  '.join(words)}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
