"""Height and width of the model's input. A config has one whole number for a square, or a list of both."""

from typing import NamedTuple


class ImageSize(NamedTuple):
    """Height and width in pixels; everywhere but in configs, files and messages the size of images is one of these.

    >>> ImageSize.of(224), ImageSize.of([384, 320])
    (ImageSize(height=224, width=224), ImageSize(height=384, width=320))
    """

    height: int
    width: int

    @classmethod
    def of(cls, value: object) -> "ImageSize":
        """Read a size as a config or a file has it: a whole number, or a list of height and width.

        Raises:
            ValueError: it is neither, or below 1.
        """
        sides = value if isinstance(value, list | tuple) else [value, value]
        if len(sides) != 2 or not all(isinstance(side, int) and side is not True and side > 0 for side in sides):
            raise ValueError(f"{value!r} is no size of images")
        return cls(*sides)

    @property
    def plain(self) -> int | list[int]:
        """As a config or a file has it."""
        return self.height if self.is_square else [*self]

    @property
    def setting(self) -> str:
        """As the command line has it.

        >>> ImageSize(224, 224).setting, ImageSize(384, 320).setting
        ('224', '[384,320]')
        """
        return str(self.plain).replace(" ", "")

    @property
    def is_square(self) -> bool:
        """Return whether both sides are equal."""
        return self.height == self.width

    @property
    def pixels(self) -> int:
        """Return the number of pixels."""
        return self.height * self.width

    def __str__(self) -> str:
        """As messages have it.

        >>> f"{ImageSize(224, 224)} px, {ImageSize(384, 320)} px"
        '224 px, 384 x 320 px'
        """
        return str(self.height) if self.is_square else f"{self.height} x {self.width}"


DEFAULT = ImageSize(224, 224)
"""Where ``data.image_size`` is not given; a test compares it with the data module's."""
