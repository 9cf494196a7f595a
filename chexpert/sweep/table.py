"""The table of a sweep: each job with its state, its figure and what it was tried with, from the jobs' files."""

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from chexpert.errors import ProblemError
from chexpert.evaluation.candidates import read_json
from chexpert.report.html.comparison import markdown_table
from chexpert.report.names import HIDDEN, hide_value, names_file
from chexpert.report.text.comparison_tables import Table, align
from chexpert.report.text.evaluation import format_figure
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import WORDS, is_synthetic_path

CSV, MARKDOWN = "table.csv", "table.md"
NOTE = (
    "auroc_mean with its 95 % interval, over so many observations as are defined there, "
    "on the split that chose each job's epoch: optimistic, as is the best of many"
)


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        name: of its folder.
        state: running, finished, stopped, pruned, failed or unreadable.
        why: it is not finished; empty where it is.
        split: that its figure is of.
        figure: its mean AUROC: ``value``, ``ci_low``, ``ci_high``, and ``over`` which observations; None without one.
        overrides: what it was started with, by key.
        seconds: that it took so far.
        synthetic: whether its images are.
    """

    name: str
    state: str
    why: str = ""
    split: str = ""
    figure: Mapping[str, Any] | None = None
    overrides: Mapping[str, str] | None = None
    seconds: float | None = None
    synthetic: bool = False

    @property
    def value(self) -> float:
        """What it is ranked by; NaN where that is undefined or the job is not finished."""
        value = self.figure["value"] if self.figure and self.state == "finished" else None
        return math.nan if value is None else value


def read_sweep(sweep: Path) -> list[Job]:
    """The jobs of a sweep, the best first, those without a figure last and by their numbers."""
    folders = [path.parent for path in sweep.glob(f"*/{run_files.STATE}")]
    jobs = map(read_job, sorted(folders, key=lambda folder: (folder.name.zfill(9), folder.name)))
    return sorted(jobs, key=lambda job: math.inf if math.isnan(job.value) else -job.value)


def read_job(folder: Path) -> Job:
    """One job; a damaged file is told as its state, and hides no other job."""
    try:
        told, metrics = read_json(folder / run_files.STATE), read_json(folder / run_files.METRICS)
        split = metrics.get("epoch_chosen_on") or "valid"
        figure = read_json(run_files.evaluation(folder, split)).get("auroc_mean")
        if not figure and split in metrics:  # judged, but not evaluated yet
            mean, over = metrics[split]["auroc_mean"], metrics[split]["auroc_mean_over"]
            figure = {"value": mean, "ci_low": None, "ci_high": None, "over": over}
        pairs = (override.partition("=") for override in told["overrides"])
        overrides = {key.lstrip("+"): value for key, _, value in pairs}
        why = told["why"] or ""
        figures = (split if figure else "", figure, overrides, told["seconds"], is_synthetic_path(folder))
        return Job(folder.name, told["state"], why, *figures)
    except ProblemError as problem:
        return Job(folder.name, "unreadable", f"{problem.what}, {problem.where}")
    except (KeyError, TypeError, AttributeError) as error:
        return Job(folder.name, "unreadable", f"{type(error).__name__}: {error}")


def describe_figures(jobs: Sequence[Job]) -> str:
    """What the numbers of the table are, and which are of synthetic images."""
    synthetic = [job.name for job in jobs if job.synthetic]
    which = "" if len(synthetic) == len(jobs) else f" (jobs {', '.join(synthetic)})"
    return f"{WORDS}{which}; {NOTE}" if synthetic else NOTE


def find_differing(jobs: Sequence[Job]) -> list[str]:
    """Keys of the overrides in which not all jobs agree."""
    told = [job.overrides for job in jobs if job.overrides is not None]
    keys = dict.fromkeys(key for own in told for key in own)
    return [key for key in keys if len({own.get(key) for own in told}) > 1]


def sweep_table(jobs: Sequence[Job]) -> Table:
    """Header and rows to read."""
    keys = find_differing(jobs)
    rows = [
        [
            *_place(place, job),
            *((format_figure(job.figure), str(len(job.figure["over"])), job.split) if job.figure else ("-", "-", "-")),
            *_settings(job, keys),
            "-" if job.seconds is None else f"{job.seconds:.0f}",
            job.why,
        ]
        for place, job in enumerate(jobs, start=1)
    ]
    return [["rank", "job", "state", "auroc_mean", "over", "split", *keys, "seconds", "why"], *rows]


def list_jobs(jobs: Sequence[Job]) -> Iterator[list[str]]:
    """Header and rows of the CSV: every figure in full, undefined is empty."""
    keys, ends = find_differing(jobs), ("value", "ci_low", "ci_high")
    told = any(job.synthetic for job in jobs)
    yield ["rank", "job", "state", "auroc_mean", "ci_low", "ci_high", "over", "split", "seconds", "why", *keys] + (
        ["synthetic"] * told
    )
    for place, job in enumerate(jobs, start=1):
        figures = [(job.figure or {}).get(end) for end in ends]
        numbers = ["" if number is None else repr(number) for number in (*figures, job.seconds)]
        over = str(len(job.figure["over"])) if job.figure else ""
        settings = _settings(job, keys) + [str(job.synthetic).lower()] * told
        yield [*_place(place, job), *numbers[:3], over, job.split, numbers[3], job.why, *settings]


def _place(place: int, job: Job) -> list[str]:
    return ["" if math.isnan(job.value) else str(place), job.name, job.state]


def _settings(job: Job, keys: Sequence[str]) -> list[str]:
    return [(job.overrides or {}).get(key, "") for key in keys]


def pass_on(job: Job) -> Job:
    """The job as it may leave this machine: what names files is hidden."""
    shown = {key: hide_value(key, value) for key, value in (job.overrides or {}).items()}
    why = HIDDEN if names_file(job.why) else job.why
    return replace(job, why=why, overrides=shown)


def describe_sweep(sweep: Path) -> str:
    """The table for the terminal; nothing of a sweep without jobs."""
    if not (jobs := read_sweep(sweep)):
        return ""
    lines = [f"sweep {sweep}, {len(jobs)} jobs: {describe_figures(jobs)}", *align(sweep_table(jobs)), ""]
    lines += [f"written:  {sweep / CSV} and {MARKDOWN}", f"compare:  python scripts/compare.py {quote(str(sweep))}"]
    return "\n".join(lines)


def tell_sweep(sweep: Path) -> None:
    """Writes and prints the table of a sweep that has jobs."""
    if told := describe_sweep(sweep):
        write_sweep(sweep)
        print(told, flush=True)


def write_sweep(sweep: Path) -> None:
    """Writes table.csv and table.md as the jobs' files are now; several processes may do so at once.

    Each looks again after it has written, so that whoever writes last has seen all that was there before.
    """
    written: list[list[str]] = []
    part = sweep / f".table-{secrets.token_hex(4)}.part"
    while (rows := list(list_jobs(jobs := list(map(pass_on, read_sweep(sweep)))))) != written:
        run_files.write_table(part, rows[0], rows[1:])
        part.replace(sweep / CSV)
        lines = ["# Sweep", "", describe_figures(jobs), "", *markdown_table(sweep_table(jobs)), ""]
        part.write_text("\n".join(lines), encoding="utf-8")
        part.replace(sweep / MARKDOWN)
        written = rows
