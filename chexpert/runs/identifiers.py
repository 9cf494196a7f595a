"""What each data set calls its patients, studies and images: the one place that says what an identifier is."""

import re
from typing import NamedTuple


class Identifiers(NamedTuple):
    """The names of a data set as regular expressions, and how this project joins them to the name of a view.

    Attributes:
        folder: above the names, so that the same number in two data sets is of two patients.
        image: the name of an image, without its ending.
        ending: of the image in the name of a view.
        patient: the name of a patient; empty where the image is the patient, or names none.
        study: of a study; likewise.
        group: of a folder above the patient, or above the image; empty where there is none.
    """

    folder: str
    image: str
    ending: str
    patient: str = ""
    study: str = ""
    group: str = ""

    @property
    def above(self) -> str:
        """Return the expression of the folders above an image: of that of its study, where it has one."""
        return f"{self.folder}/{self.folders}".rstrip("/")

    @property
    def folders(self) -> str:
        """Return the expression of the folders of group, patient and study."""
        return "/".join(part for part in (self.group, self.patient, self.study) if part)

    @property
    def name(self) -> str:
        """Return the expression of the name of a view, or of a study."""
        view = rf"{self.above}/{self.image}\.{self.ending}"
        return f"{view}|{self.above}" if self.study else view


UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SETS = {
    "nih": Identifiers("ChestX-ray14", "[0-9]{8}_[0-9]{3}", "png", "patient[0-9]{5}", "study[1-9][0-9]*"),
    "mimic": Identifiers(
        "MIMIC-CXR", "[0-9a-f]{8}(?:-[0-9a-f]{8}){4}", "jpg", "p[0-9]{8}", "s[0-9]{8}", group="p[0-9]{2}"
    ),
    "vindr": Identifiers("VinDr-CXR", "[0-9a-f]{32}", "dicom", group="(?:train|test)"),
    "rsna": Identifiers("RSNA-Pneumonia", UUID, "dcm"),
    "padchest": Identifiers(
        "PadChest", "[0-9]{15,}[_-][0-9A-Za-z_.-]+", "png", "patient[0-9]+", "study[0-9]+(?:[_-][0-9]+)*"
    ),
}
"""By the variant of the external data set; its reader makes and checks its names by these."""
CHEXPERT = re.compile(
    r"(?:CheXpert-v1\.0(?:-small|-512)?/)?(?:(?:train|valid|test)/)?patient[0-9]{5}/study[1-9][0-9]*"
    r"(?:/view[1-9][0-9]*_(?:frontal|lateral)\.(?:jpg|png|dcm))?"
)
"""A view or study of CheXpert."""
EXTERNAL = re.compile("|".join(own.name for own in SETS.values()))
"""A view or study of an external data set, as this project spells it."""
ORIGIN = re.compile(rf"(?:^|/)({'|'.join(f'{own.folder}(?=/{own.folders})' for own in SETS.values())})")
"""The folder of an external data set above its patients: group 1."""
MIMIC_STUDY = re.compile(r"(?:^|/)p[0-9]{8}/(s[0-9]{8}(?:/.*)?)$", re.DOTALL)
"""A study of MIMIC-CXR or a view of it, in any folder; group 1 has no patient, as its tables of studies."""
SINGLE_IMAGES = {own.folder: re.compile(own.image) for own in SETS.values() if not own.patient}
"""By the folder of a data set whose images are its patients, their names without the ending."""
LONG_STUDY = "s[0-9]{8}|study[0-9]{5,}"  # a shorter one, such as study1, is no one's
PARTS = (LONG_STUDY, *(part for own in SETS.values() for part in (own.patient, own.image) if part))
NAME = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(PARTS)})(?![0-9A-Za-z])")
"""A patient, study or image of any data set, somewhere in a text."""


def is_public(name: str) -> bool:
    """Return whether a name of a view or study was given by the publishers of a data set: CheXpert or an external one.

    >>> is_public("CheXpert-v1.0/valid/patient64541/study1"), is_public("ward 3/DOE^JANE.dcm")
    (True, False)
    """
    return (CHEXPERT.fullmatch(name) or EXTERNAL.fullmatch(name)) is not None


def names_patient(text: str) -> bool:
    """Return whether a text has the name of a patient, study or image of a data set, in whatever words.

    >>> names_patient("patient 3: p10000032 is in train and valid"), names_patient("study1 of 3 patients")
    (True, False)
    """
    return NAME.search(text) is not None


def name_single_image(name: str, origin: str = "") -> str:
    """Return the data set and name of an image that is its own patient, without its ending; empty for any other name.

    Args:
        name: of a view.
        origin: folder of the data set that names without one are of.

    >>> name_single_image("test/000434271f63a053c4128a0ba6352c7f.png", "VinDr-CXR")
    'VinDr-CXR/000434271f63a053c4128a0ba6352c7f'
    """
    own = ORIGIN.search(name)
    folder = own[1] if own else origin
    stem = name.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return f"{folder}/{stem}" if folder in SINGLE_IMAGES and SINGLE_IMAGES[folder].fullmatch(stem) else ""
