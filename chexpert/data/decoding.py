"""The one way from the content of an image file to its gray values, turned as every viewer shows it."""

import io
import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from chexpert.data.dicom import decode_dicom, read_header
from chexpert.data.gray import to_gray
from chexpert.data.sources.file_types import HEAD, is_dicom, recognize
from chexpert.image_size import ImageSize

MAX_PIXELS = 64_000_000  # CheXpert's largest images have about 7 million; a 388 kB PNG can claim 400 million
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "JPEG2000", "GIF", "AVIF", "PPM")
"""Pillow's names; it has decoders of some forty others, which nobody keeps radiographs in (one starts a program)."""

MAXVAL = re.compile(rb"P[36]" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d+)")
"""The header of a color PPM: width, height and the greatest value, with comments between them."""

PLAIN = 1
"""EXIF's orientation of an image that is not turned."""


class Decoded(NamedTuple):
    """An image as it comes from its file."""

    gray: np.ndarray
    """(H, W) uint8; each pixel stands for a block of ``reduced`` x ``reduced`` pixels of the file."""
    height: int
    """Rows in the file, as it is shown."""
    width: int
    """Columns in the file, as it is shown."""
    reduced: int = 1
    mode: str = "L"
    """Pillow's word for the kind of pixels in the file; L is 8-bit gray."""
    notes: tuple[str, ...] = ()
    """What should be known of it."""


def decode(content: bytes, size: ImageSize | None = None) -> Decoded:
    """Decode an image; a JPEG at least twice larger than ``size`` both ways is averaged over blocks on the way.

    libjpeg averages 2 x 2, 4 x 4 or 8 x 8 pixels by leaving out the finer cosines of each block: half the time of a
    full decode of an image of v1.0, and over 40 dB from averaging its pixels.

    Raises:
        Exception: of almost any kind, by Pillow's plugins, where the content is damaged or no image.
    """
    if is_dicom(content):
        gray, notes = decode_dicom(content, MAX_PIXELS)
        return Decoded(gray, gray.shape[0], gray.shape[1], notes=notes)
    with _open(content) as image:
        (width, height), mode = image.size, image.mode
        _check_pixels(width, height)
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a camera's preview goes with the image
            raise ValueError(f"{getattr(image, 'n_frames', 1)} frames or pages: a radiograph has one")
        orientation = find_orientation(image)
        # turned, the last, partial blocks would come first
        large = size and height >= 2 * size.height and width >= 2 * size.width and orientation == PLAIN
        drafted = image.draft("L", (size.width, size.height)) if size and large else None  # None where it is no JPEG
        reduced = round(width / drafted[1][2]) if drafted else 1
        gray = turn(_gray(image, content), orientation)
        if reduced == 1:  # it may lie on its side in the file
            height, width = gray.shape
        return Decoded(gray, height, width, reduced, mode)


def describe_damage(error: Exception) -> str:
    """Return why an image cannot be read, in one line: decoders put several into one error."""
    return f"this image cannot be read: {' '.join(str(error).split())}"


def read_size(content: bytes) -> tuple[int, int]:
    """Return rows and columns of an image as it is shown, from its header only.

    Raises:
        Exception: as ``decode`` does.
    """
    if is_dicom(content):
        header = read_header(content, stop_before_pixels=True)
        return int(header.Rows), int(header.Columns)
    with _open(content) as image:
        width, height = image.size
        _check_pixels(width, height)
        if width == height:
            return height, width
        return (width, height) if find_orientation(image) >= 5 else (height, width)


