"""The way from a decoded image to the model's size, in tensor operations alone, so that an exported graph holds it.

:class:`chexpert.data.preprocessing.Preprocessing` does it by OpenCV: whole pixel blocks are averaged (INTER_AREA), then
``cv2.resize`` interpolates with weights of 11 bits, or ``cv2.warpAffine`` with float32. All three act on rows and
columns apart. So each pixel of the result needs two rows and two columns of the averaged image, and each of these is a
difference of running sums of the image: the shapes in between do not depend on the size of the image.
"""

import torch
from torch import nn

from chexpert.image_size import ImageSize

LEAST_PART = 1e-3
"""OpenCV leaves out a smaller part of a pixel at the border of a block."""
TAPS = 17
"""Pixels along a side of a block, up to which sums have the order that OpenCV's have."""
WEIGHT_BITS = 2048
"""The weights of ``cv2.resize`` are whole multiples of one over it."""


class Resampling(nn.Module):
    """Carry gray images of any size to the model's.

    Args:
        size: of the model's input.
        fit: ``stretch``, ``crop`` or ``pad``, as :class:`chexpert.data.Preprocessing` has them.
    """

    def __init__(self, size: ImageSize, fit: str) -> None:
        super().__init__()
        self.size, self.fit = size, fit

    def forward(self, images: torch.Tensor, file_size: torch.Tensor) -> torch.Tensor:
        """Return images (N, 1, H, W) uint8.

        Args:
            images: (N, h, w), uint8, or float from 0 to 255, which is rounded.
            file_size: (2,) int64, rows and columns in the file where a JPEG was read at 1/2, 1/4 or 1/8 of its size;
                otherwise 0, 0.
        """
        if images.is_floating_point():
            images = images.round().clamp(0, 255)
        axes = self._make_axes(images, file_size)
        rows, columns = (axis.indices for axis in axes)
        whole = axes[0].is_whole & axes[1].is_whole
        shrunk = average(images.to(torch.int32), rows, columns, axes[0].cell, axes[1].cell, whole)
        high, wide = self.size
        corners = [[shrunk[:, y : y + high, x : x + wide] for x in (0, wide)] for y in (0, high)]
        if self.fit == "pad":
            inside = [[a & b for b in axes[1].inside] for a in axes[0].inside]
            corners = [[c * i for c, i in zip(*pair, strict=True)] for pair in zip(corners, inside, strict=True)]
        found = interpolate_by_floats(corners, axes[0].fraction, axes[1].fraction)
        if self.fit == "stretch":
            exact = interpolate_by_integers(corners, axes[0].weight, axes[1].weight)
            found = torch.where(axes[0].reduced == 1, exact, found)
        return found.to(torch.uint8)[:, None]

    def _make_axes(self, images: torch.Tensor, file_size: torch.Tensor) -> list["Axis"]:
        sides = [torch.full((), images.shape[n], dtype=torch.float64) for n in (1, 2)]
        files = [torch.where(file_size[n] > 0, file_size[n].double(), sides[n]) for n in (0, 1)]
        reduced = torch.round(files[1] / sides[1])
        factors = [torch.floor(files[n] / (self.size[n] * reduced)) for n in (0, 1)]
        scales = [self.size[n] / files[n] for n in (0, 1)]
        larger, smaller = torch.maximum, torch.minimum
        factor = (larger if self.fit == "pad" else smaller)(*factors).clamp(min=1)
        if self.fit != "stretch":
            scale = (larger if self.fit == "crop" else smaller)(*scales)
            scales = [scale, scale]
        made = []
        for n, is_row in ((0, True), (1, False)):
            axis = Axis(sides[n], files[n], reduced, factor, scales[n], self.size[n], is_row)
            made.append(axis.choose_stretch() if self.fit == "stretch" else axis)
        return made


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


def average(
    images: torch.Tensor, rows: Blocks, columns: Blocks, high: torch.Tensor, wide: torch.Tensor, whole: torch.Tensor
) -> torch.Tensor:
    """Return the means of blocks of pixels, rounded as OpenCV rounds them, (N, rows, columns) float64.

    Blocks whose sides are whole numbers are added up exactly. In others the order of the sums decides ties; those of
    more than :data:`TAPS` pixels a side, of images 15 times larger than the model's, may differ there by one gray.

    Args:
        images: (N, h, w) int32.
        rows: of the blocks.
        columns: likewise.
        high: rows of a block, () float64.
        wide: columns of a block.
        whole: whether both are whole numbers, () bool.
    """
    means = rows.sum(columns.sum(images, 2), 1)
    ordered = rows.add_in_order(columns.add_in_order(images.float(), 2), 1).double()
    sums = torch.round(means * (high * wide))
    of_whole = torch.round((sums.float() * (1 / (high * wide)).float()).double())
    of_four = torch.floor((sums + 2) / 4)
    exact = torch.where((high == 2) & (wide == 2), of_four, of_whole)
    others = torch.round(torch.where(torch.maximum(high, wide) <= TAPS - 2, ordered, means))
    return torch.where(whole, exact, others)


def interpolate_by_integers(
    corners: list[list[torch.Tensor]], rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """Interpolate as ``cv2.resize`` does with uint8: weights of 11 bits, and sums that lose 4 and 16 bits.

    Args:
        corners: of each pixel, [above, below] of [left, right], (N, H, W) whole float64.
        rows: (2, H) weights of above and below, whole float64.
        columns: (2, W) likewise.
    """
    parts = []
    for pair, weight in zip(corners, rows[:, :, None], strict=True):
        line = torch.floor((pair[0] * columns[0] + pair[1] * columns[1]) / 16)
        parts.append(torch.floor(weight * line / 65536))
    return torch.floor((parts[0] + parts[1] + 2) / 4)


def interpolate_by_floats(corners: list[list[torch.Tensor]], rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Interpolate as ``cv2.warpAffine`` does since OpenCV 4.11: in float32, multiplied and added with one rounding.

    Args:
        corners: as of :func:`interpolate_by_integers`.
        rows: (H,) float32, from above to below.
        columns: (W,) float32, from left to right.
    """

    def mix(start: torch.Tensor, stop: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return (share.double() * (stop - start) + start).float().double()

    above, below = (mix(left, right, columns) for left, right in corners)
    return torch.round(mix(above, below, rows[:, None]))
