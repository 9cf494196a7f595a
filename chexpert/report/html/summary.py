"""A run in one table, for a notebook."""

from pathlib import Path

from chexpert.errors import UserError
from chexpert.report.evaluation_setting import is_synthetic
from chexpert.report.html.performance import collect_performance
from chexpert.report.html.render import render
from chexpert.report.html.verdict import find_warnings
from chexpert.report.names import HIDDEN, name_folder, names_file
from chexpert.report.run_data import RunData
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty
from chexpert.runs.synthetic import NOTE


def summarize_run(run: Path) -> str:
    """Return the metrics of a run, or why it has none, as a part of an HTML page; names of files are hidden.

    Args:
        run: run folder, also of a run that did not finish.

    Returns:
        HTML without script and style sheet.
    """
    state = read_mapping_or_empty(run / run_files.STATE)
    shown = {"called": name_folder(run) if state else "", "state": state.get("state", "of unknown state")}
    try:
        run_data = RunData.read(run)
    except UserError:
        why = str(state.get("why") or "")
        why = HIDDEN if names_file(why) else why
        return render("summary.html", table=None, why=why, warnings=[], synthetic="", **shown)
    return render(
        "summary.html",
        table=collect_performance(run_data, run_data.splits[0]),
        why="",
        warnings=list(find_warnings(run_data)),
        synthetic=NOTE if is_synthetic(run_data) else "",
        **shown,
    )
