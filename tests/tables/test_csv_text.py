"""CSV files as other programs save them."""

import pandas as pd
import pytest

from chexpert.errors import UserError
from chexpert.tables.csv_text import COMMAS, read_records

TABLE = "Path,Edema\na.png,0.5\nb.png,1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize(("mark", "point"), [("\t", "."), (";", ",")])
def test_the_advice_for_a_table_that_is_separated_otherwise_gives_one_that_is_read(tmp_path, encoding, mark, point):
    file, new = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text(TABLE.replace(",", mark).replace(".5", f"{point}5"), encoding=encoding)
    with pytest.raises(UserError) as caught:
        read_records(file)
    assert caught.value.where == f"{file}, line 1"
    advice = caught.value.hint.partition("in pandas: ")[2]
    assert advice.startswith(COMMAS[:16])
    eval(advice, {"pd": pd, "FILE": file, "NEW": new})
    assert [float(row[1]) for row in read_records(new).rows] == [0.5, 1]


def test_the_first_line_of_a_spreadsheet_is_passed_over_with_a_note(tmp_path):
    (tmp_path / "a.csv").write_text("sep=,\n" + TABLE)
    records = read_records(tmp_path / "a.csv")
    assert (records.header, records.lines) == (["Path", "Edema"], [3, 4])
    assert len(records.notes.found) == 1


def test_json_is_called_so(tmp_path):
    (tmp_path / "a.csv").write_text('[{"Path": "a.png"}]')
    with pytest.raises(UserError, match="JSON"):
        read_records(tmp_path / "a.csv")
