"""Whether a model takes images of a size, and sees all of them."""

import math
from contextlib import suppress

import torch

from chexpert.errors import UserError
from chexpert.explain import explaining as evaluating
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Model, fitting_sizes

WHERE = "data.image_size"


def check_input(model: Model, size: ImageSize) -> None:
    """Run the model on images: some networks take only certain sizes, or never see the last rows of others.

    Raises:
        UserError: the model cannot take images of this size, or sees less than all of them.
    """
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros(1, 1, *size, dtype=torch.uint8))
            unseen = _find_unseen(model, size)
    except Exception as error:
        if (only := _find_square_only(model, size)) is not None:
            raise only from error
        if isinstance(error, UserError):
            raise
        raise _explain_refusal(model, size, error) from error
    if any(unseen.values()):
        raise _explain_unseen(model, size, unseen)


def _find_unseen(model: Model, size: ImageSize) -> dict[str, list[Backbone]]:
    """The members that never see the last ``row`` of an image, and its last ``column``."""
    images = torch.zeros(2, 1, *size)
    images[0, :, -1], images[1, :, :, -1] = torch.nan, torch.nan  # passes through weights of any value, zeros included
    maps = model.feature_maps(images)
    return {
        edge: [model.members[name] for name, own in maps.items() if not own[n].isnan().any()]
        for n, edge in enumerate(("row", "column"))
    }


def _explain_unseen(model: Model, size: ImageSize, unseen: dict[str, list[Backbone]]) -> UserError:
    blind = [member for member in model.members.values() if any(member in own for own in unseen.values())]
    edges = [edge for edge, own in unseen.items() if own]
    names, verb = ", ".join(member.name for member in blind), "is" if len(edges) == 1 else "are"
    heights, widths = zip(*(member.grid.cell for member in blind), strict=True)
    fits = [fit for fit in fitting_sizes(size, (math.lcm(*heights), math.lcm(*widths))) if _sees_all(model, fit)]
    hint = " or ".join(f"{WHERE}={fit.setting}" for fit in fits)
    message = f"the last {' and '.join(edges)} of {size} px {verb} never seen by {names}"
    return UserError(message, code="image-size", where=WHERE, hint=hint or _advise_own_sizes(model))


def _sees_all(model: Model, size: ImageSize) -> bool:
    with suppress(Exception), evaluating(model), torch.no_grad():
        return not any(_find_unseen(model, size).values())
    return False


def _explain_refusal(model: Model, size: ImageSize, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    message = f"the model cannot take an image of {size} px: {reason}"
    settings = [_find_setting(member, size) for member in model.members.values() if "img_size" not in member.options]
    made = " or ".join(dict.fromkeys(setting for setting in settings if "img_size" in setting))
    return UserError(message, code="image-size", where=WHERE, hint=made or _advise_own_sizes(model))


def _advise_own_sizes(model: Model) -> str:
    sizes = ", ".join(f"{WHERE}={member.made_for.setting} ({member.name})" for member in model.members.values())
    return f"{sizes}, or another backbone"


def _find_square_only(model: Model, size: ImageSize) -> UserError | None:
    """Return the error of members that take squares of both sides of a rectangle, however made, and not itself."""
    if size.is_square:
        return None
    names, hints = [], dict[str, None]()
    for member in model.members.values():
        squares = [_find_setting(member, ImageSize(side, side)) for side in sorted(size)]
        if all(squares) and not _find_setting(member, size):
            names.append(member.name)
            hints |= dict.fromkeys(filter(None, squares))
    if not names:
        return None
    message = f"{', '.join(names)} {'takes' if len(names) == 1 else 'take'} only square images, not {size} px"
    return UserError(message, code="image-size", where=WHERE, hint=f"{' or '.join(hints)}, or another backbone")


def _find_setting(member: Backbone, size: ImageSize) -> str:
    """Return the settings with which a network takes images of a size, empty where there are none.

    It is built anew, without memory for weights: some are made for the images by an option.
    """
    own, made = member.options, {"img_size": size.plain}
    for options in [own | made] if "img_size" in own else [own, own | made]:
        with suppress(Exception), torch.device("meta"), torch.no_grad():
            Backbone(member.name, options=options).eval()(torch.zeros(1, 1, *size))
            made_words = f" +{member.place}.options.img_size={size.setting}" if "img_size" in options else ""
            return f"{WHERE}={size.setting}{made_words}"
    return ""
