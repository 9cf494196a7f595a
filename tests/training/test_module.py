"""Steps, schedules and metrics, with a model of one linear layer."""

import math
from functools import partial

import pytest
import torch
from helpers.errors import raises
from helpers.modules import NAMES, Pixels, Rates, identity, load, make_batch, make_module, make_trainer
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, StepLR

from chexpert.data import Batch
from chexpert.models import Backbone, Single
from chexpert.models.output_head import OutputHead
from chexpert.training import MaskedBCE, MultilabelModule

# Lightning warns of a fit without validation, a step without a trainer, frozen parts, and its own use of torch.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*val_dataloader", "ignore:.*self.log", "ignore:.*in eval mode", "ignore:.*LeafSpec"
)


def fit_rates(scheduler):
    """Return the learning rates of two epochs of three steps."""
    rates, batch = Rates(), make_batch([[0, 1]])
    make_trainer(callbacks=[rates]).fit(make_module(scheduler=scheduler), load(batch, batch, batch))
    return rates.seen


def linear(optimizer, total_steps, until=0.0):
    return LambdaLR(optimizer, lambda step: 1 + (until - 1) * step / total_steps)


def validate(*batches):
    """Return the metrics of a validation with logits equal to pixels, and its module."""
    module, trainer = make_module(identity()), make_trainer()
    trainer.validate(module, load(*batches), verbose=False)
    return {key: value.item() for key, value in trainer.callback_metrics.items()}, module


