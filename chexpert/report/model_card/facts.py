"""The origin of a model for its card: network, data, labels, settings and licenses."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.observations import REPORT_LABELS
from chexpert.report.html.provenance import describe_seconds, list_data, list_label_rules, list_learned_targets
from chexpert.report.model_card.markdown import Markdown, make_facts, make_table
from chexpert.report.model_card.words import list_settings, name_class
from chexpert.report.names import Names, hide_value
from chexpert.report.run_data import RunData
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty
from chexpert.weights.license import UNKNOWN, StartLicense, list_licenses

FITS = {
    "stretch": "to which an image is stretched", "pad": "to whose shape an image is padded",
    "crop": "to whose shape an image is cropped",
}  # fmt: skip
NO_FIT = "and how an image is fitted to it is not recorded"
VIEWS = {"frontal": "frontal images", "lateral": "lateral images", "all": "frontal and lateral images"}


def read_exported(run_data: RunData) -> dict[str, Any]:
    """Return best.json, the description of the exported weights; empty where there is none."""
    return read_mapping_or_empty(run_files.checkpoint(run_data.run).with_suffix(".json"))


def read_made_of(run_data: RunData) -> dict[str, Any]:
    """Return what averaged weights or a distilled network were made of; empty for others."""
    found = read_exported(run_data).get("made_of") or run_data.metrics.get("made_of")
    return found if isinstance(found, dict) else {}


def describe_model(run_data: RunData) -> Markdown:
    """Describe network, input and output."""
    config, exported = run_data.config, read_exported(run_data)
    preprocessing = exported.get("preprocessing") or {}
    size = preprocessing.get("size") or config.get("data", {}).get("image_size")
    observations = exported.get("observations") or config.get("observations") or []
    head = exported.get("readout") or {}
    three = [observations[place] for place in head.get("uncertain") or []]
    facts: list[tuple[str, object]] = [
        ("Model", name_class(config.get("model")) or "not recorded"),
        ("Network", ", ".join(list_networks(config.get("model"))) or "not recorded"),
        ("Weights before this training", run_data.metrics.get("contamination") or "not recorded"),
        ("Input", f"gray images of {_describe_size(size)}, {FITS.get(str(preprocessing.get('fit')), NO_FIT)}"),
        ("Trained on", VIEWS.get(str(run_data.data.get("views")), "views not recorded")),
        ("Outputs", ", ".join(map(str, observations)) or "not recorded"),
    ]
    if absent := exported.get("not_labeled"):
        facts.append(("Outputs that no training label was there for", ", ".join(map(str, absent))))
    if three:
        facts.append(("Outputs with a class for uncertain", ", ".join(map(str, three))))
    if head.get("parents"):
        facts.append(("Conditional outputs", "an observation is given that its parent in CheXpert's hierarchy is"))
    return make_facts(facts)


def list_networks(node: Any) -> list[str]:
    """Return the names of the networks of a model, with the weights that each started from."""
    if not isinstance(node, Mapping):
        return []
    own = []
    if "pretrained" in node and "name" in node:
        value = hide_value("pretrained", node["pretrained"])
        own = [f"{node['name']} (pretrained={str(value).lower() if isinstance(value, bool) else value})"]
    return list(dict.fromkeys([*own, *(name for value in node.values() for name in list_networks(value))]))


def describe_data(run_data: RunData, names: Names) -> Markdown | None:
    """Return the counts and the fingerprint of each split."""
    rows = list_data(run_data, names)
    if not rows:
        return None
    header = ["Split", "Images", "Studies", "Patients", "Labels", "Layout"]
    counts = make_table(header, [[row["split"], *map(_count, _pick(row)), *_texts(row)] for row in rows])
    prints = [(f"Fingerprint of {row['split']}", row["fingerprint"]) for row in rows if row["fingerprint"]]
    return Markdown(f"{counts}\n\n{make_facts(prints)}" if prints else counts)


def describe_labels(run_data: RunData, names: Names) -> Markdown | None:
    """Return the training targets of uncertain and blank labels."""
    rules = list_label_rules(run_data, names)
    if not rules:
        return None
    learned = list_learned_targets(run_data)
    if not learned:
        return make_facts(rules)
    header = ["Observation", *(f"report says {label}" for label in REPORT_LABELS)]
    return Markdown(f"{make_facts(rules)}\n\n{make_table(header, [[name, *cells] for name, cells in learned])}")


def describe_training(run_data: RunData) -> Markdown | None:
    """Return the settings of the training, its length and the versions."""
    if not run_data.config:
        return None
    facts = list(list_settings(run_data.config))
    best = run_data.metrics.get("best_epoch")
    facts.append(("Epoch of the weights", "not recorded" if best is None else best + 1))
    facts.append(("Wall time", describe_seconds(run_data.state.get("seconds") or run_data.metrics.get("seconds"))))
    facts.append(("Started", str(run_data.state.get("started", "not recorded"))[:10]))
    versions = ", ".join(f"{name} {number}" for name, number in run_data.state.get("versions", {}).items())
    return make_facts([*facts, ("Versions", versions or "not recorded")])


def list_run_licenses(run_data: RunData) -> list[StartLicense]:
    """Return the licenses of the weights that a run started from."""
    config = run_data.config
    made_of = read_made_of(run_data)
    return list_licenses(config.get("model"), config.get("start_from"), run_data.metrics.get("contamination"), made_of)


def describe_licenses(run_data: RunData) -> Iterator[str]:
    """Yield a sentence for each set of weights that the run started from."""
    found = list_run_licenses(run_data)
    if not found and not run_data.metrics.get("contamination"):
        yield "It is not recorded which weights the training started from: check their license."
    elif not found:
        yield "The training began with random weights, so no license of other weights applies."
    for one in found:
        limits = {True: "commercial use is not allowed", False: "commercial use is allowed", None: "check it"}
        known = one.license if one.license != UNKNOWN else "its license is not known to this program"
        yield f"It started from {one.weights}: {known}; {limits[one.non_commercial]}."


def _describe_size(size: Any) -> str:
    sides = size if isinstance(size, list) else [size, size]
    return f"{' x '.join(map(str, sides))} pixels" if size else "a size that is not recorded"


def _pick(row: Mapping[str, Any]) -> list[Any]:
    return [row[key] for key in ("images", "studies", "patients")]


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [str(row["labels"] or "not recorded"), str(row["layout"] or "not recorded")]


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "not recorded"
