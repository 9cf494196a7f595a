"""What an audit found, as plain text, from its JSON alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chexpert.observations import STATES
from chexpert.runs.synthetic import NOTE

FIRST = 3  # defects of a kind that are listed in full


def describe_audit(content: Mapping[str, Any]) -> str:
    """Describe an audit: counts beside the published ones, defects by kind, and last the verdict.

    Args:
        content: content of the JSON file that ``chexpert audit --json`` writes.

    Returns:
        Lines of text, at most three defects of each kind among them.
    """
    layout = content["layout"]
    splits = {name: counts for name, counts in content.items() if name not in ("layout", "defects")}
    lines = [f"{layout['name']} in {layout['folder']}" if layout else "several copies of CheXpert were found", ""]
    if layout and layout.get("synthetic"):
        lines.insert(1, NOTE)
    lines += _describe_external((layout or {}).get("external", {}))
    if splits:
        lines += [*_align(_compare_sizes(splits)), ""]
    for name, counts in splits.items():
        lines += [*_describe_split(name, counts), ""]
    text = "\n".join([*lines, *_describe_defects(content["defects"]), _summarize(content["defects"])])
    return text.encode("utf-8", "backslashreplace").decode()  # names of files may hold bytes that no terminal takes


def _describe_external(external: Mapping[str, Any]) -> Iterator[str]:
    """The data set's own labels and sizes, beside the published ones, and what has no counterpart."""
    if not external:
        return
    counts, published = external["counts"], external["published"] or {}
    rows = [["", "found", *(["published"] if published else [])]]
    flat = {key: counts[key] for key in ("images", "studies", "patients")}
    known = {key: published.get(key) for key in flat}
    for part in ("splits", "views", "sex", "labels"):
        flat |= {f"{part}: {key}": count for key, count in counts[part].items()}
        known |= {f"{part}: {key}": count for key, count in published.get(part, {}).items()}
    for key, count in flat.items():
        shown = known.get(key)
        rows.append([f"  {key}", _spell(count), *(["" if shown is None else _spell(shown)] if published else [])])
    yield from _align(rows)
    if boxes := external.get("boxes"):
        yield f"  boxes: {boxes['boxes']:,} on {boxes['images']:,} images"
    yield f"  labels without a counterpart: {', '.join(external['without_counterpart']) or 'none'}"
    yield f"  observations without a label: {', '.join(external['not_labeled']) or 'none'}"
    yield ""


def _compare_sizes(splits: Mapping[str, Any]) -> Iterator[list[str]]:
    """Sizes of the splits; beside them the published ones, of splits that claim to be whole."""
    published = {name: counts["published"] for name, counts in splits.items() if counts.get("published")}
    yield ["", *(cell for name in splits for cell in (name, "published") if cell in splits or name in published)]
    for key in ("images", "studies", "patients"):
        row = [(counts[key], *([published[name][key]] if name in published else [])) for name, counts in splits.items()]
        yield [key, *(_spell(count) for pair in row for count in pair)]


def _describe_split(name: str, counts: Mapping[str, Any]) -> Iterator[str]:
    age = counts["age"]
    years = f"{_spell(age['least'])} to {_spell(age['greatest'])} years, median {_spell(age['median'])}"
    ages = f"{years}; 0 years: {age['zero']:,}, 90 years: {age['at_90']:,}" if age["known"] else "not given"
    yield f"{name}, fingerprint {counts['fingerprint'][:16]}"
    yield from _align(
        [
            ["  views", _list(counts["views"])],
            ["  views per study", _list(counts["views_per_study"])],
            ["  sex", _list(counts["sex"])],
            ["  age", ages],
            *_describe_labelers(counts.get("labels_by_labeler", {})),
        ],
        left=2,
    )
    yield ""
    yield from _align(_table_labels(counts))
    if published := counts.get("published"):
        differ = _differ(counts, published)
        yield f"  {'all' if not any(differ) else differ.count(False)} of {len(differ)} published counts are met"


def _describe_labelers(labelers: Mapping[str, Any]) -> Iterator[list[str]]:
    """How many labels of each state the other labelers gave, over all observations."""
    for name, labels in labelers.items():
        yield [f"  labels by {name}", _list({state: sum(row[state] for row in labels.values()) for state in STATES})]


def _table_labels(counts: Mapping[str, Any]) -> Iterator[list[str]]:
    """Label states of the images; where they differ from the published ones, these below."""
    published = (counts.get("published") or {}).get("labels", {})
    yield ["  labels of images", *STATES]
    for name, states in counts["labels"].items():
        yield [f"  {name}", *(_spell(states[state]) for state in STATES)]
        if published and published[name] != states:
            yield ["    published", *(_spell(published[name][state]) for state in STATES)]


def _describe_defects(defects: Sequence[Mapping[str, str]]) -> Iterator[str]:
    kinds = defaultdict(list)
    for defect in sorted(defects, key=lambda defect: defect["severity"]):  # errors first
        kinds[defect["severity"], defect["kind"]].append(defect)
    for (severity, kind), found in kinds.items():
        yield f"{severity}: {kind}, {len(found):,}"
        for defect in found[:FIRST]:
            yield f"  {defect['where']}: {defect['message']}"
        if len(found) > FIRST:
            yield f"  ... and {len(found) - FIRST:,} more (all of them: --json OUT)"
        for hint in dict.fromkeys(defect["hint"] for defect in found[:FIRST]):
            yield f"  hint: {hint}"
        yield ""


def _summarize(defects: Sequence[Mapping[str, str]]) -> str:
    """The verdict in one line.

    >>> _summarize([{"severity": "warning"}])
    'passed: no error, 1 warning'
    """
    wrong = sum(defect["severity"] == "error" for defect in defects)
    counts = [(wrong, "error"), (len(defects) - wrong, "warning")]
    summary = ", ".join(f"{n or 'no':,} {word}{'s' * (n > 1)}" if n else f"no {word}" for n, word in counts)
    return f"{'failed' if wrong else 'passed'}: {summary}"


def _differ(found: Any, published: Any) -> list[bool]:
    """For each published count whether the found one differs."""
    if not isinstance(published, Mapping):
        return [found != published]
    return [wrong for key, value in published.items() for wrong in _differ((found or {}).get(key), value)]


def _align(rows: Sequence[Sequence[str]] | Iterator[list[str]], left: int = 1) -> list[str]:
    """Rows in columns: the first `left` flush left, the others flush right."""
    rows = list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" if i < left else f"{cell:>{width}}" for i, (cell, width) in cells).rstrip()
        for cells in (enumerate(zip(row, widths, strict=True)) for row in rows)
    ]


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())


def _spell(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"
