"""Rows or columns of an image that is carried to another size: which pixels each place needs, with their weights."""

import torch

LEAST_PART = 1e-3
"""OpenCV leaves out a smaller part of a pixel at the border of a block."""
TAPS = 17
"""Pixels along a side of a block, up to which sums have the order that OpenCV's have."""
WEIGHT_BITS = 2048
"""The weights of ``cv2.resize`` are whole multiples of one over it."""


class Axis:
    """Rows or columns: of the averaged image, which ones are needed for each of the result's.

    Args:
        side: of the image, () float64.
        file: of the image in its file, () float64.
        reduced: pixels of the file for one of the image, () float64.
        factor: by which blocks of pixels are averaged.
        scale: pixels of the result for one of the file, () float64.
        length: of the result.
        is_row: rows; OpenCV rounds those otherwise than columns.
    """

    def __init__(
        self, side: torch.Tensor, file: torch.Tensor, reduced: torch.Tensor, factor: torch.Tensor, scale: torch.Tensor,
        length: int, is_row: bool,
    ) -> None:  # fmt: skip
        self.length, self.is_row, self.reduced = length, is_row, reduced
        self.count = torch.floor(side / factor).clamp(min=1)
        """Of the averaged image."""
        self.cell, self.side = side / self.count, side
        self.is_whole = self.cell == torch.floor(self.cell)
        block = reduced * side / self.count
        slope = scale * block
        shift = scale * (block - 1) / 2 + ((length - 1) / 2 - scale * (file - 1) / 2)
        inverse = slope * (1 / (slope * slope))
        places, offset = torch.arange(length, dtype=torch.float64), -inverse * shift
        if is_row:
            source = inverse.float() * places.float() + offset.float()
        else:  # multiplied and added with one rounding
            source = (inverse.float().double() * places + offset.float().double()).float()
        low = torch.floor(source)
        self.fraction = source - low
        self.weight = torch.zeros(length, dtype=torch.float64)
        self._low, self._high = low.double(), low.double() + 1

    def choose_stretch(self) -> "Axis":
        """Take the places and weights of ``cv2.resize`` where the image is as it is in its file."""
        step = 1 / (self.length / self.count)
        source = ((torch.arange(self.length, dtype=torch.float64) + 0.5) * step - 0.5).float()
        low = torch.floor(source)
        fraction, low = source - low, low.double()
        if not self.is_row:
            border = (low < 0) | (low >= self.count - 1)
            fraction = torch.where(border, torch.zeros_like(fraction), fraction)
        self.weight = torch.round(fraction * WEIGHT_BITS).double()
        self._zero_weight = torch.round((1 - fraction) * WEIGHT_BITS).double()
        plain = self.reduced == 1
        self._low = torch.where(plain, low, self._low)
        self._high = torch.where(plain, low + 1, self._high)
        self.weight = torch.stack([self._zero_weight, self.weight])
        return self

    @property
    def indices(self) -> "Blocks":
        """Both neighbors of each place, the lower ones first."""
        places = torch.minimum(torch.cat([self._low, self._high]).clamp(min=0), self.count - 1)
        return Blocks.make(places, self.cell, self.side)

    @property
    def inside(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Whether the lower and the upper neighbor lie in the image, (length,) or (length, 1) bool each."""
        both = [(place >= 0) & (place < self.count) for place in (self._low, self._high)]
        return (both[0][:, None], both[1][:, None]) if self.is_row else (both[0], both[1])


class Blocks:
    """Blocks of pixels along one axis: their first and last whole pixels, and the weights of left, whole, right ones.

    All are (K,); the weights are float32's. Left and right are the pixels that a border cuts.
    """

    def __init__(self, first: torch.Tensor, last: torch.Tensor, weights: list[torch.Tensor]) -> None:
        self.first, self.last, self.weights = first, last, weights

    @classmethod
    def make(cls, places: torch.Tensor, cell: torch.Tensor, side: torch.Tensor) -> "Blocks":
        """Return blocks of ``cell`` pixels at these places, in an image of ``side`` pixels."""
        begin = places * cell
        end, width = begin + cell, torch.minimum(cell, side - begin)
        last = torch.minimum(torch.floor(end), side - 1)
        first = torch.minimum(torch.ceil(begin), last)
        before, behind = first - begin, end - last
        left = torch.where(before > LEAST_PART, before / width, torch.zeros_like(before))
        part = torch.minimum(behind.clamp(max=1), width) / width
        right = torch.where(behind > LEAST_PART, part, torch.zeros_like(part))
        weights = [weight.float().double() for weight in (left, 1 / width, right)]
        return cls(first.long(), last.long(), weights)

    def sum(self, values: torch.Tensor, dim: int) -> torch.Tensor:
        """Return the weighted sums of the blocks along a dimension, by running sums, float64.

        Args:
            values: whole numbers as int32, or float64.
            dim: dimension.
        """
        sums = values.cumsum(dim, dtype=values.dtype)
        own = [self._shape(weight, values, dim) for weight in self.weights]

        def at(source: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            found = source.index_select(dim, index.clamp(min=0)).double()
            return torch.where(self._shape(index >= 0, values, dim), found, torch.zeros_like(found))

        whole = at(sums, self.last - 1) - at(sums, self.first - 1)
        return own[0] * at(values, self.first - 1) + own[1] * whole + own[2] * at(values, self.last)

    def add_in_order(self, values: torch.Tensor, dim: int) -> torch.Tensor:
        """Return the weighted sums of the blocks along a dimension, pixel after pixel in float32 as OpenCV adds them.

        Blocks of more than :data:`TAPS` pixels are cut: see :func:`average`.
        """
        left, middle, right = (weight.float() for weight in self.weights)
        places = self.first - (left > 0).long() + torch.arange(TAPS)[:, None]
        weights = torch.where(places < self.first, left, torch.where(places < self.last, middle, right))
        weights = weights * (places <= self.last)
        places = torch.minimum(places, self.last)
        total: torch.Tensor | None = None
        for place, weight in zip(places.unbind(), weights.unbind(), strict=True):
            own = values.index_select(dim, place) * self._shape(weight, values, dim)
            total = own if total is None else total + own
        assert total is not None
        return total

    @staticmethod
    def _shape(own: torch.Tensor, values: torch.Tensor, dim: int) -> torch.Tensor:
        return own.view(-1, *[1] * (values.ndim - 1 - dim))
