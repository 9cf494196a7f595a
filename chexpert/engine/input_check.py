"""Whether a model takes images of a size, and sees all of them."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.explain import explaining as evaluating
from chexpert.image_size import ImageSize
from chexpert.models import Model, fitting_sizes

WHERE = "data.image_size"


def check_input(model: Model, size: ImageSize) -> None:
    """Run the model on images: some networks take only certain sizes, or never see the last rows of others.

    Raises:
        UserError: the model cannot take images of this size, or sees less than all of them.
    """
    edged = torch.zeros(2, 1, *size)  # the last row of one is NaN, which passes through weights of any value, and
    edged[0, :, -1], edged[1, :, :, -1] = torch.nan, torch.nan  # zeros included; the last column of the other
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros(1, 1, *size, dtype=torch.uint8))
            maps = model.feature_maps(edged)
    except UserError:
        raise
    except Exception as error:
        raise _explain_refusal(model, size, error) from error
    _check_edges(model, size, maps)


def _explain_refusal(model: Model, size: ImageSize, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    if not size.is_square and (names := _list_square_only(model, size)):
        message = f"{', '.join(names)} takes only square images, not {size} px: {reason}"
        squares = " or ".join(f"{WHERE}={side}" for side in sorted(size))
        return UserError(message, code="image-size", where=WHERE, hint=f"{squares}, or another backbone")
    message = f"the model cannot take an image of {size} px: {reason}"
    sizes = ", ".join(f"{WHERE}={member.made_for.setting} ({member.name})" for member in model.members.values())
    return UserError(message, code="image-size", where=WHERE, hint=f"{sizes}, or another backbone")


def _list_square_only(model: Model, size: ImageSize) -> list[str]:
    """Members that take squares of either side of a rectangle, and not the rectangle."""
    squares = [ImageSize(side, side) for side in size]
    with evaluating(model):
        return [
            member.name
            for member in model.members.values()
            if not _takes(member, size) and all(_takes(member, square) for square in squares)
        ]


def _takes(member: nn.Module, size: ImageSize) -> bool:
    try:
        with torch.no_grad():
            member(torch.zeros(1, 1, *size))
    except Exception:
        return False
    return True


def _check_edges(model: Model, size: ImageSize, maps: Mapping[str, torch.Tensor]) -> None:
    """Raise where the NaN of an edge does not come to the map of a member."""
    unseen = {
        edge: [name for name in maps if not maps[name][n].isnan().any()] for n, edge in enumerate(("row", "column"))
    }
    edges = [edge for edge, names in unseen.items() if names]
    if not edges:
        return
    blind = [model.members[name] for name in maps if any(name in names for names in unseen.values())]
    heights, widths = zip(*(member.cell for member in blind), strict=True)
    fits = [fit for fit in fitting_sizes(size, (math.lcm(*heights), math.lcm(*widths))) if fit != size]
    verb = "is" if len(edges) == 1 else "are"
    names = ", ".join(member.name for member in blind)
    raise UserError(
        f"the last {' and '.join(edges)} of {size} px {verb} never seen by {names}",
        code="image-size",
        where=WHERE,
        hint=" or ".join(f"{WHERE}={fit.setting}" for fit in fits) or "another backbone",
    )