def read_file_size(path: str | Path) -> tuple[int, int]:
    """Return rows and columns of the image in a file as it is shown; of a DICOM file no pixel is read.

    Raises:
        Exception: as ``decode`` does.
    """
    with Path(path).open("rb") as file:
        head = file.read(HEAD)
        file.seek(0)
        if not is_dicom(head):
            return read_size(file.read())
        header = read_header(file, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        return int(header.Rows), int(header.Columns)


def measure_color(content: bytes, side: int = 64) -> float:
    """Return the mean difference between the largest and the smallest channel of an image, of 255; of a DICOM file 0.

    The image is averaged over blocks of pixels first, to ``side`` pixels or a few more: what is left is no noise.

    Raises:
        Exception: as ``decode`` does.
    """
    if is_dicom(content):  # one with colors is refused
        return 0.0
    with _open(content) as image:
        image.draft("RGB", (side, side))
        small = image.convert("RGB")
        small.thumbnail((side, side), Image.Resampling.BOX)
        channels = np.asarray(small).astype(np.int16)
    return float((channels.max(axis=2) - channels.min(axis=2)).mean())


def find_orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; of a TIFF 1, which Pillow turns itself.

    Of a PNG, read only what stands before its pixels, as browsers do. Pillow's own method for PNG would decode the
    pixels first, to see whether EXIF comes behind them.
    """
    if image.format == "TIFF":
        return PLAIN
    exif = Image.Image.getexif(image) if image.format == "PNG" else image.getexif()
    value = exif.get(ExifTags.Base.Orientation, PLAIN)
    return value if value in range(1, 9) else PLAIN


def turn(gray: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels by EXIF's orientation.

    >>> [turn(np.array([[1, 2]]), n).tolist() for n in (1, 2, 3, 6, 8)]
    [[[1, 2]], [[2, 1]], [[2, 1]], [[1], [2]], [[2], [1]]]
    """
    turned = gray.T if orientation >= 5 else gray
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS:,}")


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        kind = recognize(content[:HEAD]).kind or "damaged"
        raise ValueError(f"its content is {kind}") from error


def _gray(image: Image.Image, content: bytes) -> np.ndarray:
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        inverse = isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0  # white is 0
        return 255 - to_gray(values) if inverse else to_gray(values)
    if is_deep(image, content):
        return _gray_of_deep(image, content)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if image.mode not in ("L", "LA", "La", "RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "1", "YCbCr"):
        raise ValueError(f"image mode {image.mode}")
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"))
    image = image.convert("RGBA")  # seen before black, which is also what lies outside of an image
    black = Image.new("L", image.size)
    black.paste(image.convert("L"), mask=image.getchannel("A"))
    return np.asarray(black)


def is_deep(image: Image.Image, content: bytes) -> bool:
    """Return whether channels have over 8 bits.

    Pillow gives the upper 8 of them: of 16 nothing of an image of 12 bits.
    """
    if image.format == "PNG":
        return content[24] == 16  # IHDR
    if image.format == "PPM":
        header = MAXVAL.match(content)
        return header is not None and int(header[3]) > 255
    if image.format == "JPEG2000":
        return find_depth(content) > 8
    return isinstance(image, TiffImageFile) and max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8


def find_depth(content: bytes) -> int:
    """Return the bits of the deepest component of a JPEG 2000, of the SIZ segment at the start of its codestream."""
    start = content.index(b"\xff\x4f\xff\x51")
    count = int.from_bytes(content[start + 40 : start + 42], "big")
    return max(bits & 0x7F for bits in content[start + 42 :][: 3 * count : 3]) + 1  # the upper bit: signed


def _gray_of_deep(image: Image.Image, content: bytes) -> np.ndarray:
    """OpenCV's reading of 16-bit channels; Pillow's comes first, since it refuses what is truncated."""
    if isinstance(image, TiffImageFile) and image.tag_v2.get(ExifTags.Base.Orientation, PLAIN) != PLAIN:
        raise ValueError("a TIFF of 16-bit color that is turned")
    image.load()
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("16-bit channels that cannot be read")
    if pixels.ndim == 2:
        return to_gray(pixels)
    wide = pixels.astype(np.uint32)
    # Pillow's weights of blue, green and red, which add up to 65536: equal channels stay as they are.
    gray = (7471 * wide[..., 0] + 38470 * wide[..., 1] + 19595 * wide[..., 2] + 32768) >> 16
    if pixels.shape[2] == 4:
        gray = gray * wide[..., 3] // max(1, int(wide[..., 3].max()))
    return to_gray(gray.astype(np.uint16))
