"""What a training step and a validation step do, for any model that maps images to logits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import GradClipAlgorithmType
from torch import nn

from chexpert.console import NOTE, log
from chexpert.data import Batch, predict_views
from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.models import LONE, Model
from chexpert.training.compiling import compile_function
from chexpert.training.layer_rates import split_layers
from chexpert.training.nan_guard import LossWatch, Step, check_weights
from chexpert.training.optimizers import fuse, start_optimizer
from chexpert.training.schedulers import start_scheduler
from chexpert.training.validation import Validation


class MultilabelModule(pl.LightningModule):
    """Trains a model by a masked loss and evaluates it by AUROC.

    Args:
        model: images (B, 1, H, W) to logits (B, C), and by ``training_logits`` to those that the loss takes.
        observations: names of the C outputs.
        mean_over: observations whose mean AUROC is ``val/auroc_mean``.
        loss: of logits, targets and mask.
        optimizer: constructor that takes the trainable parameters.
        scheduler: constructor that takes the optimizer; one that asks for ``total_steps`` is stepped every batch,
            any other every epoch.
        level: ``image`` evaluates single views, ``study`` their studies.
        study_score: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        backbone_lr_factor: learning rate of the backbones over that of the classifier.
        layer_decay: learning rate of a backbone's layer over that of the layer above it; None is one rate for all.
        unfreeze_epoch: the backbones are frozen in the epochs before this one.
        metadata: plain containers that a checkpoint carries under "chexpert", so that it loads with no flags.
        compiled: the model's part of a training step goes through torch.compile.
    """

    def __init__(
        self,
        model: Model,
        observations: Sequence[str],
        mean_over: Sequence[str],
        loss: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any],
        metadata: dict[str, Any],
        level: str = "image",
        study_score: str = "max",
        backbone_lr_factor: float = 1.0,
        unfreeze_epoch: int = 0,
        layer_decay: float | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.observations = list(observations)
        self.make_optimizer, self.make_scheduler, self.metadata = optimizer, scheduler, metadata
        self.backbone_lr_factor, self.unfreeze_epoch = backbone_lr_factor, unfreeze_epoch
        self.layer_decay = layer_decay
        self.trained = [backbone for backbone in model.members.values() if not backbone.frozen]
        """The backbones that are not frozen for good."""
        self.compiled = compile_function(model.training_logits) if compiled else None
        self.watch = LossWatch()
        self.validation = Validation(observations, mean_over, level, study_score)
        self.transforms: torch.Tensor | None = None
        """(K, 2, 3) views of an image over which predictions are averaged; None: the image as it is."""
        self.replayed: Mapping[str, Any] | None = None
        """The state of an earlier validation that the next one begins with."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor | None:
        if not batch.paths:  # every view of it was skipped
            if self._is_single_process:
                return None
            batch = stand_in(batch)
        logits = self._learn(batch)
        if logits is None:
            return None
        loss = self.loss(logits, batch.targets, batch.mask)
        self.watch.see(loss, Step(self.current_epoch, self.global_step, batch_idx, batch.paths))
        loss = self._linearize(loss, batch.mask)
        if self._logs:  # on any other step Lightning's log would cost, and write nothing
            self.log("train/loss", loss, batch_size=len(batch.paths), sync_dist=True)
        return loss

    def _learn(self, batch: Batch) -> torch.Tensor | None:
        """Logits of a training step; None where the one image that others were skipped beside teaches nothing.

        Raises:
            UserError: BatchNorm is given a single value, of which it cannot learn.
        """
        try:
            return (self.compiled or self.model.training_logits)(batch.images)
        except ValueError as error:
            if LONE not in str(error):
                raise
            if batch.skipped and self._is_single_process:
                reason = "no step: it is alone in its batch, and BatchNorm learns nothing from one value"
                log.log(NOTE, f"{', '.join(batch.paths)}: {reason}")
                return None
            size = ImageSize(*batch.images.shape[-2:])
            message = f"BatchNorm cannot learn from one image of {size} px: its last map has one cell"
            hint = "data.batch_size: 2 or more on each device; or data.image_size: larger; or frozen backbones"
            raise UserError(message, code="batch-size", where="data.batch_size", hint=hint) from error

    def _linearize(self, loss: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """A loss whose mean over the processes is that of the whole batch: they may have unlike numbers of labels."""
        if self._is_single_process:
            return loss
        own = mask.sum().float()
        total = own.clone()
        torch.distributed.all_reduce(total)
        return loss * (own * self.trainer.world_size / total.clamp(min=1))

    def check_finite(self) -> None:
        """Check the last loss and the weights before they are saved; on a GPU the loss may not have been checked yet.

        Raises:
            UserError: the last loss, or a weight, is NaN or infinite.
        """
        self.watch.check_pending()
        check_weights(self.state_dict(), f"after step {self.global_step}")

    def on_validation_epoch_start(self) -> None:
        self.validation.begin()
        if self.replayed is not None:
            self.validation.restore(self.replayed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if not batch.paths:
            return
        logits = self._evaluate(batch, f"validation batch {batch_idx}")
        self.validation.see(batch, logits, self.loss(logits, batch.targets, batch.mask))

    def predict_step(self, batch: Batch, batch_idx: int) -> list[tuple[int, str, list[float]]]:
        """Return row, path and C probabilities of each view."""
        if not batch.paths:
            return []

        def predict(images: torch.Tensor) -> torch.Tensor:
            return self._evaluate(batch._replace(images=images), f"batch {batch_idx} to predict").sigmoid()

        probabilities = predict_views(predict, batch.images, self.transforms)
        return list(zip(batch.rows, batch.paths, probabilities.tolist(), strict=True))

    def _evaluate(self, batch: Batch, where: str) -> torch.Tensor:
        """Logits (B, C) in float32, as explainers and chexpert.load compute them."""
        with torch.autocast(self.device.type, enabled=False):
            logits = self(batch.images)
        if not torch.isfinite(logits).all():  # a ranking of NaN would still give an AUROC
            where = f"{where}, with " + ", ".join(batch.paths)
            raise UserError(
                "the model puts out NaN or infinity", code="nan", where=where, hint="take trainer.precision=32-true"
            )
        return logits

    def on_validation_epoch_end(self) -> None:
        if not self._is_single_process:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            skipped, flagged = self.validation.gather(self.trainer.world_size, data.skipped, data.flagged)
            data.flagged |= flagged
            data.add_skipped(skipped)
        loss = self.validation.evaluate_run()
        values = {f"val/auroc/{name}": auroc.value for name, auroc in self.validation.auroc.items()}
        self.log_dict(values | {"val/loss": loss}, logger=self._fitting)
        mean, _ = self.validation.find_mean()
        self.log("val/auroc_mean", mean, logger=self._fitting)  # not on the bar: no bare mean is printed

    def on_train_start(self) -> None:
        self._freeze()  # a run that resumes within an epoch has no start of it

    def on_train_epoch_start(self) -> None:
        self._freeze()

    def _freeze(self) -> None:
        for backbone in self.trained:
            backbone.freeze(self.current_epoch < self.unfreeze_epoch)
            backbone.train(self.training)

    def start_optimizer(self) -> torch.optim.Optimizer:
        """Build the optimizer of all weights that are ever trained; it skips those that have no gradient yet."""
        for backbone in self.trained:
            backbone.freeze(False)
        backbones = [p for backbone in self.trained for p in backbone.parameters()]
        duals: list[nn.Parameter] = getattr(self.loss, "dual_parameters", list)()
        apart = {id(p) for p in (*backbones, *duals)}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in apart]
        precision = str(self.trainer.precision) if self._trainer else ""
        make = fuse(self.make_optimizer, self.device.type, precision)
        trained = {name: member for name, member in self.model.members.items() if member in self.trained}
        layers = split_layers(trained, self.layer_decay, self.backbone_lr_factor) if self.layer_decay else []
        return start_optimizer(make, backbones, others, duals, self.backbone_lr_factor, layers)

    def ignore_unused_in_ddp(self, size: ImageSize) -> None:
        """Exclude the parts behind the last feature map, so that other processes do not wait for their gradients."""
        self.eval()
        self.model.training_logits(torch.zeros(1, 1, *size, dtype=torch.uint8)).sum().backward()
        self.train()
        model = self.model.named_parameters()
        self._ddp_params_and_buffers_to_ignore = [f"model.{name}" for name, weight in model if weight.grad is None]
        self.zero_grad()

    def configure_optimizers(self) -> Any:
        optimizer = self.start_optimizer()
        scheduler, interval = start_scheduler(
            self.make_scheduler, optimizer, lambda: int(self.trainer.estimated_stepping_batches)
        )
        schedule = {"scheduler": scheduler, "interval": interval, "monitor": "val/auroc_mean"}  # of a plateau
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: Any = None,
    ) -> None:
        """Clip as Lightning does, in bfloat16 with a fused optimizer too, which it refuses as if losses were scaled."""
        plugin = self.trainer.precision_plugin
        if not gradient_clip_val or not isinstance(plugin, MixedPrecision) or plugin.scaler is not None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        algorithm = GradClipAlgorithmType(gradient_clip_algorithm or GradClipAlgorithmType.NORM)
        Precision.clip_gradients(plugin, optimizer, gradient_clip_val, algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_finite()
        checkpoint["chexpert"] = self.metadata

    @property
    def _logs(self) -> bool:
        """Whether this is one of the steps that are logged, as Lightning counts them."""
        every = self._trainer.log_every_n_steps if self._trainer else 0  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    @property
    def _is_single_process(self) -> bool:
        """No other process trains the same model."""
        return not self._trainer or self._trainer.world_size == 1

    @property
    def _fitting(self) -> bool:
        """False in the final validation, which evaluates the best weights again and has no place on the curves."""
        return self.trainer.state.fn == TrainerFn.FITTING


def stand_in(batch: Batch) -> Batch:
    """Return a batch of an empty image that is masked: the other processes wait for this one in every step."""
    images, targets, mask = (part.new_zeros(1, *part.shape[1:]) for part in batch[:3])
    return batch._replace(images=images, targets=targets, mask=mask)
