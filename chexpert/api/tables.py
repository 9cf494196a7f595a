"""The files of a run as pandas tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from chexpert.errors import UserError
from chexpert.evaluation import Named, read_predictions
from chexpert.evaluation.csv_columns import names_set
from chexpert.report.html.performance import list_lines
from chexpert.report.run_data import BROKEN
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.tables.csv_text import read_records

COUNTS = ("n", "positives", "negatives")
HINT = "write it again: chexpert evaluate --predictions ... --labels ... --out ..."
MEAN = "mean"
"""The row of the mean AUROC; no observation has this name."""


def read_metrics(folder: Path, splits: Sequence[str]) -> pd.DataFrame:
    """Read the metrics of a run's splits: a row for each observation, and one for the mean AUROC.

    Raises:
        UserError: a file of evaluation/ is missing or damaged.
    """
    tables = []
    for split in splits:
        path = run_files.evaluation(folder, split)
        content = read_mapping(path, HINT, required=True)
        try:
            tables.append(tabulate_metrics(split, content))
        except BROKEN as error:
            raise UserError("damaged: no evaluation", code="damaged-file", where=str(path), hint=HINT) from error
    return pd.concat(tables)


def tabulate_metrics(split: str, content: Mapping[str, Any]) -> pd.DataFrame:
    """Return the metrics of an evaluation: a row for each observation, and one for the mean AUROC."""
    rows = [{"split": split} | row for row in (*list_rows(content), make_mean_row(content))]
    table = pd.DataFrame(rows).set_index(["split", "observation"])
    return table.astype(dict.fromkeys(table.columns, "float64") | dict.fromkeys(COUNTS, "Int64"))


def list_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of each observation of an evaluation."""
    return [
        {
            "observation": line.observation,
            **spread("auroc", line.auroc),
            **spread("auprc", line.auprc),
            **spread("brier", line.brier),
            **spread("ece", line.ece),
            "n": line.auroc["positives"] + line.auroc["negatives"],
            "positives": line.auroc["positives"],
            "negatives": line.auroc["negatives"],
        }
        for line in list_lines(content)
    ]


def make_mean_row(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the mean AUROC."""
    return {"observation": MEAN, **spread("auroc", content["auroc_mean"]), "n": content["n"]}


def spread(name: str, metric: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Return a metric and the ends of its interval; of AUROC, the main metric, they are called low and high."""
    before = "" if name == "auroc" else f"{name}_"
    found = metric or {}
    return {name: found.get("value"), f"{before}low": found.get("ci_low"), f"{before}high": found.get("ci_high")}


def tabulate(named: Named) -> pd.DataFrame:
    """Return rows by name, a column for each observation."""
    return pd.DataFrame(named.columns, index=pd.Index(named.names, name=named.key))


def read_table(path: Path) -> pd.DataFrame:
    """Read a file of predictions; see :func:`chexpert.evaluation.read_predictions`."""
    return tabulate(read_predictions(path))


def read_prediction_table(path: Path) -> pd.DataFrame:
    """Read a table that predict has written: NaN where an image was refused; with prediction sets, without flags."""
    records = read_records(path)
    key, *columns = [name for name in records.header if name != run_files.FLAGS]
    values: dict[str, Any] = {
        name: records.column(name) if names_set(name) else [float(cell or "nan") for cell in records.column(name)]
        for name in columns
    }
    return pd.DataFrame(values, index=pd.Index(records.column(key), name=key))
