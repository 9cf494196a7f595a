"""A network that sees an image as patches, each on its own."""

from typing import Any

import torch
from torch.nn.functional import fold, interpolate, pad

from chexpert.errors import OWN, UserError
from chexpert.image_size import ImageSize
from chexpert.models.backbone import Backbone
from chexpert.models.pooling import CLASS_TOKEN, pool_map


class PatchBackbone(Backbone):
    """A network that sees square patches of an image one by one; its feature map has one cell for each of them.

    Behind average pooling a linear classifier puts out the mean of the patches' logits. Nothing of the image outside a
    patch counts for its logit, so that the map of these logits is the model itself and no explanation made afterwards.
    Source: Wienholt et al. 2025, MedicalPatchNet (arxiv.org/abs/2509.07477), with patches of 64 pixels in images of
    512 x 512.

    Args:
        name: any timm model name of a convolutional network.
        patch: height and width of a patch in pixels of the image that the network gets.
        step: pixels from one patch to the next, below ``patch`` for patches that overlap; by default ``patch``.
        settings: further arguments of :class:`Backbone`; ``pooling`` is that of the patches' features.
    """

    def __init__(self, name: str, patch: int = 32, step: int | None = None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.patch, self.step = patch, step or patch
        if self.grid.cuts:
            message, hint = f"{name} cuts patches of its own", "a convolutional network, such as resnet10t"
            raise UserError(message, code="conflict", where=f"{self.place}.name", hint=hint)

    @staticmethod
    def validate_args(
        name: str, *others: Any, patch: object = 32, step: object = None, **settings: Any
    ) -> list[UserError]:
        """Return the errors in these arguments, before anything is built."""
        errors = Backbone.validate_args(name, *others, **settings)
        for key, value in (("patch", patch), ("step", step)):
            if not (isinstance(value, int) and value > 0 and value is not True) and (key, value) != ("step", None):
                hint = "pixels, such as 32"
                errors.append(UserError(f"{value!r} is not possible", code="value", where=f"{OWN}{key}", hint=hint))
        if not errors and isinstance(step, int) and step > patch:  # type: ignore[operator]
            message = f"pixels between patches of {patch} would be unseen"
            errors.append(UserError(message, code="value", where=f"{OWN}step", hint=f"{patch}, or less for an overlap"))
        if settings.get("pooling") in CLASS_TOKEN:
            message, hint = "patches have no class token", "avg, max, lse or pcam"
            errors.append(UserError(message, code="conflict", where=f"{OWN}pooling", hint=hint))
        return errors

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the features (B, K, rows, columns) of the patches of images (B, 1, H, W).

        Raises:
            UserError: the patches do not fill the images.
        """
        rows, columns = self.count_patches(ImageSize(*images.shape[-2:]))
        patches = images.unfold(2, self.patch, self.step).unfold(3, self.patch, self.step)
        maps = super().forward(patches.reshape(-1, 1, self.patch, self.patch))
        return (
            pool_map(maps, "avg")
            .unflatten(0, (images.shape[0], rows * columns))
            .transpose(1, 2)
            .unflatten(2, (rows, columns))
        )

    def count_patches(self, size: ImageSize) -> tuple[int, int]:
        """Return the rows and columns of patches in images of this size.

        Raises:
            UserError: pixels are left over: they would be unseen.
        """
        counts = [(side - self.patch) / self.step + 1 for side in size]
        if all(count >= 1 and count.is_integer() for count in counts):
            return int(counts[0]), int(counts[1])
        beside = f" every {self.step}" * (self.step < self.patch)
        message = f"patches of {self.patch} x {self.patch} pixels{beside} do not fill images of {size}"
        fits = ImageSize(*(self.patch + max(round(count) - 1, 0) * self.step for count in counts))
        hint = f"data.image_size={fits.setting}, or another {self.place}.patch"
        raise UserError(message, code="image-size", where="data.image_size", hint=hint)

    def spread(self, values: torch.Tensor, size: ImageSize) -> torch.Tensor:
        """Give each pixel the mean value of the patches that it lies in.

        Args:
            values: (B, rows, columns), one of each patch.
            size: of the images, in pixels.

        Returns:
            (B, H, W).
        """
        cells = values.flatten(1)[:, None].expand(-1, self.patch**2, -1)
        both = torch.cat([cells, torch.ones_like(cells[:1])])
        sums = fold(both, tuple(size), self.patch, stride=self.step)[:, 0]
        return sums[:-1] / sums[-1]

    def interpolate(self, values: torch.Tensor) -> torch.Tensor:
        """Interpolate between the centers of patches, and repeat the values of the outermost ones up to the border.

        Args:
            values: (B, rows, columns), one of each patch.

        Returns:
            (B, H, W).
        """
        rows, columns = values.shape[1:]
        inner = (rows * self.step, columns * self.step)
        before, over = (self.patch - self.step) // 2, self.patch - self.step
        found = interpolate(values[:, None].float(), inner, mode="bilinear", align_corners=False)
        return pad(found, (before, over - before, before, over - before), mode="replicate")[:, 0]

    @property
    def title(self) -> str:
        """The network, and how it sees an image."""
        beside = f" every {self.step}" * (self.step < self.patch)
        return f"{self.name} on patches of {self.patch} x {self.patch} px{beside}"

    def layer_at(self, stride: int | None = None) -> str:
        """Return the name of the layer whose feature map is taken: there is one."""
        return f"{self.name}.forward_features on patches of {self.patch} px"

    def _find_stage(self, stride: int | None) -> None:
        """Return None: earlier maps are of single patches."""
