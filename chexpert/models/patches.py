"""The cells into which a network cuts its images, and the sizes of images that they fill."""

from collections.abc import Iterator
from math import prod, sqrt
from typing import Any

from timm.layers import PatchEmbed

from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.models.public_weights import fitting_sizes


class PatchGrid:
    """The patches of a transformer; of another network, the cells of its last map.

    Args:
        net: of timm.
        name: of the network.
        channels: that the network takes: inner layers may cut patches too.
    """

    def __init__(self, net: Any, name: str, channels: int) -> None:
        self.name, self._net = name, [net]  # in a list: a reference, no part of it
        embeds = (module for module in net.modules() if isinstance(module, PatchEmbed))
        self._embed = next((module for module in embeds if module.proj.in_channels == channels), None)
        self._prefix_tokens = getattr(net, "num_prefix_tokens", 0)

    @property
    def cuts(self) -> bool:
        """Whether the network itself cuts patches, as a transformer does."""
        return self._embed is not None

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width in pixels of a patch, or of a cell of the last map: multiples of them leave nothing over."""
        if self._embed is not None:
            high, wide = self._embed.patch_size
            return high, wide
        side = max((info["reduction"] for info in getattr(self._net[0], "feature_info", [])), default=32)
        return side, side

    def find(self, tokens: int, size: ImageSize) -> tuple[int, tuple[int, int]]:
        """Return how many class and register tokens come first, and rows and columns of the patches behind them.

        Args:
            tokens: that the network puts out.
            size: of the images.

        Raises:
            UserError: these tokens are no grid.
        """
        # CaiT, XCiT: a stage has no class token yet; VOLO has one and does not say so
        for before in (self._prefix_tokens, 0, 1):
            for grid in self._list_grids(tokens - before, size):
                if prod(grid) == tokens - before:
                    return before, grid
        message = f"{self.name} puts out {tokens} tokens, which are no grid on images of {size} px"
        raise UserError(
            message, code="feature-map", where="backbone.name", hint="a network that keeps one token for each patch"
        )

    def check(self, size: ImageSize, place: str) -> None:
        """Check that patches fill images of this size: its last rows would be unseen, and every map stretched.

        Args:
            size: of the images.
            place: key of the network in the config, for the hint.

        Raises:
            UserError: they do not, or the network was made for another size.
        """
        if self._embed is None:
            return
        high, wide = self.cell
        if size.height % high or size.width % wide:
            message = (
                f"patches of {high} x {wide} pixels ({self.name}) do not fill images of {size.height} x {size.width}"
            )
            fits = fitting_sizes(size, self.cell)
            hint = " or ".join(f"data.image_size={fit.setting} {_say_size(fit, place)}" for fit in fits)
            raise UserError(message, code="image-size", where="data.image_size", hint=hint)
        own = self._embed.img_size if self._embed.strict_img_size else None
        if own and tuple(own) != size:
            message = f"{self.name} takes images of {own[0]} x {own[1]} pixels, not {size.height} x {size.width}"
            hint = f"data.image_size={ImageSize(*own).setting}, or {_say_size(size, place)}"
            raise UserError(message, code="image-size", where="data.image_size", hint=hint)

    def _list_grids(self, tokens: int, size: ImageSize) -> Iterator[tuple[int, int]]:
        """Rows and columns of patches, where each may have a token; and of square cells, since some networks pool."""
        if self._embed is not None:
            high, wide = self._embed.patch_size
            yield size.height // high, size.width // wide
        if tokens > 0:
            cell = sqrt(size.pixels / tokens)
            yield round(size.height / cell), round(size.width / cell)


def _say_size(size: ImageSize, place: str) -> str:
    return f"+{place}.options.img_size={size.setting}"
