"""Public names of images, and the hashes of all others."""

import pytest

from chexpert.runs.anonymize import find_public, hash_name, name_safely, read_salt
from chexpert.runs.identifiers import is_public

VIEW = "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        (VIEW, True),
        ("CheXpert-v1.0-small/train/patient00001/study12/view2_lateral.jpg", True),
        ("patient00001/study1", True),
        ("CheXpert-v1.0/valid/patient64541", False),
        ("CheXpert-v1.0/valid/patient64541/study0", False),
        ("CheXpert-v1.0/valid/patient645412/study1", False),
        ("CheXpert-v1.0/valid/patient64541/study1/DOE_JANE.jpg", False),
        ("CheXpert-v1.0/valid/DOE/patient64541/study1", False),
        (f"{VIEW}\n", False),
        (f"DOE/{VIEW}", False),
    ],
)
def test_only_names_of_chexpert_are_public(name, public):
    assert is_public(name) is public


def test_public_name_leaves_out_the_folder_above():
    assert find_public(f"/home/DOE^JANE/{VIEW}") == VIEW
    assert name_safely(f"/home/DOE^JANE/{VIEW}", "salt") == VIEW
    assert find_public("/home/DOE^JANE/image.jpg") is None


def test_other_name_is_hashed_with_the_salt():
    name = name_safely("ward/DOE^JANE.dcm", "salt")
    assert name == hash_name("ward/DOE^JANE.dcm", "salt") != hash_name("ward/DOE^JANE.dcm", "pepper")
    assert name_safely("ward/DOE^JANE.dcm", None) == "ward/DOE^JANE.dcm"
    assert hash_name("\udcff.dcm", "salt").startswith("id-")  # a file name that is no UTF-8


def test_study_of_mimic_has_one_hash_with_and_without_its_patient():
    study, other = "MIMIC-CXR/p10/p10000032/s50414267", "MIMIC-CXR/p10/p10000032/s50414268"
    # printf s50414267 | openssl dgst -sha256 -hmac salt
    assert name_safely(study, "salt") == hash_name("s50414267", "salt") == "id-5b049e604fef"
    assert name_safely(f"files/{study.partition('/')[2]}", "salt") == name_safely(study, "salt")
    assert name_safely(f"{study}/a.jpg", "salt") == hash_name("s50414267/a.jpg", "salt") != name_safely(study, "salt")
    assert name_safely(other, "salt") != name_safely(study, "salt")


def test_salt_of_a_folder_is_generated_once_and_private(tmp_path):
    first = read_salt(tmp_path)
    assert read_salt(tmp_path) == first
    assert len(first) == 32
    assert (tmp_path / "ids.salt").stat().st_mode & 0o777 == 0o600
