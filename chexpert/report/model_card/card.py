"""Write MODEL_CARD.md: who may use a model for what, and what was measured of it, from the files of its run alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chexpert.errors import UserError
from chexpert.report.evaluation_setting import describe_rows, is_synthetic
from chexpert.report.html.provenance import list_done, list_undone
from chexpert.report.html.render import NOT_A_DEVICE
from chexpert.report.html.verdict import describe_mean, find_warnings
from chexpert.report.model_card import explanations, facts, origins, results
from chexpert.report.model_card.markdown import Markdown, escape
from chexpert.report.names import Names
from chexpert.report.run_data import BROKEN, Lack, RunData
from chexpert.runs import files as run_files
from chexpert.runs.data_origin import read_origin
from chexpert.runs.synthetic import NOTE

TEMPLATE = "card.md"
NO_LICENSE = "other"
"""The Hub's word for a license that is none of its list: this program cannot choose one for the owner of weights."""
TAGS = ("chest-x-ray", "radiology", "multi-label-classification", "chexpert", "not-for-clinical-use")


def write_model_card(run_data: RunData) -> Path:
    """Write MODEL_CARD.md into the run folder; an older one is replaced.

    The card names no image and no path; of the user's own names it has that of the run and of the tables of labels.

    Returns:
        Path of the card.
    """
    path = run_data.run / run_files.MODEL_CARD
    run_files.write_text(path, make_card(run_data))
    return path


def renew_card(run: Path) -> str | None:
    """Return the card as the files of a run folder have it now: one on disk may be older than the weights.

    Where nothing was evaluated the card on disk is returned; None where there is none.
    """
    path = run / run_files.MODEL_CARD
    try:
        return make_card(RunData.read(run))
    except UserError:
        return path.read_text(encoding="utf-8") if path.is_file() else None


def make_card(run_data: RunData) -> str:
    """Return the text of the card."""
    split = run_data.splits[0]
    missing = list(run_data.lacks)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, finalize=escape, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,  # finalize escapes for Markdown
    )  # fmt: skip
    parts = {name: _make(name, part, missing) for name, part in list_parts(run_data, split).items()}
    text = environment.get_template(TEMPLATE).render(
        header=Markdown(write_header(run_data, split)),
        name=run_data.config.get("name", "a run"),
        not_a_device=NOT_A_DEVICE,
        synthetic=NOTE if is_synthetic(run_data) else "",
        mean=describe_mean(run_data),
        warnings=list(find_warnings(run_data)),
        performance=[(one, results.describe_performance(run_data, one)) for one in run_data.splits],
        done=list(list_done(run_data)),
        undone=list(list_undone(run_data)),
        licenses=list(facts.describe_licenses(run_data)),
        origin=read_origin(run_data.data, run_data.config),
        made_of=origins.describe_made_of(run_data),
        parts=parts,
        missing=missing,
    )
    return text.rstrip("\n") + "\n"


class Part(NamedTuple):
    """A part that a run may lack: how it is made, what is missing without it, a command or setting that brings it."""

    make: Callable[[], Markdown | None]
    missing: str
    hint: str


def list_parts(run_data: RunData, split: str) -> dict[str, Part]:
    """Return the parts by their name in the template."""
    names = Names("hash", run_data.run)
    again, dev = "runs of this version write it", "a run with data.dev=0.1"
    gate = "a gate: no image is checked for being a frontal radiograph like the training images"
    explained = "scores of the explanations, so nothing says how good its maps are"
    shortcuts = "a search for shortcuts, so the model may use devices, markers or borders"
    return {
        "model": Part(lambda: facts.describe_model(run_data), "the description of the network", again),
        "data": Part(lambda: facts.describe_data(run_data, names), "counts and fingerprints of the data", again),
        "labels": Part(lambda: facts.describe_labels(run_data, names), "targets of uncertain and blank labels", again),
        "training": Part(lambda: facts.describe_training(run_data), "the settings of the training", again),
        "calibration": Part(
            lambda: results.describe_calibration(run_data, split), "calibration error and Brier score", "evaluate again"
        ),
        "thresholds": Part(
            lambda: results.describe_thresholds(run_data, split), "thresholds that were chosen on other rows", dev
        ),
        "sets": Part(lambda: results.describe_sets(run_data, split), "sets at a chosen error rate", dev),
        "groups": Part(
            lambda: results.describe_groups(run_data, split), "metrics of groups", "labels with sex, age and view"
        ),
        "gate": Part(lambda: results.describe_run_gate(run_data), gate, "chexpert gate RUN"),
        "explanations": Part(
            lambda: explanations.describe_explanations(run_data), explained, "a run with explain.score=32"
        ),
        "shortcuts": Part(lambda: results.describe_shortcuts(run_data), shortcuts, "chexpert shortcuts RUN"),
        "command": Part(lambda: origins.describe_command(run_data), "the command of the training", again),
    }


def _make(name: str, part: Part, missing: list[Lack]) -> Markdown:
    """Make a part, or a sentence in its place where the run has nothing of it, or a file of another form."""
    try:
        made = part.make()
        why = "" if made else f"{name}: not in this run"
    except BROKEN as error:
        made = None
        why = f"{name}: a file of the run has another form than this version writes ({type(error).__name__})"
    if made:
        return made
    missing.append(Lack(why, part.hint))
    return Markdown(f"Missing: {escape(part.missing)}. See [what is missing](#what-is-missing).")


def write_header(run_data: RunData, split: str) -> str:
    """Return the YAML header that the Hugging Face Hub reads.

    Its ``model-index`` holds the mean AUROC only where the value is comparable: on real images, with an interval, and
    on rows that did not choose the epoch.
    """
    synthetic = is_synthetic(run_data)
    header: dict[str, Any] = {
        "license": NO_LICENSE,
        "library_name": "chexpert",
        "pipeline_tag": "image-classification",
        "tags": [*TAGS, *(["synthetic-data"] if synthetic else [])],
    }
    content = run_data.evaluations.get(split)
    mean: dict[str, Any] = content["auroc_mean"] if content else {"value": None}
    if mean["value"] is not None and not synthetic and run_data.chosen_on not in (split, None):
        task = {"type": "image-classification", "name": "multi-label classification of chest radiographs"}
        origin = read_origin(run_data.data, run_data.config, split)
        dataset = {"type": origin.type, "name": f"{origin.name}, {describe_rows(run_data, split)}", "split": split}
        interval = f"[{mean['ci_low']:.3f}, {mean['ci_high']:.3f}]" if mean.get("ci_low") is not None else "none"
        metric = {
            "type": "roc_auc",
            "name": f"mean AUROC over {len(mean['over'])} observations, 95 % interval {interval}",
            "value": round(mean["value"], 4),
        }
        header |= {
            "metrics": ["roc_auc"],
            "model-index": [{"name": str(run_data.config.get("name", "chexpert")), "results": [
                {"task": task, "dataset": dataset, "metrics": [metric]}]}],
        }  # fmt: skip
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=False, width=120)
    return f"---\n{text}---"
