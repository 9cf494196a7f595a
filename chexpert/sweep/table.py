"""The table of a sweep: each job with its state, its mean AUROC and its settings, from the jobs' files."""

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation import describe_level, find_tie, gather_configurations
from chexpert.evaluation.join import LEVEL_NAMES
from chexpert.report.html.comparison import markdown_table
from chexpert.report.names import HIDDEN, hide_value, names_file
from chexpert.report.text.comparison_tables import Table, align
from chexpert.report.text.seed_spread import describe_spread
from chexpert.report.text.values import format_value
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping, read_state
from chexpert.runs.synthetic import WORDS, is_synthetic_path

CSV, MARKDOWN = "table.csv", "table.md"
NOTE = (
    "auroc_mean with its 95 % interval, over so many observations as are defined there, "
    "on the split that chose each job's epoch: optimistic, as is the best of many"
)

COSTS = {
    ("seconds", "training"): ("training s", "training_seconds"),
    ("seconds", "validation"): ("validation s", "validation_seconds"),
    ("seconds", "evaluation"): ("evaluation s", "evaluation_seconds"),
    ("peak_memory_mib", "process"): ("peak MiB", "peak_memory_mib"),
    ("peak_memory_mib", "device"): ("GPU MiB", "device_memory_mib"),
}
"""Where metrics.json has what a job costs, and its columns in table.md and table.csv."""


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        name: of its folder.
        state: running, finished, stopped, pruned, failed or unreadable.
        why: it is not finished; empty where it is.
        split: that its mean AUROC is of.
        auroc: its mean AUROC: ``value``, ``ci_low``, ``ci_high``, and ``over`` which observations; None without one.
        overrides: what it was started with, by key.
        seconds: that it took so far.
        synthetic: whether its images are.
        resources: seconds of its parts and peak memory, as metrics.json has them; empty until it is evaluated.
    """

    name: str
    state: str
    why: str = ""
    split: str = ""
    auroc: Mapping[str, Any] | None = None
    overrides: Mapping[str, str] | None = None
    seconds: float | None = None
    synthetic: bool = False
    setting: tuple[str, ...] = ()
    """Its evaluation setting, in words: the rows, and the images that the run evaluates."""
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The value that ranks it; NaN where that is undefined or the job is not finished."""
        value = self.auroc["value"] if self.auroc and self.state == "finished" else None
        return math.nan if value is None else value

    def cost(self, kind: str, part: str) -> float | None:
        """Return one of :data:`COSTS`; None where it is not recorded."""
        return self.resources.get(kind, {}).get(part)


def read_sweep(sweep: Path) -> list[Job]:
    """Read the jobs of a sweep in the order of :func:`order_jobs`."""
    folders = [path.parent for path in sweep.glob(f"*/{run_files.STATE}")]
    jobs = map(read_job, sorted(folders, key=lambda folder: (folder.name.zfill(9), folder.name)))
    return order_jobs(list(jobs))


def read_job(folder: Path) -> Job:
    """Read one job; a damaged file shows in its state, and hides no other job."""
    try:
        state, metrics = read_state(folder), read_mapping(folder / run_files.METRICS)
        split = metrics.get("epoch_chosen_on") or "valid"
        evaluated = read_mapping(run_files.evaluation(folder, split))
        auroc, setting = evaluated.get("auroc_mean"), read_setting(folder, evaluated, split)
        if not auroc and split in metrics:  # it has metrics.json, but no evaluation yet
            mean, over = metrics[split]["auroc_mean"], metrics[split]["auroc_mean_over"]
            auroc = {"value": mean, "ci_low": None, "ci_high": None, "over": over}
        pairs = (override.partition("=") for override in state["overrides"])
        overrides = {key.lstrip("+"): value for key, _, value in pairs}
        why = state["why"] or ""
        rest = (split if auroc else "", auroc, overrides, state["seconds"], is_synthetic_path(folder))
        return Job(folder.name, state["state"], why, *rest, setting, metrics.get("resources") or {})
    except UserError as error:
        return Job(folder.name, "unreadable", f"{error.message}, {error.where}")
    except (KeyError, TypeError, AttributeError) as error:
        return Job(folder.name, "unreadable", f"{type(error).__name__}: {error}")


def read_setting(folder: Path, evaluated: Mapping[str, Any], split: str) -> tuple[str, ...]:
    """Return the split and rows of a job's evaluation and the images that it evaluates; empty where not recorded."""
    rows = (f"{split} split", describe_level(evaluated)) if evaluated.get("level") in LEVEL_NAMES else ()
    images = read_mapping(folder / run_files.DATA).get("views")
    return rows + ((f"data.views={images}",) if rows and images else ())


def list_settings(jobs: Sequence[Job]) -> list[tuple[str, ...]]:
    """Return the evaluation settings of the jobs with a value; with more than one the jobs are not ranked."""
    return list(dict.fromkeys(job.setting for job in jobs if job.setting and not math.isnan(job.value)))


