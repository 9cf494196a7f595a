"""Texts that would run, load or break something in a page that trusted them, and a run that has them everywhere."""

from pathlib import Path
from typing import Any

import yaml

from chexpert.runs import files as run_files
from helpers.report_runs import EXPLAINERS, OBSERVATIONS, edit_json, make_quality, make_run, write_explanations

RUN = "window.owned=1"
HOSTILE = (
    f"<script>{RUN}</script>", f"\"><img src=x onerror={RUN}>", f"'><svg onload={RUN}>",
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}</script>-->", f"--><script>{RUN}</script>", f"</style><script>{RUN}</script>",
    f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</select><script>{RUN}</script>",
    f"</svg><script>{RUN}</script>", f"]]><script>{RUN}</script>", f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    "{{ 7 * 7 }}{{ self.__class__ }}", "{% for x in ().__class__ %}", f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>", "a\u2028b\u2029c", "a\x00<b>\x07", "\x1b[31mred", "\u202egpj.exe",
    "\ufeffbom",
    f"${{{RUN}}}", "`id`$(id)", "$\\frac{1}{0}$", "$x_", "&lt;script&gt;", f"&#60;img src=x onerror={RUN}&#62;",
    "<base href=https://evil.invalid/>", "<meta http-equiv=refresh content='0;url=https://evil.invalid/'>",
    "<link rel=stylesheet href=https://evil.invalid/a.css>", f"<a href='javascript:{RUN}'>x</a>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>", f"<details open ontoggle={RUN}>",
    f"<video><source onerror={RUN}></video>", f"<object data='javascript:{RUN}'>", f"\" autofocus onfocus={RUN} x=\"",
    "' style='background:url(https://evil.invalid/)' x='", "<?xml-stylesheet href='https://evil.invalid/'?>",
    "%3Cscript%3E", "../../../etc/passwd", "<b>" * 60, "\udcff<i>",
)  # fmt: skip
NAMED = tuple(text for text in HOSTILE if not set(text) & set("\x00\udcff"))
"""Those that a file or a table can hold."""


def make_hostile_run(folder: Path) -> Path:
    """A run with hostile images, observations, explainers, settings, versions, labels and parts of groups."""
    images = [f"{text}.jpg" for text in NAMED]
    make_run(folder, images=images)
    names = dict(zip(OBSERVATIONS, HOSTILE[:3], strict=True))
    for path in [folder / run_files.METRICS, *folder.glob("evaluation/*.json"), folder / run_files.CALIBRATION]:
        edit_json(path, lambda content: rename(content, names))
    edit_json(run_files.evaluation(folder, "valid"), poison_evaluation)
    edit_json(folder / run_files.METRICS, lambda content: content | {"skipped": list(HOSTILE)})
    edit_json(folder / run_files.STATE, lambda content: content | {
        "overrides": [f"name={text}" for text in HOSTILE], "why": HOSTILE[0], "started": HOSTILE[1],
        "state": HOSTILE[2], "versions": {text: text for text in HOSTILE},
    })  # fmt: skip
    edit_json(folder / run_files.DATA, lambda content: {"views": HOSTILE[3], "splits": {
        text: content["splits"]["valid"] | {"layout": text, "folder": text, "labels": text, "fingerprint": text}
        for text in HOSTILE}})  # fmt: skip
    settings = yaml.safe_load((folder / run_files.CONFIG).read_text())
    settings |= {"name": HOSTILE[0], "labels": {text: text for text in NAMED}, "notes": list(NAMED)}
    (folder / run_files.CONFIG).write_text(yaml.safe_dump(settings))
    explainers = [text.replace("/", "-") for text in NAMED[:4]]
    quality = make_quality([*EXPLAINERS, *explainers], [*OBSERVATIONS, *HOSTILE])
    run_files.write_json(folder / run_files.EXPLANATIONS / run_files.QUALITY, {"split": HOSTILE[0]} | quality)
    for explainer in explainers:
        observations = [text for text in NAMED if "/" not in text and len(text) < 90]
        for start in range(0, len(observations) - 1, 2):
            write_explanations(folder / run_files.EXPLANATIONS, explainer, images[:2], observations[start:])
    return folder


def rename(content: Any, names: dict[str, str]) -> Any:
    """JSON with other names of observations."""
    if isinstance(content, dict):
        return {names.get(key, key): rename(value, names) for key, value in content.items()}
    if isinstance(content, list):
        return [rename(value, names) for value in content]
    return names.get(content, content) if isinstance(content, str) else content


def poison_evaluation(content: dict[str, Any]) -> dict[str, Any]:
    """Hostile names of groups, parts, left out rows and what thresholds were chosen on."""
    sex = content["groups"]["sex"]
    rows = dict.fromkeys(HOSTILE, sex["rows"]["Female"])
    gap = {
        "observation": HOSTILE[0],
        "high": HOSTILE[1],
        "low": HOSTILE[2],
        "value": 0.5,
        "ci_low": 0.1,
        "ci_high": 0.9,
    }
    groups = {text: {"rows": rows, "unknown": 0, "largest_gap": gap | {"compared": 3}} for text in HOSTILE[:3]}
    return content | {
        "groups": content["groups"] | groups, "operating_points_chosen_on": HOSTILE[4], "labels_of": HOSTILE[5],
        "epoch_chosen_on": HOSTILE[6], "left_out": {"predictions": list(HOSTILE), "labels": list(HOSTILE)},
        "not_judged": {"predictions": list(HOSTILE), "labels": []},
    }  # fmt: skip
