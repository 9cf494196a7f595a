"""Write report.html: the content of a run folder as one page that needs no network, no model and no torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chexpert.evaluation.readers import ReaderPoint, read_readers
from chexpert.report.evaluation_setting import describe_interval, describe_rows
from chexpert.report.figures.forest import Row, plot_forest
from chexpert.report.figures.reliability import plot_reliability
from chexpert.report.figures.risk_coverage import plot_risk_coverage
from chexpert.report.figures.roc import plot_curves
from chexpert.report.figures.training_curves import plot_training
from chexpert.report.html import provenance, read_script, render_page
from chexpert.report.html.gallery import read_gallery
from chexpert.report.html.groups import list_groups, plot_groups
from chexpert.report.html.made_from import collect_made_from
from chexpert.report.html.performance import collect_performance
from chexpert.report.html.prediction_sets import collect_sets
from chexpert.report.html.verdict import find_aurocs, find_warnings, summarize_in_two
from chexpert.report.model_card.card import write_model_card
from chexpert.report.names import Names, name_folder
from chexpert.report.run_data import BROKEN, RunData
from chexpert.report.text.explanation_quality import MEANINGS, list_left_out, list_quality
from chexpert.report.text.run import describe_tta
from chexpert.runs import files as run_files

HASHED = (
    "Images are named by hashes: id-... is a hash of the image's path in the label file or as it was given, keyed by "
    "the file ids.salt of the run folder; lists keep the order of the input."
)

Readers = Mapping[str, Sequence[ReaderPoint]]
NO_READERS: Readers = MappingProxyType({})


def write_report(run: Path, ids: str = "hash", out: Path | None = None, readers: Path | None = None) -> Path:
    """Write the report of a run as one HTML page, and MODEL_CARD.md beside it; older ones are replaced.

    Args:
        run: run folder, also of an older version.
        ids: ``hash`` names images by hashes and hides paths; ``path`` shows both.
        out: path of the page; by default report.html in the run folder. Of a page elsewhere no card is written.
        readers: CSV file of human readers' operating points, which stand beside the ROC curves.

    Returns:
        Path of the page.

    Raises:
        UserError: the run has no metrics, or the file of readers is damaged.
    """
    path = out or run / run_files.REPORT
    points = read_readers(readers) if readers else {}
    run_data = RunData.read(run)
    if out is None:
        write_model_card(run_data)
    page = make_page(run_data, Names(ids, run), points)
    run_files.write_text(path, page)  # an older one stays where there is no space for this one
    return path


def make_page(run_data: RunData, names: Names, readers: Readers = NO_READERS) -> str:
    """Return the text of the page."""
    verdict = summarize_in_two(run_data)
    return render_page(
        "run.html",
        read_script("gallery.js"),
        title=f"Report of the run {run_data.config['name']}" if "name" in run_data.config else "Report of a run",
        called=name_folder(run_data.run) if "overrides" in run_data.state else "",
        run_data=run_data,
        names=names,
        verdict=verdict,
        warnings=[warning for warning in find_warnings(run_data) if warning not in verdict],
        where=describe_rows(run_data, run_data.splits[0]),
        tables=[collect_performance(run_data, split, names.path) for split in run_data.splits],
        parts=Parts(run_data, names, readers).make(),
        provenance=provenance,
        hashed=HASHED,
    )


class Parts:
    """The parts of a page that are made from files of any age.

    One that an older or damaged file does not allow is left out, and the page says so.
    """

    def __init__(self, run_data: RunData, names: Names, readers: Readers = NO_READERS) -> None:
        self.run_data, self.names, self.readers = run_data, names, readers
        self.split = run_data.splits[0]
        self.content = run_data.evaluations.get(self.split, {})
        self.labeled = run_data.labeled.get(self.split)
        self.where = describe_rows(run_data, self.split)

    def make(self) -> dict[str, Any]:
        """Return the parts by name; None for a part with nothing to show."""
        makers: dict[str, Callable[[], Any]] = {
            "forest": self.forest, "curves": self.curves, "reliability": self.reliability, "sets": self.sets,
            "selective": self.selective, "training": self.training, "tta": self.tta, "groups": self.groups,
            "quality": self.quality, "gallery": self.gallery, "made_from": self.made_from,
        }  # fmt: skip
        return {name: self._try(name, make) for name, make in makers.items()}

    def _try(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except BROKEN as error:
            message = f"{name}: a file of the run has another form than this version writes ({type(error).__name__})"
            self.run_data.lack(message, "make the report with the version that made the run, or run again")
            return None

    def forest(self) -> Any:
        """Plot the AUROC by observation."""
        if not self.content:
            return None
        rows = [Row(name, auroc) for name, auroc in find_aurocs(self.run_data, self.split).items()]
        title = f"AUROC by observation, {self.where}, {describe_interval(self.content)}"
        return plot_forest(rows, "AUROC, 95 % interval", title, "forest")

    def tta(self) -> Any:
        """Describe the gain of test-time augmentation, a line for each split."""
        return list(describe_tta(self.run_data.metrics.get("tta") or {}))

    def curves(self) -> Any:
        """Plot ROC and precision-recall curves."""
        return self.labeled and plot_curves(self.labeled, self.content, self.where, "curve", self.readers)

    def reliability(self) -> Any:
        """Plot reliability before and after calibration; nothing for scores that are no probabilities."""
        calibration = self.run_data.calibration
        if not self.labeled or not self.content or self.content.get("not_probabilities"):
            return None
        if calibration and calibration.fitted_on == self.split:
            calibration = None  # it would look better than it is
        return plot_reliability(self.labeled, self.content, calibration, self.where, "reliability")

    def sets(self) -> Any:
        """Collect the prediction sets."""
        if not self.content:
            return None
        found = collect_sets(self.content)
        if not found:
            message = "prediction sets: no split was left to fit them on, or the run is of an older version"
            self.run_data.lack(message, "a run with data.dev=0.1")
        return found

    def selective(self) -> Any:
        """Plot the risk-coverage curves of the plain confidence."""
        own = self.content.get("selective")
        return own and plot_risk_coverage(own, self.where, "risk")

    def training(self) -> Any:
        """Plot loss and AUROC by epoch."""
        chosen = self.run_data.chosen_on or "valid"
        found = plot_training(self.run_data.run, self.run_data.metrics.get("best_epoch"), chosen)
        if not found:
            message = "training curves: nothing was trained, or no event file is left in tensorboard/"
            self.run_data.lack(message, "keep the folder tensorboard of the run")
        return found

    def groups(self) -> Any:
        """Make the metrics of groups."""
        found = list_groups(self.content) if self.content else []
        if not found:
            return None
        return {"groups": found, "forest": plot_groups(self.content, found, self.where, "groups")}

    def made_from(self) -> Any:
        """Collect the members of averaged weights, or the teachers of a distilled network."""
        return collect_made_from(self.run_data, self.names)

    def quality(self) -> Any:
        """Return the scores of the explainers."""
        if not self.run_data.quality:
            return None
        quality = self.run_data.quality
        return {
            "explainers": list_quality(quality), "meanings": MEANINGS, "left_out": list_left_out(quality)
        }  # fmt: skip

    def gallery(self) -> Any:
        """Read the images with their maps."""
        found = read_gallery(self.run_data.run, self.names)
        if not found.cards:
            self.run_data.lack("explanations: none are left in explanations/", "chexpert explain RUN")
            return None
        if None in found.originals:
            message = "images beneath the maps: this run did not keep them"
            self.run_data.lack(message, "move explanations/ away, chexpert explain RUN, then make this report again")
        return found
