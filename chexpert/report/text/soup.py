"""A weight soup as text: what it was made of, how, and how it compares."""

import shlex
from typing import Any

from chexpert.report.text.members import describe_members
from chexpert.report.text.values import format_number
from chexpert.runs import files as run_files


def describe_soup(soup: Any) -> str:
    """Describe a soup.

    Args:
        soup: a :class:`chexpert.inference.soup.Soup`.
    """
    lines = [f"soup:          {len(soup.chosen)} of {len(soup.members)} members; shared start: {soup.start}"]
    if soup.steps:
        lines.append(f"  greedy, by the mean AUROC on {soup.chosen_on}:")
        for step in soup.steps:
            name = soup.members[step["member"]].name
            lines.append(f"    {format_number(step['value'], 4)}  {'taken' if step['taken'] else 'left out'}  {name}")
    else:
        lines += [f"  {soup.members[place].name}" for place in soup.chosen]
    lines.append(
        f"  batch normalization: statistics of {soup.images:,} training images"
        if soup.images
        else "  batch normalization: nothing to compute"
    )
    lines += [f"note: {note}" for note in soup.notes]
    lines += [describe_members(content, split, "the soup") for split, content in soup.comparisons.items()]
    fitted = (soup.folder / run_files.CALIBRATION).is_file()
    lines.append(f"calibration:   {'fitted anew on ' + soup.chosen_on if fitted else describe_missing(soup)}")
    lines.append(f"written:       {soup.folder}")
    lines.append(f"gate:          not fitted; {shlex.join(['chexpert', 'gate', str(soup.folder)])}")
    return "\n".join(lines)


def describe_missing(soup: Any) -> str:
    """Return why there is no calibration."""
    return "none, no split is left to fit it on" if soup.chosen_on is None else "none"
