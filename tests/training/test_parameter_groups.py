"""Learning rates by group, and backbones that are frozen for some epochs."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.optim.lr_scheduler import ConstantLR
from torch.utils.data import DataLoader

from chexpert.data import Batch
from chexpert.models import Backbone, Combined, Single
from chexpert.training import PESG, AUCMarginLoss, MaskedBCE, MultilabelModule, OneCycle, RateMonitor, start_optimizer

pytestmark = pytest.mark.filterwarnings("ignore:.*self.log", "ignore:.*LeafSpec", "ignore:.*in eval mode")
NAMES = ["Edema", "Fracture"]
STEPS = 2


def make_module(model, scheduler=None, **options):
    optimizer = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
    scheduler = scheduler or partial(ConstantLR, factor=1.0)
    return MultilabelModule(model, NAMES, NAMES, MaskedBCE(), optimizer, scheduler, {}, **options)


def fit(module, *callbacks, epochs=3, **options):
    generator = torch.Generator().manual_seed(0)
    batches = [
        Batch(torch.rand(2, 1, 32, 32, generator=generator), torch.eye(2), torch.ones(2, 2).bool(), ["a", "b"], [])
        for _ in range(STEPS)
    ]
    loader = DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    options = quiet | {"accelerator": "cpu", "num_sanity_val_steps": 0, "limit_val_batches": 0} | options
    trainer = pl.Trainer(max_epochs=epochs, callbacks=[*callbacks], **options)
    trainer.fit(module, loader, loader, ckpt_path=None)
    return trainer


def single():
    torch.manual_seed(0)
    return Single(Backbone("mnasnet_small"), outputs=2)


def test_backbones_have_a_factor_of_the_learning_rate():
    groups = make_module(single(), backbone_lr_factor=0.1).start_optimizer().param_groups
    assert [(group["name"], group["lr"]) for group in groups] == [("backbones", pytest.approx(1e-3)), ("others", 0.01)]


def test_each_trained_parameter_is_in_one_group():
    members = {"thawed": Backbone("mnasnet_small"), "frozen": Backbone("mnasnet_small", frozen=True)}
    model = Combined(members, outputs=2)
    for factor in (1.0, 0.3):
        optimizer = make_module(model, backbone_lr_factor=factor, unfreeze_epoch=1).start_optimizer()
        found = [id(p) for group in optimizer.param_groups for p in group["params"]]
        expected = {id(p) for name, p in model.named_parameters() if "frozen" not in name}
        assert len(found) == len(set(found))
        assert set(found) == expected


class Rates(pl.Callback):
    """Notes the rates of each step, by group."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, *_):
        self.seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def test_schedule_keeps_the_factor_at_every_step():
    rates = Rates()
    fit(make_module(single(), OneCycle, backbone_lr_factor=0.1), rates)
    assert len(rates.seen) == 3 * STEPS
    assert all(backbones == pytest.approx(0.1 * others) for backbones, others in rates.seen)
    assert max(others for _, others in rates.seen) > 0.005


class Weights(pl.Callback):
    """Notes the backbone's mode after each step and its state at the end of each epoch."""

    def __init__(self):
        self.states, self.modes = [], []

    def on_train_batch_end(self, trainer, pl_module, *_):
        (backbone,) = pl_module.model.members.values()
        self.modes.append(backbone.net.training)

    def on_train_epoch_end(self, trainer, pl_module):
        (backbone,) = pl_module.model.members.values()
        self.states.append({name: value.clone() for name, value in backbone.state_dict().items()})


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_backbones_are_frozen_until_the_unfreeze_epoch():
    model, weights = single(), Weights()
    before = {name: value.clone() for name, value in model.members["backbone"].state_dict().items()}
    head = model.head.weight.detach().clone()
    fit(make_module(model, unfreeze_epoch=2), weights, limit_val_batches=1)
    assert weights.modes == [False] * 2 * STEPS + [True] * STEPS
    assert same(before, weights.states[1])  # weights and statistics; nor has weight decay moved them
    assert not same(before, weights.states[2])
    assert not torch.equal(model.head.weight, head)


