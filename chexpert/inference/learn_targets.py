"""From a run, its report labels and its held-out patients to P(finding | label): the file of ``labels=learned``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.data.labels.learned_targets import FIELDS, compute_fingerprint
from chexpert.data.labels.reports import Reports, read_reports
from chexpert.errors import UserError
from chexpert.evaluation import read_labels, strip_copy, to_studies
from chexpert.evaluation.candidates import find_runs
from chexpert.evaluation.out_of_fold import HINT, OutOfFold, read_out_of_fold, read_splits
from chexpert.metrics.label_noise import (
    PER_BIN,
    LabelProbability,
    count_truth,
    learn_from_scores,
)
from chexpert.observations import REPORT_LABELS
from chexpert.runs.files import or_none
from chexpert.runs.read import read_config


def learn_targets(
    source: Path, expert: Path | None = None, root: Path | None = None, replicates: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Learn P(finding | label) for each observation of a run.

    Args:
        source: a run, or a folder with the folds of a sweep.
        expert: file of expert labels of training studies; without it, expectation maximization is used.
        root: of the data, where they have moved.
        replicates: of the intervals of the expectation maximization.
        seed: of the resampling.

    Returns:
        The content of the file of ``labels.file``.

    Raises:
        UserError: the runs or the data are not those that are needed, expert labels are of reported patients, or there
            are too few studies.
    """
    folds = None if expert else read_out_of_fold(source)
    run = folds.runs[0] if folds else find_runs(source)[0]
    reports = _open_reports(run, root)
    if expert:
        names, found, content = learn_from_expert(run, reports, expert)
    else:
        assert folds is not None
        names, found, content = learn_from_folds(folds, reports, replicates, seed)
    content = fill_content(content, {name: found[name] for name in names})
    entries = [entry for own in content["observations"].values() for entry in own.values()]
    if all(entry["value"] is None for entry in entries):
        why, where = entries[0]["why"], str(expert or source)
        raise UserError(f"no target could be learned: {why}", code="too-few", where=where, hint=HINT)
    return content


def fill_content(content: dict[str, Any], found: Mapping[str, Sequence[LabelProbability]]) -> dict[str, Any]:
    """Return the content of a file of targets: method and origin, with the probabilities and a fingerprint of all."""
    observations = {}
    for name, probabilities in found.items():
        entries = observations[name] = dict[str, Any]()
        for label, own in zip(REPORT_LABELS, probabilities, strict=True):
            numbers = [or_none(round(value, 6)) for value in (own.value, own.ci_low, own.ci_high)]
            entry = [*numbers, own.n, or_none(round(own.positives, 3)), own.why]
            entries[label] = dict(zip(FIELDS, entry, strict=True))
    aurocs = {name: round(own[0].auroc, 4) for name, own in found.items() if own[0].auroc is not None}
    filled = content | {"observations": observations} | ({"fitted_auroc": aurocs} if aurocs else {})
    return filled | {"fingerprint": compute_fingerprint(filled)}


def _open_reports(run: Path, root: Path | None) -> Reports:
    splits = read_splits(run)
    if "train" not in splits:
        raise UserError("this run was not trained", code="missing-split", where=str(run), hint=HINT)
    return read_reports(read_config(run).get("data") or {}, splits["train"]["folder"], root)


def learn_from_folds(
    folds: OutOfFold, reports: Reports, replicates: int, seed: int
) -> tuple[list[str], dict[str, list[LabelProbability]], dict[str, Any]]:
    """Return the observations, their probabilities by expectation maximization, and what they were fitted on."""
    for run, views in zip(folds.runs, folds.views, strict=True):
        reports.check_views(views, read_splits(run).get("dev", {}))
    if len(folds.names) < 2 * PER_BIN:
        message = f"{len(folds.names)} studies with out-of-fold predictions: {2 * PER_BIN} or more are needed"
        raise UserError(message, code="too-few", where=str(folds.runs[0]), hint=HINT)
    patients = reports.number_patients(folds.names)
    found = {
        name: learn_from_scores(
            reports.get_labels(folds.names, name), folds.scores[:, c], patients, folds.models, replicates, seed
        )
        for c, name in enumerate(folds.observations)
    }
    where = {"runs": [run.resolve().name for run in folds.runs]} | reports.describe(folds.names)
    content = {"method": "expectation maximization", "fitted_on": where, "replicates": replicates, "seed": seed}
    return list(folds.observations), found, content


def learn_from_expert(
    run: Path, reports: Reports, expert: Path
) -> tuple[list[str], dict[str, list[LabelProbability]], dict[str, Any]]:
    """Return the observations, their probabilities by counting expert labels, and what they were counted on."""
    given = to_studies(read_labels(expert), labels=True)
    names = [strip_copy(name) for name in given.names]
    check_reported(expert, names, reports)
    known = set(reports.names)
    places = [place for place, name in enumerate(names) if name in known]
    if not places:
        hint = f"give studies of {reports.layout.tables['train']}, such as {reports.names[0]}"
        raise UserError("none of these studies has a report label", code="no-overlap", where=str(expert), hint=hint)
    trained = list(read_config(run).get("observations", ()))
    observations = [name for name in trained if name in given.columns]
    if not observations:
        message, hint = f"no column of {', '.join(trained)}", "give expert labels of the run's observations"
        raise UserError(message, code="other-observations", where=str(expert), hint=hint)
    rows = [names[place] for place in places]
    found = {name: count_truth(reports.get_labels(rows, name), given.columns[name][places]) for name in observations}
    where = {"runs": [run.resolve().name], "expert": expert.name} | reports.describe(rows)
    where |= {"left_out": {"studies": len(names) - len(places), "observations": [n for n in trained if n not in found]}}
    return observations, found, {"method": "expert labels", "fitted_on": where}


def check_reported(expert: Path, names: Sequence[str], reports: Reports) -> None:
    """Check that no patient of the expert labels is in a split that is reported.

    Raises:
        UserError: some are: the targets would be fitted to what they are evaluated by.
    """
    patients = {name.partition("/")[0] for name in names}
    for split, own in reports.reported.items():
        if shared := patients & own:
            message = (
                f"{len(shared)} of {len(patients)} patients are in {split}, which is reported, the first {min(shared)}"
            )
            hint = "give expert labels of training studies alone, of other patients"
            raise UserError(message, code="shared-patients", where=str(expert), hint=hint)