def order_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs, the best first where all have one evaluation setting; those without a value by their numbers."""
    if len(list_settings(jobs)) > 1:
        return list(jobs)
    return sorted(jobs, key=lambda job: math.inf if math.isnan(job.value) else -job.value)


def describe_metrics(jobs: Sequence[Job]) -> str:
    """Describe the metrics of the table, the jobs with synthetic images, and evaluation settings that differ."""
    synthetic = [job.name for job in jobs if job.synthetic]
    which = "" if len(synthetic) == len(jobs) else f" (jobs {', '.join(synthetic)})"
    settings = list(map(", ".join, list_settings(jobs)))
    differ = f"; not ranked, since the evaluation settings differ: {'; '.join(settings)}" if len(settings) > 1 else ""
    return (f"{WORDS}{which}; {NOTE}" if synthetic else NOTE) + differ


def describe_seeds(jobs: Sequence[Job]) -> list[str]:
    """Describe mean and spread of the configurations of which several seeds or folds are finished, and the tie.

    Jobs of different evaluation settings are not compared.
    """
    known = [job for job in jobs if not math.isnan(job.value)]
    settings = list(dict.fromkeys(job.setting for job in known))
    lines = []
    for setting in settings:
        own = [job for job in known if job.setting == setting]
        values = [dict(job.overrides or {}) | {"split": job.split} for job in own]
        names = [job.name for job in own]
        gathered = gather_configurations(values, [job.value for job in own], names)
        head = f"{', '.join(setting) or 'evaluation setting not recorded'}: " if len(settings) > 1 else ""
        lines += [head + line for line in describe_spread(gathered, find_tie(gathered), {name: name for name in names})]
    return lines


def find_differing(jobs: Sequence[Job]) -> list[str]:
    """Return the keys of the overrides in which the jobs differ."""
    known = [job.overrides for job in jobs if job.overrides is not None]
    keys = dict.fromkeys(key for own in known for key in own)
    return [key for key in keys if len({own.get(key) for own in known}) > 1]


def sweep_table(jobs: Sequence[Job]) -> Table:
    """Return header and rows to read."""
    keys, costs = find_differing(jobs), find_costs(jobs)
    rows = [
        [
            *place,
            *((format_value(job.auroc), str(len(job.auroc["over"])), job.split) if job.auroc else ("-", "-", "-")),
            *_settings(job, keys),
            *("-" if cost is None else f"{cost:.0f}" for cost in (job.seconds, *(job.cost(*at) for at in costs))),
            job.why,
        ]
        for place, job in zip(_place(jobs), jobs, strict=True)
    ]
    titles = [title for title, _ in costs.values()]
    return [["rank", "job", "state", "auroc_mean", "over", "split", *keys, "seconds", *titles, "why"], *rows]


def find_costs(jobs: Sequence[Job]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the costs that are known of at least one job; see :data:`COSTS`."""
    return {at: names for at, names in COSTS.items() if any(job.cost(*at) is not None for job in jobs)}


def list_jobs(jobs: Sequence[Job]) -> Iterator[list[str]]:
    """Yield the header and rows of the CSV: every value in full, undefined is empty."""
    keys, ends = find_differing(jobs), ("value", "ci_low", "ci_high")
    synthetic = any(job.synthetic for job in jobs)
    first = ["rank", "job", "state", "auroc_mean", "ci_low", "ci_high", "over", "split", "seconds"]
    yield [*first, *(column for _, column in COSTS.values()), "why", *keys, *["synthetic"] * synthetic]
    for place, job in zip(_place(jobs), jobs, strict=True):
        values = [(job.auroc or {}).get(end) for end in ends]
        costs = [job.seconds, *(job.cost(*at) for at in COSTS)]
        numbers = ["" if number is None else repr(number) for number in (*values, *costs)]
        over = str(len(job.auroc["over"])) if job.auroc else ""
        settings = _settings(job, keys) + [str(job.synthetic).lower()] * synthetic
        yield [*place, *numbers[:3], over, job.split, *numbers[3:], job.why, *settings]


def _place(jobs: Sequence[Job]) -> list[list[str]]:
    """Return rank, name and state of each job; only jobs of one evaluation setting have ranks."""
    ranked = len(list_settings(jobs)) < 2
    return [
        [str(place) if ranked and not math.isnan(job.value) else "", job.name, job.state]
        for place, job in enumerate(jobs, start=1)
    ]


def _settings(job: Job, keys: Sequence[str]) -> list[str]:
    return [(job.overrides or {}).get(key, "") for key in keys]


def export(job: Job) -> Job:
    """Return the job as it may leave this machine: values that may name files are hidden."""
    shown = {key: hide_value(key, value) for key, value in (job.overrides or {}).items()}
    why = HIDDEN if names_file(job.why) else job.why
    return replace(job, why=why, overrides=shown)


def describe_sweep(sweep: Path) -> str:
    """Return the table for the terminal; empty for a sweep without jobs."""
    if not (jobs := read_sweep(sweep)):
        return ""
    lines = [f"sweep {sweep}, {len(jobs)} jobs: {describe_metrics(jobs)}", *align(sweep_table(jobs))]
    lines += [*describe_seeds(jobs), ""]
    lines += [f"written:  {sweep / CSV} and {MARKDOWN}", f"compare:  chexpert compare {quote(str(sweep))}"]
    return "\n".join(lines)


def print_sweep(sweep: Path) -> None:
    """Write and print the table of a sweep that has jobs."""
    if text := describe_sweep(sweep):
        write_sweep(sweep)
        print(text, flush=True)


def write_sweep(sweep: Path) -> None:
    """Write table.csv and table.md as the jobs' files are now; several processes may do so at once.

    Each looks again after it has written, so that whoever writes last has seen all that was there before.
    """
    written: list[list[str]] = []
    part = sweep / f".table-{secrets.token_hex(4)}.part"
    while (rows := list(list_jobs(jobs := list(map(export, found := read_sweep(sweep)))))) != written:
        run_files.write_table(part, rows[0], rows[1:])
        part.replace(sweep / CSV)
        lines = ["# Sweep", "", describe_metrics(jobs), "", *markdown_table(sweep_table(jobs)), ""]
        seeds = describe_seeds(found)  # hidden values of different jobs are alike
        lines += [*(f"- {line}" for line in seeds), ""] if seeds else []
        part.write_text("\n".join(lines), encoding="utf-8")
        part.replace(sweep / MARKDOWN)
        written = rows