def test_frozen_backbones_have_no_gradient_and_no_state():
    module = make_module(single(), unfreeze_epoch=1)
    trainer = fit(module, epochs=1)
    state = trainer.optimizers[0].state
    assert {id(p) for p in state} == {id(p) for p in module.model.head.parameters()}
    assert all(p.grad is None for p in module.model.members["backbone"].parameters())


def test_frozen_backbone_is_never_trained():
    model = Single(Backbone("mnasnet_small", frozen=True), outputs=2)
    weights = Weights()
    fit(make_module(model, unfreeze_epoch=1), weights)
    assert same(weights.states[0], weights.states[2])


@pytest.mark.parametrize("epoch", [0, 1])
def test_resumed_run_is_frozen_by_its_epoch(epoch, tmp_path):
    """A fit may begin within an epoch, without the hook of its start."""
    module = make_module(single(), unfreeze_epoch=1)
    module.start_optimizer()
    module._trainer = type("Trainer", (), {"current_epoch": epoch})()
    module.on_train_start()
    (backbone,) = module.model.members.values()
    assert backbone.net.training == backbone.training == (epoch == 1)
    assert all(p.requires_grad == (epoch == 1) for p in backbone.parameters())


def test_single_rate_is_one_group_without_a_name():
    parts = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    (group,) = start_optimizer(partial(torch.optim.SGD, lr=0.1), parts[:1], parts[1:]).param_groups
    assert "name" not in group


# Layers


def layered(pooling="avg", **options):
    torch.manual_seed(0)
    backbone = Backbone("test_vit", options={"img_size": 32, "depth": 2, **options}, pooling=pooling)
    return Single(backbone, outputs=2)


def rates_of(module):
    """Learning rate of each parameter that is trained."""
    groups = module.start_optimizer().param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rates)
    return {name: rates.get(id(p)) for name, p in module.model.named_parameters()}


def test_rates_of_layers_are_those_by_hand():
    rates = rates_of(make_module(layered(), layer_decay=0.5, backbone_lr_factor=0.1))
    powers = {"patch_embed": 3, "cls_token": 3, "pos_embed": 3, "blocks.0": 2, "blocks.1": 1, "norm": 1}
    for name, rate in rates.items():
        key = name.removeprefix("_members.backbone.net.")
        if name.startswith("head."):
            assert rate == 0.01
        else:
            (power,) = [power for start, power in powers.items() if key.startswith(start)]
            assert rate == pytest.approx(0.01 * 0.1 * 0.5**power), name


def test_each_member_has_its_own_depth():
    members = {
        "deep": Backbone("test_vit", options={"img_size": 32, "depth": 4}),
        "flat": Backbone("test_vit", options={"img_size": 32, "depth": 1}),
        "kept": Backbone("mnasnet_small", frozen=True),
    }
    module = make_module(Combined(members, outputs=2), layer_decay=0.5)
    rates = rates_of(module)
    ends = {f"{member}.{end}": rates[f"_members.{member}.net.{end}"] for member in ("deep", "flat")
            for end in ("cls_token", "norm.weight")}  # fmt: skip
    assert ends == {"deep.cls_token": 0.01 / 32, "deep.norm.weight": 0.005, "flat.cls_token": 0.0025,
                    "flat.norm.weight": 0.005}  # fmt: skip
    assert {rate for name, rate in rates.items() if ".kept." in name} == {None}
    assert rates["classifier.weight"] == 0.01


