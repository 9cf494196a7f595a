"""What a file is by its content, whatever its name: an image that can be read, one that cannot, or something else."""

from pathlib import Path
from typing import NamedTuple

HEAD = 512
"""Bytes at the start of a file that show its type."""

IMAGE_ENDINGS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".avif", ".jp2", ".j2k"),
        *(".jpx", ".pgm", ".ppm", ".dcm", ".dicom", ".dic", ".ima", ".heic", ".heif", ".jxl", ".nii", ".nrrd", ".mha"),
    )
)
"""A file so called should be an image: where its content is none, it is damaged."""

# Byte at which it stands, bytes, what the file is.
IMAGES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftypavi", "AVIF"),
    *((0, b"P%d" % kind, "PGM or PPM") for kind in range(1, 7)),
)
OTHER_IMAGES = (
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (344, b"n+1\0", "NIfTI"),
    (0, b"NRRD", "NRRD"),
    (0, b"ObjectType = Image", "MetaImage"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"%!PS", "PostScript"),
)
NO_IMAGES = (
    (0, b"\0\x05\x16\x07", "a Mac's notes on another file (AppleDouble)"),
    (0, b"\0\x05\x16\0", "a Mac's notes on another file (AppleSingle)"),
    (0, b"\0\0\0\x01Bud1", "a Mac's notes on a folder (.DS_Store)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Windows' thumbnails (Thumbs.db) or an Office document"),
    (0, b"CMMM", "Windows' thumbnails"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"(\xb5/\xfd", "a zstd archive"),
    (0, b"7z\xbc\xaf'\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%PDF", "a PDF"),
    (0, b"MZ", "a program"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xca\xfe\xba\xbe", "a program"),
    (0, b"L\0\0\0\x01\x14\x02\0", "a shortcut of Windows"),
    (0, b"ITSF", "a help file"),
    (0, b"SQLite format 3\0", "a database"),
    (0, b"\x93NUMPY", "a numpy array"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
    (0, b"\0\0\x01\0", "an icon"),
    (4, b"ftypisom", "a video"),
    (4, b"ftypmp4", "a video"),
    (4, b"ftypqt", "a video"),
)
UNKNOWN = "of no known format"
DICOMDIR = b"1.2.840.10008.1.3.10"  # class of the list of files on a CD
VALUES = (b"UL", b"UI", b"CS", b"OB", b"DA", b"TM", b"SH", b"LO")  # of a DICOM file's first element


class FileType(NamedTuple):
    """What a file is."""

    kind: str
    """In words; empty of an image of a format that is read."""
    image: bool
    """Whether it may be an image."""


def recognize(head: bytes) -> FileType:
    r"""Recognize a file's type by its first ``HEAD`` bytes.

    >>> recognize(b"Path,Edema\n"), recognize(b"PK\x03\x04"), recognize(b"\xff\xd8\xff\xe0")
    (FileType(kind='text', image=False), FileType(kind='a zip archive', image=False), FileType(kind='', image=True))
    """
    if not head:
        return FileType("an empty file", False)
    if head[128:132] == b"DICM" and DICOMDIR in head:
        return FileType("a DICOMDIR, the list of the files on a CD", False)
    if is_dicom(head):
        return FileType("", True)
    for start, magic, name in OTHER_IMAGES:
        if head[start:].startswith(magic):
            return FileType(f"{name}, a format that is not read", True)
    for start, magic, name in NO_IMAGES:
        if head[start:].startswith(magic):
            return FileType(name, False)
    if is_text(head) and not head.startswith(b"\xff\xd8\xff"):
        portable = head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()  # numbers of a PGM are text
        return FileType("", True) if portable else FileType("text", False)
    known = any(head[start:].startswith(magic) for start, magic, _ in IMAGES)
    return FileType("" if known else UNKNOWN, True)


def is_dicom(content: bytes) -> bool:
    r"""Return whether content is DICOM: by its preamble, or, without one, by a plausible first element.

    >>> is_dicom(bytes(128) + b"DICM..."), is_dicom(b"JPEG"), is_dicom(b"\x08\0\x05\0CS\x0a\0ISO_IR 100")
    (True, False, True)
    """
    return content[128:132] == b"DICM" or starts_dataset(content)


def starts_dataset(content: bytes) -> bool:
    """Return whether a first element of group 2 or 8 stands here, in little endian.

    The element has a known kind of value, or a short value.
    """
    if content[:1] not in (b"\x02", b"\x08") or content[1:2] != b"\0" or content[3:4] != b"\0" or len(content) < 16:
        return False
    length = int.from_bytes(content[4:8], "little")
    return content[4:6] in VALUES or (length % 2 == 0 and 0 < length <= 128 and content[8 + length + 1 :][:1] == b"\0")


def is_text(head: bytes) -> bool:
    """Return whether bytes are text, in whatever code: nothing but spaces and characters, or marked as UTF-16."""
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(
        byte < 32 and byte not in b"\t\n\r\f\v" for byte in head
    )


def recognize_file(path: Path) -> FileType:
    """Recognize a file's type by its content; one that is called like an image may be a damaged one.

    What a Mac or a CD writes beside images is no image, whatever its name.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        found = recognize(file.read(HEAD))
    noted = any(name == found.kind for _, _, name in NO_IMAGES[:5]) or found.kind.startswith("a DICOMDIR")
    return found if noted or path.suffix.lower() not in IMAGE_ENDINGS else FileType(found.kind, True)
