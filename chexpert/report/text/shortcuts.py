"""What a search for shortcuts found, as plain text, from its JSON alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chexpert.runs.synthetic import WORDS

HOW = {"counterfactual": "painted without", "above_control": "filled, less controls"}
REMOVALS = {
    "counterfactual": "the same image is painted without it",
    "above_control": "its region is filled, less what filling it changes in images that do not show it",
}
DEGREES = {0.5: " heavily", 0.25: "", 0: " slightly"}
"""By the least effect, in standard deviations of the logit."""
NOTED = 0.25
"""Effect from which on a confusion is reported."""
SHOWN = 3
"""Times the evidence of an even map from which on a map shows a suspect; maps are coarse, and spill over small ones."""
LACKING = {
    "images": "too few images",
    "films": "too few images",  # as older versions wrote it
    "controls": "too few images without it",
    "effect": "too small or too unsure",
    "tie": "does not surely come with the finding",
    "auroc": "AUROC does not fall without it",
}
SETS = {"metadata": "metadata", "gray": "gray statistics", "both": "both together"}


def describe_shortcuts(content: Mapping[str, Any]) -> str:
    """Describe the shortcuts or that none was found, then the values behind it.

    Args:
        content: content of the shortcut.json that ``chexpert shortcuts`` writes.

    Returns:
        Lines of text.
    """
    synthetic = f", {WORDS}" if content.get("synthetic") else ""
    lines = [f"{content['views']} valid images of {content['root']}{synthetic}, model of {content['run']}"]
    if unlisted := content.get("unlisted"):
        lines.append(f"{unlisted} of them are not in the file of regions, and count as without what it outlines")
    lines.append("")
    lines += [*summarize_shortcuts(content), *_note_confusions(content["pairs"]), *_warn(content), ""]
    lines += [*_describe_pairs(content["pairs"]), *_describe_splits(content["aurocs"])]
    lines += [*_describe_places(content), *_describe_baselines(content["baselines"])]
    return "\n".join(lines).rstrip()


def count_tested(pairs: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of pairs that were tested.

    A pair is tested if there are enough images and its suspect is neither a finding nor tied by anatomy.

    Args:
        pairs: ``pairs`` of a shortcut.json, each an observation with a suspect.

    Returns:
        The number of these pairs, 0 if none could be tested.
    """
    return sum(map(_is_tested, pairs))


def describe_found_shortcuts(content: Mapping[str, Any]) -> list[str]:
    """Return one sentence a shortcut."""
    shortcuts_found = [pair for pair in content["pairs"] if pair["alarm"]]
    return [_describe_shortcut(pair, content["aurocs"][pair["observation"]]) for pair in shortcuts_found]


