"""The files of a run as pandas tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from chexpert.evaluation import Named, read_predictions
from chexpert.report.html.performance import list_lines

COUNTS = ("n", "positives", "negatives")
MEAN = "mean"
"""The row of the mean AUROC; no observation has this name."""


def tabulate_metrics(evaluations: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the metrics of evaluations by split: a row for each observation, and one for the mean AUROC."""
    rows = [
        {"split": split} | row for split, content in evaluations.items() for row in (*list_rows(content), mean(content))
    ]
    table = pd.DataFrame(rows).set_index(["split", "observation"])
    counts = list(COUNTS)
    return table.astype(dict.fromkeys(table.columns, "float64") | dict.fromkeys(counts, "Int64"))


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


def mean(content: Mapping[str, Any]) -> dict[str, Any]:
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
