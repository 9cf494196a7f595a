"""The way from a decoded image to the model's size, in tensor operations alone, so that an exported graph holds it.

:class:`chexpert.data.preprocessing.Preprocessing` does it by OpenCV: whole pixel blocks are averaged (INTER_AREA), then
``cv2.resize`` interpolates with weights of 11 bits, or ``cv2.warpAffine`` with float32. All three act on rows and
columns apart. So each pixel of the result needs two rows and two columns of the averaged image, and each of these is a
difference of running sums of the image: the shapes in between do not depend on the size of the image.
"""

import torch
from torch import nn

from chexpert.image_size import ImageSize
from chexpert.inference.exported.resampled_axis import TAPS, Axis, Blocks


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

    def _make_axes(self, images: torch.Tensor, file_size: torch.Tensor) -> list[Axis]:
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
