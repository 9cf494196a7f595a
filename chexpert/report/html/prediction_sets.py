"""Coverage and size of a run's prediction sets, for the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chexpert.evaluation.groups import has_few_patients
from chexpert.report.html.groups import TITLES, sort
from chexpert.report.text.prediction_sets import MAIN

KINDS = ("present", "absent")


@dataclass(frozen=True)
class SetRow:
    """An observation, in all rows or in a part of them.

    Attributes:
        observation: its name.
        why: why it has no set; None where it has.
        coverage: by class, with ``n`` and ``below``: whether the whole interval is below what the error rate promises.
        size: mean number of classes.
        shares: of the four sets, in the order of ``SHOWN``.
        patients: of the calibration, by class.
    """

    observation: str
    why: str | None
    coverage: Mapping[str, Mapping[str, Any]]
    size: Mapping[str, Any] | None
    shares: list[float]
    patients: Mapping[str, int]


SHOWN = ("present", "absent", "both", "neither")


@dataclass(frozen=True)
class SetTables:
    """The prediction sets of a split.

    Attributes:
        fitted_on: the split that they were fitted on.
        main: the error rate of the first table and of the groups.
        rates: rows by error rate, the main one first.
        groups: by title of the group and part, ``n`` rows of which it is known and the rows of the table.
    """

    fitted_on: str
    main: str
    rates: dict[str, list[SetRow]]
    groups: dict[str, dict[str, tuple[int, list[SetRow]]]]


def collect_sets(content: Mapping[str, Any]) -> SetTables | None:
    """Collect the prediction sets of an evaluation; None where it has none."""
    found = content.get("prediction_sets")
    if not found:
        return None
    rates = sorted(found["error_rates"], key=lambda rate: (rate != MAIN, float(rate)))
    patients = found["calibration"]
    return SetTables(
        str(found["fitted_on"]),
        MAIN,
        {rate: _list_rows(found["error_rates"][rate], patients, float(rate)) for rate in rates},
        {
            TITLES.get(name, name): {
                part: (own["n"], _list_rows(own["observations"], patients, found["group_error_rate"]))
                for part, own in sort(parts).items()
                if not has_few_patients(own)
            }
            for name, parts in found["groups"].items()
            if len(parts) > 1 and not all(map(has_few_patients, parts.values()))
        },
    )


def _list_rows(rows: Mapping[str, Any], patients: Mapping[str, Any], rate: float) -> list[SetRow]:
    return [
        SetRow(
            name,
            own["why"],
            {} if own["why"] else {kind: _mark(own["coverage"][kind], rate) for kind in KINDS},
            own.get("size"),
            [] if own["why"] else [own["shares"][kind] for kind in SHOWN],
            {kind: patients[name][kind] for kind in KINDS},
        )
        for name, own in rows.items()
    ]


def _mark(coverage: Mapping[str, Any], rate: float) -> dict[str, Any]:
    return {**coverage, "below": coverage["ci_high"] is not None and coverage["ci_high"] < 1 - rate}
