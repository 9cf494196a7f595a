"""The models that averaged weights or a distilled network were made from, beside it, for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chexpert.report.names import Names
from chexpert.report.run_data import RunData
from chexpert.report.text.values import format_number
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

LENGTH = 12
"""Digits of the hash of a member's weights."""


@dataclass(frozen=True)
class Comparison:
    """A network beside the models that it was made from, on the rows of one split.

    Attributes:
        rows: number of rows and what is resampled, in words.
        lines: name, mean AUROC, difference with its interval and p; the first is the network itself.
        disagreement: of the members, in words.
    """

    rows: str
    lines: list[tuple[str, float | None, Mapping[str, Any] | None, str]]
    disagreement: str


@dataclass(frozen=True)
class MadeFrom:
    """What a network was made from.

    Attributes:
        title: of the part of the page.
        about: how it was made, in one sentence.
        table: header, and a row for each member or teacher.
        comparisons: by split.
        missing: why there is no comparison; empty where there is one.
    """

    title: str
    about: str
    table: list[list[str]]
    comparisons: dict[str, Comparison]
    missing: str


def collect_made_from(run_data: RunData, names: Names) -> MadeFrom | None:
    """Collect members or teachers from soup.json or distillation.json; None for a network of neither kind."""
    if soup := read_mapping_or_empty(run_data.run / run_files.SOUP):
        return _collect_soup(soup, names)
    if distillation := read_mapping_or_empty(run_data.run / run_files.DISTILLATION):
        return _collect_teachers(distillation, names)
    return None


def _collect_soup(content: Mapping[str, Any], names: Names) -> MadeFrom:
    members = sorted([*content["members"], *content["left_out"]], key=lambda own: _get_place(own["name"]))
    taken = {own["name"] for own in content["members"]}
    greedy = bool(content["steps"])
    steps = {step["member"]: step["value"] for step in content["steps"]}
    about = f"The mean of the weights of {len(taken)} of {len(members)} members; shared start: {content['start']}."
    if greedy:
        about += f" Members were added from the best on, where the mean AUROC on {content['chosen_on']} did not fall."
    alone = _list_alone(content, "members")
    header = [
        "Member",
        "Weights",
        *(["Taken", f"Mean AUROC with it, {content['chosen_on']}"] if greedy else []),
        *alone,
    ]
    rows = []
    for place, own in enumerate(members):
        step = ["yes" if own["name"] in taken else "no", format_number(steps.get(own["name"]))] if greedy else []
        values = [format_number(one[place]) for one in alone.values()]
        rows.append([_name(own["name"], content.get("names"), place, names), own["weights"][:LENGTH], *step, *values])
    missing = "" if alone else "not compared with its members: no split was left to compare them on"
    return MadeFrom("Averaged weights", about, [header, *rows], _list_comparisons(content, "member", names), missing)


def _collect_teachers(content: Mapping[str, Any], names: Names) -> MadeFrom:
    about = (
        f"Trained on the labels and on the mean probabilities of {len(content['teachers'])} teachers, weight "
        f"{content['weight']:g}, temperature {content['temperature']:g}; {content['taught']:,} of {content['views']:,} "
        "training images were taught."
    )
    alone = _list_alone(content, "teachers")
    header = ["Teacher", "Weights", "Images taught", "Not trained on them", *alone]
    called = [own["name"] for own in content["teachers"]]
    rows = []
    for place, own in enumerate(content["teachers"]):
        values = [format_number(one[place]) for one in alone.values()]
        shown = _name(f"teacher {place + 1}", called, place, names)
        held = "yes" if own["out_of_fold"] else "no"
        rows.append([shown, own["weights"][:LENGTH], f"{own['views']:,}", held, *values])
    missing = "" if alone else "not compared with its teachers: their predictions of the same images were not there"
    return MadeFrom("Distillation", about, [header, *rows], _list_comparisons(content, "teacher", names), missing)


def _list_alone(content: Mapping[str, Any], key: str) -> dict[str, list[float | None]]:
    """Return the AUROC of each member alone by the title of its column; those of a split of which all are there."""
    count = len(content[key]) + len(content.get("left_out", ()))
    found = {split: list(own["members"].values()) for split, own in content.get("comparisons", {}).items()}
    return {f"Mean AUROC alone, {split}": values for split, values in found.items() if len(values) == count}


def _list_comparisons(content: Mapping[str, Any], kind: str, names: Names) -> dict[str, Comparison]:
    return {split: _compare(own, kind, names) for split, own in content.get("comparisons", {}).items()}


def _compare(content: Mapping[str, Any], kind: str, names: Names) -> Comparison:
    ensemble, best, unit = content["ensemble"], content["best_member"], content["bootstrap"]["unit"]
    place = list(content["members"]).index(best["name"])
    who = _name(f"{kind} {place + 1}", list(content["members"]), place, names)
    chosen = f"chosen on {best['chosen_on']}" if best["chosen_on"] else "chosen on these rows, which favors it"
    lines: list[tuple[str, float | None, Mapping[str, Any] | None, str]] = [
        ("This network", content["auroc_mean"], None, ""),
        (f"Ensemble of {len(content['members'])} {kind}s", ensemble["auroc_mean"], *_split(ensemble["difference"])),
        (f"Best {kind} ({who}, {chosen})", best["auroc_mean"], *_split(best["difference"])),
    ]
    rows = "studies" if content["level"] == "study" else "single views"
    resampled = (
        f"{content['n']:,} {rows}; 95 % intervals by {content['bootstrap']['replicates']:,} resamples of {unit}s"
    )
    return Comparison(resampled.replace("studys", "studies"), lines, _describe_disagreement(content, kind))


def _split(difference: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    return difference, "" if difference["p"] is None else f"{difference['p']:.2g}"


def _describe_disagreement(content: Mapping[str, Any], kind: str) -> str:
    own = content.get("disagreement")  # older versions did not write it
    if not own or not own["mean"]["q"]["of"]:
        return ""
    threshold = f"at the threshold {own['threshold']:g}"
    texts = [_mean("Q", own["mean"]["q"], threshold), _mean("correlation of the errors", own["mean"]["correlation"])]
    return f"Disagreement of the {kind}s, mean over pairs and observations: {', '.join(texts)}"


def _mean(title: str, mean: Mapping[str, Any], how: str = "") -> str:
    part = f"{mean['defined']} of {mean['of']} observations" if mean["defined"] < mean["of"] else ""
    about = "; ".join(filter(None, (how, part)))
    return f"{title} {format_number(mean['value'], 2)}{f' ({about})' if about else ''}"


def _name(plain: str, called: Sequence[str] | None, place: int, names: Names) -> str:
    """Return the name of a member by its place, and on a page that shows paths the name of its run or file."""
    own = called[place] if called and place < len(called) else ""
    return plain if names.hashed or not own else f"{plain}, {own}"


def _get_place(name: str) -> int:
    """Return the number in a name such as ``member 12``; names of older versions stay in their order."""
    number = name.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0
