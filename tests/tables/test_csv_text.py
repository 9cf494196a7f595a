"""CSV files as other programs save them."""

import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.tables.csv_text import read_records

TABLE = "Path,Edema\na.png,0.5\nb.png,1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize(("mark", "point"), [("\t", "."), (";", ",")])
def test_pandas_call_in_the_hint_gives_a_readable_table(tmp_path, encoding, mark, point):
    file, new = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text(TABLE.replace(",", mark).replace(".5", f"{point}5"), encoding=encoding)
    with raises("not-csv", f"{file}, line 1") as caught:
        read_records(file)
    call = caught.value.hint[caught.value.hint.index("pd.read_csv(") :]
    eval(call, {"pd": pd, "FILE": file, "NEW": new})
    assert [float(row[1]) for row in read_records(new).rows] == [0.5, 1]


def test_separator_line_of_a_spreadsheet_is_skipped_with_a_note(tmp_path):
    (tmp_path / "a.csv").write_text("sep=,\n" + TABLE)
    records = read_records(tmp_path / "a.csv")
    assert (records.header, records.lines) == (["Path", "Edema"], [3, 4])
    assert len(records.notes.found) == 1


def test_json_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text('[{"Path": "a.png"}]')
    with raises("not-csv", tmp_path / "a.csv"):
        read_records(tmp_path / "a.csv")