def summarize_shortcuts(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence a shortcut; one in all where there is none."""
    shortcuts_found = describe_found_shortcuts(content)
    yield from shortcuts_found
    tested = {p["suspect"]: content["suspects"][p["suspect"]]["views"] for p in content["pairs"] if _is_tested(p)}
    names = ", ".join(f"{name} ({views} images)" for name, views in tested.items())
    if not shortcuts_found and names:
        yield f"No shortcut was found among the suspects tested: {names}. This does not prove that there is none."
    if not tested:
        yield "No suspect could be tested: there is no region of a device or marker. Outline some: --regions FILE.json"


def _is_tested(pair: Mapping[str, Any]) -> bool:
    return not pair["tied"] and not pair["finding"] and not {"images", "films", "controls"} & {*pair["lacking"]}


def _describe_shortcut(pair: Mapping[str, Any], aurocs: Mapping[str, Any]) -> str:
    """An observation, its shortcut, and the reasons in numbers."""
    effect, name, suspect = pair["effect"], pair["observation"], pair["suspect"]
    how = REMOVALS[pair["by"]]
    moved = "falls" if effect["value"] > 0 else "rises"
    size = show_interval({key: sign_free(effect, key) for key in ("value", "ci_low", "ci_high")})
    reasons = [f"they come together ({_describe_tie(pair)})"]
    reasons += [f"the logit {moved} by {size} of its standard deviation when {how} ({effect['n']} images)"]
    if pair["auroc_fall"]:
        splits = ", ".join(f"{show_interval(own)} {split}" for split, own in aurocs.items())
        reasons.append(f"AUROC {splits} (fall {show_interval(pair['auroc_fall'])})")
    if (mass := pair["mass_over_area"]) and _is_number(mass["value"]):
        shown = f"the map has {show_interval(mass, 1)} times the evidence there that an even one has"
        reasons.append(shown if mass["value"] >= SHOWN else f"the map hardly shows it ({mass['value']:.1f} times)")
    degree = next(word for least, word in DEGREES.items() if abs(effect["value"]) >= least)
    return f"{name} leans{degree} on {suspect}: " + "; ".join(reasons) + "."


def _describe_tie(pair: Mapping[str, Any]) -> str:
    split, where = ("train", "the training labels") if "train" in pair["ties"] else ("matched", "these images")
    phi = pair["ties"][split]
    if split == "matched" and _is_number(phi) and "tie" in pair:
        return f"phi {show_interval(pair['tie'])} in {where}"
    return f"phi {phi:.2f} in {where}" if _is_number(phi) else f"phi undefined in {where}"


def sign_free(effect: Mapping[str, float], key: str) -> float:
    """Return a value of an effect in its own direction: a rise of .4 is not a fall of -.4."""
    if effect["value"] > 0:
        return effect[key]
    return -effect[{"value": "value", "ci_low": "ci_high", "ci_high": "ci_low"}[key]]


def _warn(content: Mapping[str, Any]) -> Iterator[str]:
    for name, own in content["baselines"].items():
        positives = content["aurocs"][name]["matched"]["positives"]
        for kind in own["reached"]:
            above = own["above"][kind]
            yield (
                f"{'note' if (above['value'] or 0) > 0 else 'warning'}: {name}: the model's AUROC, "
                f"{show_interval(own['model'])}, is not shown to be above what {SETS[kind]} reach "
                f"({show_interval(own[kind])}): difference {show_interval(above)}, {positives} positive images"
            )
    for name, places in content["places"].items():
        outside = places["outside the body"]
        if outside and (outside["ci_low"] or 0) > 1:
            times = show_interval(outside, 1)
            yield f"note: {name}: outside the body the map has {times} times the evidence of an even one"


def _note_confusions(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What moves a logit without coming with the finding: it costs AUROC on every split, but gains none."""
    untied = [pair for pair in pairs if _is_tested(pair) and pair["lacking"] in (["tie"], ["tie", "auroc"])]
    for pair in untied:
        if abs(pair["effect"]["value"]) >= NOTED:
            yield (
                f"note: {pair['suspect']} moves {pair['observation']}, by {show_interval(pair['effect'])}, but does "
                f"not come with it ({_describe_tie(pair)}): a confusion, no shortcut"
            )


def _describe_pairs(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not pairs:
        return
    yield "What the logit loses with the suspect, of its standard deviation [95 % interval]"
    for pair in sorted(pairs, key=lambda pair: (pair["finding"], pair["tied"])):
        values = f"{show_interval(pair['effect']):<22} {HOW[pair['by']]:<22} n = {pair['effect']['n']:<4}"
        yield f"  {pair['observation']:<27} {pair['suspect']:<27} {values} {_rate(pair)}"
    yield ""


def _rate(pair: Mapping[str, Any]) -> str:
    if pair["tied"]:
        return "tied by anatomy: no suspect"
    if pair["alarm"]:
        return "SHORTCUT"
    lacking = ", ".join(LACKING[key] for key in pair["lacking"])
    return lacking or "another finding: they come together and look alike, no alarm"


def _describe_splits(aurocs: Mapping[str, Any]) -> Iterator[str]:
    if all(len(own) < 2 for own in aurocs.values()):
        return
    yield "AUROC where what is suspected comes with the finding as in training, independently, and reversed"
    for name, own in aurocs.items():
        yield f"  {name:<27} " + "   ".join(f"{split} {show_interval(interval)}" for split, interval in own.items())
    yield ""


def _describe_places(content: Mapping[str, Any]) -> Iterator[str]:
    yield f"Evidence of {content['explainer']} over the place's area (1: as an even map has it)"
    for name, places in content["places"].items():
        yield f"  {name:<27} " + "   ".join(f"{place} {show_interval(own, 1)}" for place, own in places.items())
    yield f"  ({content['geometry']})"
    yield ""


def _describe_baselines(baselines: Mapping[str, Any]) -> Iterator[str]:
    if not baselines:
        yield "No training images there: what metadata and gray statistics reach was not measured."
        return
    yield "AUROC of the model, and of logistic regressions on metadata, gray statistics and both, on the same images"
    for name, own in baselines.items():
        yield f"  {name:<27} model {show_interval(own['model'])}   " + "   ".join(
            f"{k} {show_interval(own[k])}" for k in SETS
        )


def show_interval(interval: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Format a metric with its interval; undefined is a dash.

    >>> show_interval({"value": 0.5, "ci_low": 0.41, "ci_high": 0.59}), show_interval(None)
    ('0.50 [0.41, 0.59]', '-')
    """
    if interval is None or interval["value"] is None or interval["value"] != interval["value"]:
        return "-"
    ends = [f"{interval[end]:.{digits}f}" if _is_number(interval[end]) else "-" for end in ("ci_low", "ci_high")]
    return f"{interval['value']:.{digits}f} [{', '.join(ends)}]"


def _is_number(value: float | None) -> bool:
    return value is not None and value == value