def test_scheduler_with_total_steps_steps_every_batch():
    expected = [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert fit_rates(linear) == pytest.approx(expected)


def test_partial_scheduler_with_total_steps_steps_every_batch():
    assert fit_rates(partial(linear, until=0.5)) == pytest.approx([1, 11 / 12, 10 / 12, 9 / 12, 8 / 12, 7 / 12])


def test_other_schedulers_step_every_epoch():
    assert fit_rates(partial(StepLR, step_size=1, gamma=0.5)) == [1, 1, 1, 0.5, 0.5, 0.5]


def test_nan_loss_is_an_error_with_the_views():
    batch = make_batch([[math.nan, 0]] * 5, name="CheXpert-v1.0-small/train/view")
    with raises("nan", "training batch 7, with " + ", ".join(batch.paths)):
        make_module(identity()).training_step(batch, 7)


def test_fit_stops_before_the_step_of_a_nan_loss():
    good, bad = make_batch([[0, 1]]), make_batch([[math.nan, 0]], name="bad")
    weights = []
    for batches in ([good, good], [good, good, bad, good]):
        torch.manual_seed(0)
        module = make_module()
        if len(batches) > 2:
            with raises("nan", "training batch 2, with bad0") as caught:
                make_trainer(max_epochs=1).fit(module, load(*batches))
            assert "epoch 0, step 2" in caught.value.message
        else:
            make_trainer(max_epochs=1).fit(module, load(*batches))
        weights.append(module.model.head.weight.tolist())
    assert weights[0] == weights[1]


def test_infinite_weights_are_not_saved():
    module = make_module()
    module.model.head.bias.data[0] = math.inf
    with raises("nan", "after step 0") as caught:
        module.on_save_checkpoint({})
    assert "model.head.bias" in caught.value.message


def test_loss_is_logged_every_n_steps(monkeypatch):
    module, batch, logged = make_module(), make_batch([[0, 1]]), []
    monkeypatch.setattr(module, "log", lambda name, *_, **__: logged.append((name, module.global_step)))
    make_trainer(max_epochs=1, log_every_n_steps=3).fit(module, load(*[batch] * 7))
    assert logged == [("train/loss", 2), ("train/loss", 5)]


def test_compiling_keeps_the_keys_of_a_checkpoint():
    args = NAMES, NAMES, MaskedBCE(), partial(torch.optim.SGD, lr=1.0), partial(StepLR, step_size=1), {}
    compiled, plain = MultilabelModule(Pixels(), *args, compiled=True), MultilabelModule(Pixels(), *args)
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_training_uses_three_classes_and_validation_observations():
    model = Pixels(OutputHead(2, uncertain=[1]))
    model.head.weight.data.zero_()
    model.head.bias.data = torch.tensor([0, math.log(3), math.log(4)])  # p ~ (1, 3, 4) for the second observation
    certain = make_batch([[5, 5]], targets=[[0, 1, 0]], mask=[[True, True, True]])
    unsure = make_batch([[5, 5]], targets=[[0, 0, 1]], mask=[[True, False, True]])
    module = make_module(model)
    assert module.training_step(certain, 0).item() == pytest.approx((math.log(2) - math.log(3 / 8)) / 3)
    assert module.training_step(unsure, 0).item() == pytest.approx((math.log(2) - math.log(4 / 8)) / 2)
    make_trainer().validate(module, load(make_batch([[5, 5]])), verbose=False)
    assert module.validation.scores.rows()[0].tolist() == [pytest.approx([0.5, 0.75])]


def test_predictions_are_probabilities_with_their_paths():
    batches = [make_batch([[0, math.log(3)]], name="a"), make_batch([[0, 0], [1, 0]], name="b")]
    batches = [batch._replace(rows=list(range(len(batch.paths)))) for batch in batches]
    empty = Batch(torch.zeros(0, 1, 1, 2), torch.zeros(0, 2), torch.zeros(0, 2).bool(), [], ["gone"])
    found = make_trainer().predict(make_module(identity()), load(*batches, empty))
    assert [path for rows in found for _, path, _ in rows] == ["a0", "b0", "b1"]
    assert found[0] == [(0, "a0", pytest.approx([0.5, 0.75]))]
    assert found[2] == []


def test_batch_of_skipped_views_is_no_step():
    empty = Batch(torch.zeros(0, 1, 1, 2), torch.zeros(0, 2), torch.zeros(0, 2).bool(), [], ["gone"])
    assert make_module().training_step(empty, 0) is None


def test_fit_changes_no_frozen_weight():
    model = Single(Backbone("mnasnet_small", frozen=True), outputs=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = make_batch([[0.5, 1.0]])._replace(images=torch.rand(1, 1, 32, 32))
    make_trainer().fit(make_module(model), load(batch))
    moved = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert moved == ["head.weight", "head.bias"]


def test_validation_logs_each_auroc_and_their_mean():
    batches = [
        make_batch([[0, 1], [1, 0]], targets=[[0, 0], [1, 1]]),
        make_batch([[2, 3]], targets=[[0, 1]]),
    ]
    metrics, _ = validate(*batches)
    assert metrics["val/auroc/Edema"] == 0.5  # logits 0, 1, 2 with labels 0, 1, 0
    assert metrics["val/auroc/Fracture"] == 0.5  # logits 1, 0, 3 with labels 0, 1, 1
    assert metrics["val/auroc_mean"] == 0.5


def test_validation_loss_is_the_mean_over_all_unmasked_entries():
    batches = [
        make_batch([[0, 0], [0, 0]]),
        make_batch([[math.log(3), 9]], mask=[[True, False]]),
    ]
    metrics, _ = validate(*batches)
    assert metrics["val/loss"] == pytest.approx((4 * math.log(2) + math.log(4)) / 5)


def test_undefined_auroc_is_left_out_of_the_mean():
    metrics, module = validate(make_batch([[0, 1], [1, 0]], targets=[[0, 1], [1, 1]]))
    assert math.isnan(metrics["val/auroc/Fracture"])
    assert metrics["val/auroc_mean"] == 1.0
    assert module.validation.auroc["Fracture"][1:] == (2, 0)


def test_validated_paths_have_the_order_of_the_rows():
    _, module = validate(make_batch([[0, 1], [2, 3]], name="a"), make_batch([[4, 5]], name="b"))
    probabilities, _, _ = module.validation.scores.rows()
    assert module.validation.paths == ["a0", "a1", "b0"]
    assert probabilities[:, 0].logit().tolist() == pytest.approx([0, 2, 4], abs=1e-4)


def test_epoch_sees_each_batch_once(monkeypatch):
    module, batch, seen = make_module(identity()), make_batch([[0, 1], [1, 0]]), []
    score = module.model.score
    monkeypatch.setattr(module.model, "score", lambda maps: seen.append(module.training) or score(maps))
    make_trainer(max_epochs=2).fit(module, load(*[batch] * 5), load(*[batch] * 3))
    assert seen == ([True] * 5 + [False] * 3) * 2


def test_second_validation_starts_empty():
    module, trainer = make_module(identity()), make_trainer()
    for _ in range(2):
        trainer.validate(module, load(make_batch([[0, 1], [1, 0]])), verbose=False)
    assert (len(module.validation.paths), len(module.validation.scores.rows()[0])) == (2, 2)


def test_checkpoint_has_the_metadata():
    checkpoint = {}
    make_module(metadata={"observations": NAMES}).on_save_checkpoint(checkpoint)
    assert checkpoint == {"chexpert": {"observations": NAMES}}


class Normed(Pixels):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(2)

    def score(self, maps):
        return super().score({"x": self.norm(maps["x"])})


def test_batch_of_one_image_is_an_error_under_batch_norm(capsys):
    """If other images of the batch were skipped, it is no step, and a note names the image."""
    module, batch = make_module(Normed()), make_batch([[1.0, 2.0]])
    with raises("batch-size", "data.batch_size"):
        module.training_step(batch, 0)
    assert module.training_step(batch._replace(skipped=["lost"]), 0) is None
    assert "view0" in capsys.readouterr().err
