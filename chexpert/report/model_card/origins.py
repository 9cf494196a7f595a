"""What averaged weights or a distilled network were made of, and the command that makes the model again."""

import shlex
from collections.abc import Mapping
from typing import Any

from chexpert.report.model_card.facts import read_made_of
from chexpert.report.model_card.markdown import Markdown, make_block, make_facts
from chexpert.report.names import HIDDEN, hide_places, list_repeated
from chexpert.report.run_data import RunData

KINDS = {"soup": "the mean of the members' weights", "distilled": "trained on its teachers' probabilities too"}
SETTINGS = {
    "method": "Method", "start": "Start", "chosen_on": "Members chosen on", "weight": "Weight of the teachers",
    "temperature": "Temperature", "batch_norm_images": "Images behind batch normalization",
}  # fmt: skip


def describe_made_of(run_data: RunData) -> Markdown | None:
    """Return the parts of averaged weights or of a distilled network; None for others."""
    made_of = read_made_of(run_data)
    if not made_of:
        return None
    facts: list[tuple[str, object]] = [("Kind", KINDS.get(str(made_of.get("kind")), "not recorded"))]
    facts += [(title, made_of[key]) for key, title in SETTINGS.items() if made_of.get(key) is not None]
    for own in (*made_of.get("members", ()), *made_of.get("teachers", ())):
        facts.append((_name(own), _describe(own)))
    if left := made_of.get("left_out"):
        facts.append(("Left out", f"{len(left)} more that did not raise the AUROC"))
    return make_facts(facts)


def _name(own: Mapping[str, Any]) -> str:
    return str(own.get("name", "part")).capitalize()


def _describe(own: Mapping[str, Any]) -> str:
    text = f"weights {str(own.get('weights'))[:12]}"
    if own.get("out_of_fold"):
        text += ", of images that it was not trained on"
    return f"{text}; {own['contamination']}" if own.get("contamination") else text


def describe_command(run_data: RunData) -> Markdown | None:
    """Return the command that makes the model again; places are left out and files hidden."""
    state = run_data.state
    if state.get("overrides"):
        words = ["chexpert", "train", *list_repeated(list(map(str, state["overrides"])))]
    elif run_data.metrics.get("made_of") and "command" in state:
        words = hide_places(shlex.split(str(state["command"])))
    elif "overrides" in state:
        words = ["chexpert", "train"]
    else:
        return None
    note = f"\n\nGive your own file in the place of `{HIDDEN}`." if any(HIDDEN in word for word in words) else ""
    return Markdown(f"{make_block(shlex.join(words))}{note}")
