import inspect
from pathlib import Path

import hydra.utils
import pytest
from helpers.configs import CONF, make
from omegaconf import OmegaConf

from chexpert.config import find_notices, resolve, validate_args
from chexpert.config import resolution as resolving
from chexpert.engine.build import try_out
from chexpert.engine.length_checks import find_short_errors, find_single_image_errors
from chexpert.errors import UserError
from chexpert.observations import COMPETITION, OBSERVATIONS

OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if path.parent.name not in ("experiment",)
)
RECIPES = sorted(path.stem for path in CONF.glob("experiment/*.yaml"))


OVER, FEW = ["trainer.check_val_every_n_epoch=null"], ["trainer.limit_train_batches=3"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Both variants as empty tables: enough for every check that comes before reading."""
    root = tmp_path_factory.mktemp("chexpert")
    for name in ("CheXpert-v1.0-small", "CheXpert-v1.0"):
        (root / name).mkdir()
        for split in ("train", "valid"):
            (root / name / f"{split}.csv").touch()
    (root / "predictions.csv").touch()
    return root


def needs(option: str, root: Path) -> list[str]:
    """What must be said beside an option that cannot do alone."""
    beside = {
        "labels=conditional": ["observations=all"],
        "labels=self_trained": [f"labels.predictions={root / 'predictions.csv'}"],
        "pham_stage2": [f"start_from={root / 'predictions.csv'}"],
        "libauc_stage2": [f"start_from={root / 'predictions.csv'}"],
    }
    return beside.get(option, [])


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_without_an_error(option, root, monkeypatch):
    monkeypatch.setenv("CHEXPERT_ROOT", str(root / "CheXpert-v1.0" if option == "data=chexpert" else root))
    monkeypatch.setattr(resolving, "find_device_errors", lambda trainer: [])  # trainer=gpu
    assert resolve(make(option, *needs(option, root)))["seed"] == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_without_an_error_and_names_source_and_expectation(recipe, root, monkeypatch):
    monkeypatch.setenv("CHEXPERT_ROOT", str(root))
    cfg = resolve(make(f"experiment={recipe}", *needs(recipe, root)))
    assert cfg["name"] == recipe
    recipe = cfg["recipe"]
    assert recipe.keys() - {"after"} == {"source", "expected", "tolerance", "of", "cost"}
    assert recipe.get("after") in (None, *RECIPES)
    assert recipe["of"].keys() == {"split", "labels", "level", "epoch_chosen_on", "checkpoints"}
    assert recipe["of"]["level"] == cfg["level"]
    assert (recipe["expected"] is None) == (recipe["tolerance"] is None)
    assert recipe["expected"] is None or 0.5 < recipe["expected"] < 1 > recipe["tolerance"] > 0
    assert all(isinstance(recipe[key], str) for key in ("source", "cost"))


def test_the_default_is_the_phantom_without_pretrained_weights():
    cfg = resolve(make())
    assert cfg["data"]["root"]["_target_"] == "chexpert.data.find_phantom"
    assert cfg["pretrained"] is False
    assert cfg["model"]["backbone"]["pretrained"] is False
    assert cfg["observations"] == cfg["mean_over"] == list(COMPETITION)


def test_real_images_take_imagenet_weights_by_default(root):
    cfg = resolve(make("data=small", f"data.root={root}", "model=combined"))
    assert cfg["model"]["members"]["densenet"]["pretrained"] is True


def test_all_observations_by_one_word():
    assert resolve(make("observations=all"))["observations"] == list(OBSERVATIONS)


def test_members_are_added_swapped_and_dropped_from_the_command_line():
    cfg = resolve(
        make(
            "model=combined",
            "+backbone@model.members.resnet=resnet18",
            "backbone@model.members.densenet=vgg19",
            "~backbone@model.members.efficientnet",
        )
    )
    assert {k: v["name"] for k, v in cfg["model"]["members"].items()} == {"densenet": "vgg19", "resnet": "resnet18"}


def test_any_timm_name_works_by_override():
    assert resolve(make("backbone.name=regnety_002"))["model"]["backbone"]["name"] == "regnety_002"


def test_an_argument_that_yaml_does_not_restate_needs_no_plus():
    assert resolve(make("data.batch_size=8", "data.on_missing=skip"))["data"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+foo=1", "unknown key 'foo'"),
        ("data.batch_sise=8", "did you mean batch_size?"),
        ("trainer.max_epoch=1", "did you mean max_epochs?"),
        ("backbone.name=densenet12", "timm has no model 'densenet12'"),
        ("observations=[Edema,Cardiomegali]", "did you mean Cardiomegaly?"),
        ("observations=[]", "no list of observations"),
        ("observations=[Edema,Edema]", "an observation stands twice"),
        ("mean_over=[Fracture]", "not among the outputs: Fracture"),
        ("data.views=side", "one of frontal, lateral, all"),
        ("data.on_missing=guess", "one of stop, skip"),
        ("data.num_workers=-1", "at least 0"),
        ("labels.uncertain=maybe", "not a label rule"),
        ("labels.uncertain=[0.9,0.1]", "not a label rule"),
        ("labels.blank={default:ones,Oedema:zeros}", "no observation of CheXpert: 'Oedema'"),
        ("labels.blank={Edema:zeros}", "no rule for Atelectasis, Cardiomegaly, Consolidation, Pleural Effusion"),
        ("labels.blank={Edema:zeros}", "labels.blank.default=zeros"),
        ("labels.blank={default:ones,Pleural Effusion:maybe}", "labels.blank.Pleural Effusion"),
        ("labels.blank=three_class", "three_class is for uncertain labels"),
        ("labels.uncertain=self_trained", "labels.predictions=RUN"),
        ("labels=conditional", "hint:  observations=all"),
        ("labels.conditional_rows=some", "one of positive_parents, all"),
        ("labels.redraw=often", "hint:  true or false"),
        ("model.uncertain=[0]", "set by the run itself"),
        ("backbone.frozen=true", "a frozen backbone without trained weights"),
        ("explainer.lime.samples=0", "explainer.lime.samples"),
        ("backbone_lr_factor=0", "backbone_lr_factor"),
        ("unfreeze_epoch=-1", "an epoch, from 0"),
        ("unfreeze_epoch=5", "the training ends after 5 epochs"),
        ("save_every_n_steps=0", "1 or more steps, or null"),
        ("early_stopping=-1", "0 or more epochs, or null"),
        ("averaging.decay=0.5", "hint:  choose it too: averaging=OPTION"),
        ("explainer.rise.samples=100", "hint:  choose it too: explainer=[hirescam,gradcam,lime,rise]"),
        ("explainer.limes.samples=100", "did you mean lime?"),
        ("explainer.lime.sample=100", "did you mean samples?"),
        ("model.drop=0.1", "did you mean dropout?"),
        ("model.dropout=1", "where: model.dropout"),
        ("model.dropout=often", "where: model.dropout"),
        ("optimizer.lr=0", "where: optimizer.lr"),
        ("optimizer.lr=-1", "where: optimizer.lr"),
        ("data.augmentation=true", "where: data.augmentation"),
        ("start_from=/no/run", "where: start_from=/no/run"),
        ("observations=edema", "hint:  observations='[Edema]'"),
        ("calibration=beta", "hint:  one of null, platt, temperature, isotonic"),
        ("trainer.accelerator=tpu", "where: trainer.accelerator=tpu"),
        ("trainer.gradient_clip_val=0", "a number above 0, or null"),
        ("trainer.gradient_clip_algorithm=value", "no gradient is clipped without a bound"),
        ("data.root=/no/such/folder", "the data root is not a folder"),
        ("optimizer._target_=os.system", "os.system is not trusted"),
        ("optimizer._target_=torch.optim.Adm", "did you mean Adam?"),
        ("pretrained=/no/weights.pth", "no such weight file"),
        ("data.seed=3", "set by the run itself"),
        ("explain.count=0", "explain.count"),
        ("explain.views=[]", "explain.views"),
        ("explain.masks=/no/masks.json", "no masks: '/no/masks.json'"),
        ("explain.masks=true", "null (the one beside the data) or false (none)"),
        ("explain.score=-1", "0 for none"),
        ("explain.passes=0", "none at all: explain.score=0"),
        ("seed=-1", "-1 is not possible"),
        ("trainer.max_epochs=abc", "trainer.max_epochs"),
        ("trainer.devices=0", "0 is not possible"),
        ("name=../away", "leaves outputs/"),
        ("pretrained=1", "1 is not possible"),
        ("explainer.lime.fill=white", "explainer.lime.fill"),
        ("optimizer._target_=chexpert.runs.files.write_json", "is not trusted"),
        ("optimizer._target_=chexpert.data.phantom.writer.shutil.rmtree", "where:"),
        ("explainer.rise.samples=9", "set, but not chosen"),
        ("explain.observations=[Fracture]", "not among the outputs"),
        ("observations=[Edema]", "mean_over='[Edema]'"),
        ("observations=[EDEMA]", "did you mean Edema?"),
        ("observations=Edema", "observations='[Edema]'"),
        ("start_from=''", "where: start_from"),
        ("resume=''", "where: resume"),
        ("pretrained=''", "where: pretrained"),
        ("features=''", "where: features"),
        ("data.root=''", "where: data.root"),
        ("data.cache=''", "where: data.cache"),
        ("data.test=''", "where: data.test"),
        ("data.manifest=''", "where: data.manifest"),
        ("name=''", "where: name"),
        ("optimizer.lr=high", "a number is needed: 'high'"),
        ("optimizer.lr=nan", "where: optimizer.lr"),
        ("optimizer.lr=inf", "a finite number"),
        ("optimizer.betas=[.9,nan]", "where: optimizer.betas[1]"),
        ("model.dropout=some", "a number is needed: 'some'"),
        ("trainer.limit_train_batches=half", "a number is needed: 'half'"),
        ("trainer.inference_mode=maybe", "true or false"),
        ("loss.pos_weight=auto", "unknown key 'pos_weight'"),
        ("data.image_size=0", "at least 8"),
        ("data.image_size=[320,390]", "at least 8"),
        ("data.dev=1", "a share between 0 and 1"),
        ("seed=4294967296", "up to 4294967295"),
        ("trainer.limit_train_batches=0", "trainer.max_epochs=0"),
        ("trainer.limit_train_batches=1.5", "a share of them"),
        ("trainer.limit_val_batches=0", "trainer.limit_val_batches"),
        ("trainer.val_check_interval=0", "trainer.val_check_interval"),
        ("trainer.val_check_interval=1.5", "trainer.val_check_interval"),
        ("trainer.check_val_every_n_epoch=6", "there are 5 epochs"),
        ("trainer.check_val_every_n_epoch=0", "trainer.check_val_every_n_epoch"),
        ("trainer.fast_dev_run=true", "trainer=debug"),
        ("trainer.barebones=true", "trainer.barebones"),
        ("trainer.enable_checkpointing=false", "trainer.enable_checkpointing"),
        ("trainer.use_distributed_sampler=true", "set by the run itself"),
    ],
)
def test_a_wrong_value_is_reported_with_place_and_hint(override, message):
    with pytest.raises(UserError) as caught:
        resolve(make(override))
    assert message in str(caught.value)
    assert "where:" in str(caught.value)
    assert "hint:" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["averaging=swa", "averaging.start_epoch=5"], "before anything is averaged"),
        (["backbone.frozen=true", "backbone.pretrained=true", "unfreeze_epoch=1"], "no backbone is trained"),
        (["backbone.frozen=true", "backbone.pretrained=true", "backbone_lr_factor=0.1"], "no backbone is trained"),
        (
            ["trainer.gradient_clip_val=1", "trainer.precision=16-mixed", "optimizer.fused=true"],
            "cannot clip gradients",
        ),
        (["loss=weighted_bce", "loss.pos_weight={Edema:2}"], "no weight for Atelectasis, Cardiomegaly"),
        (["loss=weighted_bce", "loss.pos_weight=often"], "auto, batch, a number"),
        (["scheduler=warmup_cosine", "scheduler.warmup=2"], "scheduler.warmup"),
    ],
)
def test_choices_that_contradict_each_other_are_reported(overrides, message):
    with pytest.raises(UserError, match=message):
        resolve(make(*overrides))


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["scheduler=step", "scheduler.step_size=0"], "scheduler"),
        (["scheduler=cosine", "scheduler.T_max=0"], "scheduler"),
        (["scheduler.pct_start=2"], "scheduler"),
        (["optimizer.weight_decay=-1"], "optimizer"),
        (["trainer.precision=fp17"], "trainer"),
        (["optimizer.weight_decay=-1", "trainer.precision=fp17"], "trainer"),
    ],
)
def test_what_cannot_be_built_is_reported_together_before_data_are_read(overrides, where):
    with pytest.raises(UserError) as caught:
        try_out(resolve(make(*overrides)))
    assert f"where: {where}" in str(caught.value)
    assert str(caught.value).count("where:") == len([one for one in overrides if not one.startswith("scheduler=")])


def test_every_scheduler_has_a_rate_for_the_second_epoch():
    for option in ("onecycle", "warmup_cosine", "cosine", "step", "constant", "plateau"):
        try_out(resolve(make(f"scheduler={option}")))
    try_out(resolve(make("scheduler=cosine", "trainer.max_epochs=0")))


@pytest.mark.parametrize(
    ("overrides", "views", "where"),
    [
        (["trainer.val_check_interval=4"], {"train": 64, "valid": 8}, ""),
        (["trainer.val_check_interval=4"], {"train": 50, "valid": 8, "dev": 3}, ""),
        (["trainer.val_check_interval=5"], {"train": 64, "valid": 8}, "trainer.val_check_interval"),
        ([*OVER, "trainer.val_check_interval=21"], {"train": 64, "valid": 8}, "trainer.val_check_interval"),
        ([*OVER, "trainer.val_check_interval=20"], {"train": 64, "valid": 8}, ""),
        ([*FEW, "trainer.val_check_interval=4"], {"train": 64, "valid": 8}, "trainer.val_check_interval"),
        (["trainer.limit_train_batches=0.1"], {"train": 64, "valid": 8}, "trainer.limit_train_batches"),
        (["trainer.limit_val_batches=0.5"], {"train": 64, "valid": 16}, "trainer.limit_val_batches"),
        (["trainer.limit_val_batches=0.5"], {"train": 64, "dev": 16, "valid": 99}, "trainer.limit_val_batches"),
        (["experiment=libauc_stage1", "data=phantom"], {"train": 39, "valid": 24}, "trainer.val_check_interval"),
        (["data.batch_size=999", "trainer.accumulate_grad_batches=9"], {"train": 39, "valid": 24}, ""),
        (["trainer.val_check_interval=9"], {"valid": 24}, ""),
        # One training image that is left over joins the batch before it; of valid it is a batch of its own.
        (["trainer.val_check_interval=2"], {"train": 17, "valid": 8}, "trainer.val_check_interval"),
        (["trainer.val_check_interval=1"], {"train": 17, "valid": 8}, ""),
        (["trainer.val_check_interval=2"], {"train": 18, "valid": 8}, ""),
        (["trainer.limit_train_batches=0.4"], {"train": 33, "valid": 8}, "trainer.limit_train_batches"),
        (["trainer.limit_train_batches=0.5"], {"train": 33, "valid": 8}, ""),
        (["trainer.limit_val_batches=0.4"], {"train": 64, "valid": 33}, ""),
    ],
)  # fmt: skip
def test_what_counts_batches_is_held_to_the_views_that_are_there(overrides, views, where):
    assert [error.where for error in find_short_errors(resolve(make(*overrides)), views)] == [where] * bool(where)


@pytest.mark.parametrize(
    ("overrides", "train", "world", "hint"),
    [
        ([], 18, 1, None),
        ([], 18, 2, "17"),
        ([], 34, 4, "17"),
        ([], 36, 2, None),
        ([], 17, 2, None),
        (["data.batch_size=3"], 64, 2, "4"),
        (["data.batch_size=1"], 64, 1, "2"),
        ([], 3, 2, "larger"),
        (["trainer.limit_train_batches=1"], 18, 2, None),
        (["trainer.sync_batchnorm=true"], 18, 2, None),
        (["trainer.max_epochs=0"], 18, 2, None),
        ([], 0, 2, None),
    ],
)
def test_a_single_image_of_a_device_is_found_before_training(overrides, train, world, hint):
    found = list(find_single_image_errors(resolve(make(*overrides)), {"train": train} if train else {}, world))
    assert [error.where for error in found] == ["data.batch_size"] * (hint is not None)
    assert all(error.hint.startswith(f"data.batch_size={hint}," if hint.isdigit() else hint) for error in found)


@pytest.mark.parametrize("option", ["lsr", "lsr_zeros", "zeros", "ones", "ignore", "three_class", "conditional"])
def test_a_rule_for_one_observation_takes_the_place_of_the_one_rule_there(option):
    beside = ["observations=all"] * (option == "conditional")
    plain = resolve(make(f"labels={option}", *beside))["labels"]
    one = resolve(make(f"labels={option}", "labels.uncertain.Edema=ones", *beside))["labels"]
    assert one.pop("uncertain") == {"default": plain.pop("uncertain"), "Edema": "ones"}
    assert one == plain
    both = resolve(make(f"labels={option}", "labels.uncertain={default: zeros, Edema: ones}", *beside))["labels"]
    assert both["uncertain"] == {"default": "zeros", "Edema": "ones"}
    assert resolve(make(f"labels={option}", "labels.uncertain=[0,0.3]", *beside))["labels"]["uncertain"] == [0, 0.3]


def test_the_one_rule_of_an_option_is_no_mapping_as_before():
    assert resolve(make())["labels"] == {
        "_target_": "chexpert.data.LabelPolicy", "uncertain": [0.55, 0.85], "seed": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    "overrides",
    [
        ["labels=zeros", "labels.uncertain={default:zeros,Pleural Effusion:[0.5,0.9]}"],
        ["labels=jfhealthcare", "labels.uncertain.Edema=zeros", "labels.uncertain.Consolidation=0.1"],
        ["labels=best_per_observation", "labels.uncertain=ignore"],
    ],
)
def test_rules_by_observation_come_from_the_command_line(overrides):
    rules = resolve(make(*overrides))["labels"]["uncertain"]
    expected = {
        "labels=zeros": {"default": "zeros", "Pleural Effusion": [0.5, 0.9]},
        "labels=jfhealthcare": {"default": "zeros", "Atelectasis": "ones", "Edema": "zeros", "Consolidation": 0.1},
        "labels=best_per_observation": "ignore",
    }
    assert rules == expected[overrides[0]]


def test_a_combined_model_of_one_member_is_refused():
    with pytest.raises(UserError, match="a combined model of 1 member"):
        resolve(make("model=combined", "~backbone@model.members.densenet"))


def test_a_missing_root_is_reported_with_both_ways_to_give_it(monkeypatch):
    monkeypatch.delenv("CHEXPERT_ROOT", raising=False)
    with pytest.raises(UserError, match=r"data\.root=\.\.\., or set CHEXPERT_ROOT"):
        resolve(make("data=small"))


def test_all_errors_are_reported_at_once():
    with pytest.raises(UserError) as caught:
        resolve(make("+foo=1", "data.views=side", "backbone.name=nonet", "trainer.max_epoch=1"))
    assert str(caught.value).count("hint:") == 4


def test_a_backbone_beside_a_combined_model_is_reported_to_have_no_effect():
    assert "has no effect" in find_notices(make("model=combined", "backbone.name=x"), ["backbone.name=x"])[0]
    overrides = ["model=combined", "backbone=resnet18"]
    assert "has no effect" in find_notices(make(*overrides), overrides)[0]
    assert find_notices(make("backbone=resnet18"), ["backbone=resnet18"]) == []


def test_yaml_does_not_restate_python_defaults():
    for path in CONF.glob("*/*.yaml"):
        node = OmegaConf.to_container(OmegaConf.load(path))
        if "_target_" not in node:
            continue
        parameters = inspect.signature(hydra.utils.get_object(node["_target_"])).parameters
        for key, value in node.items():
            if key in parameters:
                assert parameters[key].default != value, f"{path}: {key}"


def test_validate_args_is_empty_for_a_good_config():
    assert validate_args(resolve(make())) == []


@pytest.mark.parametrize(
    ("overrides", "noted"),
    [
        (["early_stopping=3"], False),
        (["early_stopping=4"], True),
        (["early_stopping=0", "trainer.max_epochs=3"], False),
        (["early_stopping=0", "trainer.max_epochs=2"], True),
        (["early_stopping=50", "trainer.max_epochs=0"], False),
        (["early_stopping=50", "trainer.val_check_interval=0.1"], False),
        (["early_stopping=2", "trainer.check_val_every_n_epoch=2"], True),
    ],
)
def test_early_stopping_that_can_never_matter_is_noted(overrides, noted):
    assert [notice.startswith("early_stopping=") for notice in find_notices(make(*overrides), overrides)] == [
        True
    ] * noted


def test_devices_and_all_else_are_reported_together(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(UserError) as caught:
        resolve(make("trainer=gpu", "model.dropout=2", "level=picture", "start_from=/no/run"))
    for where in ("trainer.accelerator=gpu", "model.dropout", "level", "start_from=/no/run"):
        assert f"where: {where}" in str(caught.value)


def test_a_run_that_goes_on_needs_no_weights_to_start_from():
    assert resolve(make("start_from=/no/run", "resume=auto"))["start_from"] == "/no/run"


def test_what_follows_from_one_wrong_list_is_not_reported_too():
    with pytest.raises(UserError) as caught:
        resolve(make("observations=[Edma]"))
    assert str(caught.value).count("where:") == 1


@pytest.mark.parametrize(
    "overrides",
    [
        ["labels.blank={Edema:zeros}", "labels.blank.default=zeros"],
        ["explainer=[hirescam,gradcam,lime,rise]", "explainer.rise.samples=100"],
        ["features=f", "data.augmentation=null", "backbone.frozen=true", "backbone.pretrained=true"],
        ["unfreeze_epoch=0", "backbone.frozen=true", "pretrained=true"],
        ["model=combined", "unfreeze_epoch=0", "model.members.densenet.frozen=true", "pretrained=true"],
        ["loss=auc_margin", "optimizer=pesg"],
        ["data.augmentation=null"],
        ["trainer.accelerator=auto"],
        ["observations=[Edema]", "mean_over=[Edema]"],
        ["backbone.name=vit_tiny_patch16_224", "backbone.options={img_size:64}", "data.image_size=64"],
        ["labels=conditional", "observations=all"],
    ],
)
def test_what_hints_advise_is_not_refused(overrides):
    try_out(resolve(make(*overrides)))
