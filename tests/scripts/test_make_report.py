"""The command line of the report."""

from helpers.scripts import run_script


def test_a_folder_without_metrics_is_reported_with_exit_code_2(tmp_path):
    done = run_script("make_report", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "error: no metrics of a run"


def test_a_page_that_cannot_be_written_is_reported_before_work(tmp_path):
    done = run_script("make_report", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert "is there, but no file" in done.stderr
