"""Which observations of a run its data sets label: the others are named and masked, or refused."""

from collections.abc import Mapping, Sequence

from chexpert.console import NOTE, log
from chexpert.data.sources.layout import Layout
from chexpert.errors import UserError
from chexpert.observations import PARENTS


def note_absent(layouts: Mapping[str, Layout], observations: Sequence[str]) -> None:
    """Log which of these observations a data set does not label: they are masked, and never count as negative.

    Args:
        layouts: the copy of each split.
        observations: that a run learns.

    Raises:
        UserError: it labels none of them.
    """
    for layout in {layout.name: layout for layout in layouts.values()}.values():
        absent = [name for name in observations if name in layout.absent]
        if len(absent) == len(observations):
            message = f"{layout.name} labels none of {', '.join(observations)}"
            hint = "choose others (observations=all), or another data set"
            raise UserError(message, code="missing-labels", where=str(layout.folder), hint=hint)
        if absent:
            log.log(NOTE, f"{layout.name} does not label, so masked and not evaluated: {', '.join(absent)}")


def check_conditional(layout: Layout, observations: Sequence[str]) -> None:
    """Check that a data set labels the parent of each observation that it labels: else nothing is conditional.

    Raises:
        UserError: it does not.
    """
    own = [name for name in observations if name not in layout.absent]
    lacking = dict.fromkeys(PARENTS[name] for name in own if PARENTS.get(name) in layout.absent)
    if lacking:
        message = f"{layout.name} does not label {', '.join(lacking)}, on which others depend"
        hint = "learn without parents: labels=zeros, and no labels.conditional=true"
        raise UserError(message, code="missing-labels", where="labels.conditional", hint=hint)