def test_a_few_steps_equal_groups_by_hand():
    """AdamW with one group for each parameter, its rate and its schedule written out."""

    def rate(name):
        key = name.removeprefix("_members.backbone.net.")
        depth = 0 if name.startswith("head.") else 1 if key.startswith(("blocks.1", "norm")) else 2
        return 0.01 * 0.5 ** (depth if key.startswith(("blocks", "norm", "head")) else 3)

    model, twin = layered().double(), layered().double()  # a key's bias has no gradient, but its rounding error
    images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(2).repeat(2, 1).double()
    module = make_module(model, partial(ConstantLR, factor=0.5, total_iters=100), layer_decay=0.5)
    ours = module.start_optimizer()
    schedule = module.make_scheduler(ours)
    groups = [{"params": [p], "lr": rate(name) * 0.5} for name, p in twin.named_parameters()]
    theirs = torch.optim.AdamW(groups, weight_decay=0.1)
    for _ in range(3):
        for own, optimizer in ((model, ours), (twin, theirs)):
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(own(images), targets).backward()
            optimizer.step()
        schedule.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-9, atol=1e-9)
    assert not torch.equal(model.head.weight, layered().double().head.weight)


def test_one_cycle_keeps_the_ratio_of_layers_at_every_step():
    rates = Rates()
    fit(make_module(layered(), OneCycle, layer_decay=0.5), rates)
    for step in rates.seen:
        assert [rate / step[-1] for rate in step] == pytest.approx([1 / 8, 1 / 4, 1 / 2, 1])


def test_layers_stay_frozen_until_the_unfreeze_epoch():
    weights = Weights()
    fit(make_module(layered(), unfreeze_epoch=2, layer_decay=0.5), weights)
    assert same(weights.states[0], weights.states[1])
    assert not same(weights.states[1], weights.states[2])


def test_duals_are_a_group_behind_the_layers():
    module = make_module(layered(), layer_decay=0.5)
    module.make_optimizer = partial(PESG, lr=0.01)
    module.loss = AUCMarginLoss(NAMES, torch.ones(2, 2))
    groups = module.start_optimizer().param_groups
    assert [group["name"] for group in groups] == [
        "backbone/depth_03", "backbone/depth_02", "backbone/depth_01", "others", "duals",
    ]  # fmt: skip
    assert [group["lr"] for group in groups] == pytest.approx([0.00125, 0.0025, 0.005, 0.01, 0.01])
    assert [group["maximize"] for group in groups] == [False] * 4 + [True]


def test_first_and_last_layer_alone_are_logged(tmp_path):
    seen = {}
    logger = pl.loggers.CSVLogger(tmp_path)
    logger.log_metrics = lambda metrics, step=None: seen.update(metrics)
    fit(make_module(layered(), layer_decay=0.5), RateMonitor(), logger=logger, log_every_n_steps=1)
    rates = {name: value for name, value in seen.items() if name.startswith("lr-")}
    assert rates == pytest.approx({
        "lr-AdamW/backbone/depth_03": 0.00125, "lr-AdamW/backbone/depth_01": 0.005, "lr-AdamW/others": 0.01,
    })  # fmt: skip


# Flags of the trainer


def follow(module, **options):
    """Return the norm of the change of each step, by plain gradient descent at rate 1."""

    class Moves(pl.Callback):
        last, seen = None, []

        def on_train_batch_end(self, trainer, pl_module, *_):
            now = torch.cat([p.detach().flatten() for p in pl_module.parameters()])
            if self.last is not None:
                self.seen.append(float((now - self.last).norm()))
            self.last = now

    moves = Moves()
    module.make_optimizer = partial(torch.optim.SGD, lr=1.0)
    fit(module, moves, epochs=2, **options)
    return moves.seen


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_to_their_norm(precision):
    assert max(follow(make_module(single()), precision=precision)) > 1e-2
    clipped = follow(make_module(single()), precision=precision, gradient_clip_val=1e-3)
    assert max(clipped) <= 1e-3 * (1 + 1e-3)


def test_accumulated_gradients_move_the_weights_every_second_step():
    moves = follow(make_module(single()), accumulate_grad_batches=2)
    assert [move > 0 for move in moves] == [True, False, True]


def test_schedule_counts_accumulated_steps():
    rates = Rates()
    trainer = fit(make_module(single(), OneCycle), rates, epochs=4, accumulate_grad_batches=2)
    assert trainer.lr_scheduler_configs[0].scheduler.total_steps == 4
    assert rates.seen[0] == rates.seen[1] != rates.seen[2]
