"""The words of the glossary: the package, the configs, the scripts and the pages use the field's words."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BANNED = {
    r"judg(e|es|ed|ing|ement)": "evaluate",
    r"tell|tells|told|telling": "report, warn, log, raise; a noun for a variable",
    r"mend|mends|mended|mending": "hint, fix",
    r"problems?|ProblemError": "error",
    r"films?": "image; radiograph for a painted one of the phantom",
    r"figures?": "metric, value; `Figure` is matplotlib's",
    r"draws?|drawn|drew|drawing": "sample, resample; plot; paint for the phantom",
    r"lineups?|entrants?|casebooks?|tally|tallies": "aligned predictions, candidates, cohort, mask counts",
    r"yardsticks?": "evaluation setting",
    r"culprits?": "shortcut",
    r"readouts?": "output head",
    r"settles?|settled|settling": "resolve, finalize",
    r"concludes?|concluded|announces?|announced|introduces?": "evaluate_run, print_summary",
    r"goes on|go on|went on|gone on|going on|take up|taken up": "resume, continue",
    r"heeds?|heeded|heeding": "handle",
    r"rooms?": "package; space for disk space",
    r"colours?|centred?|centres|behaviours?|neighbours?|labell\w+|artefacts?": "American spelling",
    r"\w*(normalis|randomis|optimis|synchronis|serialis|localis|summaris|initialis)(?!t)\w*": "American spelling",
}
ALLOWED = {
    "draw": r"ImageDraw\.Draw\(",  # Pillow's
    "films": r'"films"|films/<view>|\.films"|\.films\.',
    "film": r"\'film\'|\"film\"|film radiography",
    "figure": r"\bFigure\b|matplotlib|add_figure|</?figure|axes\.figure|\"figure\"|"
    r"\.figure\b|def figure\(|``figure``|[Tt]he figure\b",  # matplotlib's
    "judged": r'"not_judged"',
    "labelledby": "aria-labelledby",
    "labeller": r'"data\.labeller"',
    "labellers": r'"labellers"|--labellers|"data\.root\.labellers"',
    "tell": r"\bfile\.tell\(\)|study\.tell\(",
    "figures": r'report[./]figures|figures/|plt|matplotlib|Figure|get\("figures"\)|"figures"|--figures|given\.figures',
    "readout": r'"readout"',
    "optimiser": r"opt optim optimiser",
    "hit_normalised": r'"hit_normalised"',
    "normalised": r'"hit_normalised"',
}
"""Other meanings, by word: a line that matches is allowed."""


def list_files() -> list[Path]:
    folders = [PROJECT / name for name in ("chexpert", "conf", "scripts")]
    files = [path for folder in folders for path in folder.rglob("*")]
    found = [path for path in files if path.suffix in (".py", ".yaml", ".html", ".js")]
    pages = [page for page in (PROJECT / "docs").rglob("*.md") if "decisions" not in page.parts]
    return [PROJECT / "train.py", PROJECT / "README.md", *sorted(pages), *sorted(found)]


def find_banned(text: str, banned: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines with a banned word; names in snake case are read word by word."""
    pattern = re.compile(rf"(?<![A-Za-z])({banned})(?![A-Za-z])", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            allowed = ALLOWED.get(match[0].lower())
            if not (allowed and re.search(allowed, line)):
                yield number, line.strip()


@pytest.mark.parametrize("banned", BANNED)
def test_no_banned_word_is_used(banned):
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line}"
        for path in list_files()
        for number, line in find_banned(path.read_text(encoding="utf-8"), banned)
    ]
    assert not found, f"use instead: {BANNED[banned]}\n" + "\n".join(found[:20])
