"""Settings: which compose, and the errors of those that do not."""

import inspect
from pathlib import Path

import hydra.utils
import pytest
from helpers.configs import CONF, make
from helpers.errors import raises
from helpers.learned_targets import write_targets
from omegaconf import OmegaConf

from chexpert.config import find_notices, resolve, validate_args
from chexpert.config import resolution as resolving
from chexpert.config.unknown_key import TOP_LEVEL
from chexpert.engine.build import try_out
from chexpert.engine.length_checks import find_short_errors, find_single_image_errors
from chexpert.errors import UserError
from chexpert.observations import COMPETITION, OBSERVATIONS

OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if path.parent.name not in ("experiment",)
)
RECIPES = sorted(path.stem for path in CONF.glob("experiment/*.yaml"))


OVER, FEW = ["trainer.check_val_every_n_epoch=null"], ["trainer.limit_train_batches=3"]
FROZEN = ["backbone.frozen=true", "backbone.pretrained=true"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Both variants as empty tables: enough for the checks before the data are read."""
    root = tmp_path_factory.mktemp("chexpert")
    for name in ("CheXpert-v1.0-small", "CheXpert-v1.0"):
        (root / name).mkdir()
        for split in ("train", "valid", "test_labels"):
            (root / name / f"{split}.csv").touch()
    (root / "predictions.csv").touch()
    for name in ("512/CheXpert-v1.0-512/train.csv", "512/CheXpert-v1.0-512/valid.csv", *EXTERNAL.values()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


TAUGHT = ["distill=teachers", "distill.teachers=[RUN]"]
EXTERNAL = {
    "nih": "nih/Data_Entry_2017.csv",
    "mimic": "mimic/mimic-cxr-2.0.0-metadata.csv",
    "vindr": "vindr/annotations/image_labels_train.csv",
    "rsna": "rsna/stage_2_train_labels.csv",
    "padchest": "padchest/PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
}


def set_roots(monkeypatch, root: Path, option: str) -> None:
    """Name the folders of the data sets, as their users do."""
    own = {"data=chexpert": "CheXpert-v1.0", "data=chexpert_512": "512"}.get(option, "")
    monkeypatch.setenv("CHEXPERT_ROOT", str(root / own))
    for name in EXTERNAL:
        monkeypatch.setenv(f"{name.upper()}_ROOT", str(root / name))


TARGETS: dict[str, list[float | None]] = {name: [0.9, 0.1, 0.5, 0.1] for name in COMPETITION}


def needs(option: str, root: Path) -> list[str]:
    """Return the overrides that an option requires."""
    predictions = [f"labels.predictions={root / 'predictions.csv'}"]
    beside = {
        "distill=teachers": ["distill.teachers=[RUN]"],
        "labels=conditional": ["observations=all"],
        "labels=learned": [f"labels.file={write_targets(root / 'targets.json', TARGETS)}"],
        "labels=self_trained": predictions,
        "explainer=latent_shift": [f"explainer.latent_shift.autoencoder={root / 'predictions.csv'}"],
        "irvin2019_self_trained": predictions,
        "chest_xray_bench_convnext": predictions,
        "chest_xray_bench_convnext_large_images": predictions,
        "chest_xray_bench_medical_mae_stage1": predictions,
        "chest_xray_bench_medical_mae": [*predictions, f"start_from={root / 'predictions.csv'}"],
        "chest_xray_bench_rad_dino": predictions,
        "chest_xray_bench_three": [*predictions, f"start_from={root / 'predictions.csv'}"],
        "pham_stage2": [f"start_from={root / 'predictions.csv'}"],
        "nih_stage2": [f"start_from={root / 'predictions.csv'}"],
        "libauc_stage2": [f"start_from={root / 'predictions.csv'}"],
    }
    return beside.get(option, [])


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes(option, root, monkeypatch):
    set_roots(monkeypatch, root, option)
    monkeypatch.setattr(resolving, "find_device_errors", lambda trainer: [])  # trainer=gpu
    assert resolve(make(option, *needs(option, root)))["seed"] == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_with_source_and_expectation(recipe, root, monkeypatch):
    set_roots(monkeypatch, root, recipe)
    cfg = resolve(make(f"experiment={recipe}", *needs(recipe, root)))
    assert cfg["name"] == recipe
    recipe = cfg["recipe"]
    assert recipe.keys() - {"after", "predictions_of"} == {"source", "expected", "tolerance", "of", "cost"}
    assert {recipe.get("after"), recipe.get("predictions_of")} <= {None, *RECIPES}
    of = recipe["of"]
    assert of.keys() - {"assumed"} == {"split", "labels", "level", "images", "epoch_chosen_on", "checkpoints"}
    assert of["level"] in (None, cfg["level"])
    assert of["images"] in (None, cfg["data"].get("views", "frontal"))
    assert {key for key in of.get("assumed", ()) if of[key]} == set(of.get("assumed", ()))
    assert (recipe["expected"] is None) == (recipe["tolerance"] is None)
    assert recipe["expected"] is None or 0.5 < recipe["expected"] < 1 > recipe["tolerance"] > 0
    assert all(isinstance(recipe[key], str) for key in ("source", "cost"))


def test_default_is_the_phantom_without_pretrained_weights():
    cfg = resolve(make())
    assert cfg["data"]["root"]["_target_"] == "chexpert.data.find_phantom"
    assert cfg["pretrained"] is False
    assert cfg["model"]["backbone"]["pretrained"] is False
    assert cfg["observations"] == cfg["mean_over"] == list(COMPETITION)


def test_real_images_take_imagenet_weights_by_default(root):
    cfg = resolve(make("data=small", f"data.root={root}", "model=combined"))
    assert cfg["model"]["members"]["densenet"]["pretrained"] is True


def test_one_word_selects_all_observations():
    assert resolve(make("observations=all"))["observations"] == list(OBSERVATIONS)


def test_members_are_added_replaced_and_removed():
    cfg = resolve(
        make(
            "model=combined",
            "+backbone@model.members.resnet=resnet18",
            "backbone@model.members.densenet=vgg19",
            "~backbone@model.members.efficientnet",
        )
    )
    assert {k: v["name"] for k, v in cfg["model"]["members"].items()} == {"densenet": "vgg19", "resnet": "resnet18"}


def test_backbone_may_be_any_timm_model():
    assert resolve(make("backbone.name=regnety_002"))["model"]["backbone"]["name"] == "regnety_002"


def test_argument_missing_in_yaml_needs_no_plus():
    assert resolve(make("data.batch_size=8", "data.on_missing=skip"))["data"]["batch_size"] == 8


def find_errors(*overrides: str) -> list[UserError]:
    """Return the errors of a config; an empty list if it resolves."""
    try:
        resolve(make(*overrides))
    except UserError as error:
        return list(getattr(error, "errors", [error]))
    return []


@pytest.mark.parametrize(
    ("override", "code", "where", "fact"),  # a fact: a name, number or key that the message or the hint must hold
    [
        ("+foo=1", "unknown-key", TOP_LEVEL, "'foo'"),
        ("data.batch_sise=8", "unknown-key", "data (CheXpertDataModule)", "batch_size"),
        ("trainer.max_epoch=1", "unknown-key", "trainer (Trainer)", "max_epochs"),
        ("explainer.limes.samples=100", "unknown-key", "explainer", "lime?"),
        ("explainer.lime.sample=100", "unknown-key", "explainer.lime (Lime)", "samples"),
        ("model.drop=0.1", "unknown-key", "model (Single)", "dropout"),
        ("loss.pos_weight=auto", "unknown-key", "loss (MaskedBCE)", "'pos_weight'"),
        ("backbone.name=densenet12", "unknown-backbone", "backbone.name", "densenet121"),
        ("observations=[Edema,Cardiomegali]", "unknown-observation", "observations", "Cardiomegaly"),
        ("observations=[EDEMA]", "unknown-observation", "observations", "Edema"),
        ("observations=[Edema]", "unknown-observation", "mean_over", "mean_over='[Edema]'"),
        ("mean_over=[Fracture]", "unknown-observation", "mean_over", "Fracture"),
        ("explain.observations=[Fracture]", "unknown-observation", "explain.observations", "Fracture"),
        ("labels.blank={default:ones,Oedema:zeros}", "unknown-observation", "labels.blank", "'Oedema'"),
        ("labels=conditional", "missing-observation", "labels.conditional", "observations=all"),
        ("observations=[Edema,Edema]", "repeated", "observations", ""),
        ("observations=[]", "value", "observations", "competition"),
        ("observations=edema", "value", "observations", "observations='[Edema]'"),
        ("observations=Edema", "value", "observations", "observations='[Edema]'"),
        ("data.views=side", "choice", "data.views", "frontal, lateral, all"),
        ("data.on_missing=guess", "choice", "data.on_missing", "stop, skip"),
        ("labels.conditional_rows=some", "choice", "labels.conditional_rows", "positive_parents, all"),
        ("calibration=beta", "choice", "calibration", "null, platt, temperature, isotonic"),
        ("labels.uncertain=maybe", "label-rule", "labels.uncertain", "'maybe'"),
        ("labels.uncertain=[0.9,0.1]", "label-rule", "labels.uncertain", "[0.9, 0.1]"),
        (
            "labels.blank={Edema:zeros}",
            "label-rule",
            "labels.blank",
            "Atelectasis, Cardiomegaly, Consolidation, Pleural Effusion",
        ),
        ("labels.blank={Edema:zeros}", "label-rule", "labels.blank", "labels.blank.default=zeros"),
        ("labels.blank={default:ones,Pleural Effusion:maybe}", "label-rule", "labels.blank.Pleural Effusion", ""),
        ("labels.blank=three_class", "conflict", "labels.blank", "three_class"),
        ("labels.uncertain=self_trained", "missing-argument", "labels.predictions", "labels.predictions=RUN"),
        ("backbone.frozen=true", "conflict", "model.backbone", "start_from=RUN"),
        ("trainer.gradient_clip_algorithm=value", "conflict", "trainer.gradient_clip_algorithm", "gradient_clip_val=1"),
        ("trainer.enable_checkpointing=false", "conflict", "trainer.enable_checkpointing", ""),
        ("model.uncertain=[0]", "reserved-argument", "model.uncertain", ""),
        ("data.seed=3", "reserved-argument", "data.seed", ""),
        ("trainer.use_distributed_sampler=true", "reserved-argument", "trainer.use_distributed_sampler", ""),
        ("averaging.decay=0.5", "unused-setting", "averaging", "averaging=OPTION"),
        ("explainer.rise.samples=100", "unused-setting", "explainer.rise", "explainer=[hirescam,gradcam,lime,rise]"),
        ("optimizer._target_=os.system", "untrusted-target", "optimizer", "os.system"),
        ("optimizer._target_=chexpert.runs.files.write_json", "untrusted-target", "optimizer", ""),
        ("optimizer._target_=chexpert.data.phantom.writer.shutil.rmtree", "untrusted-target", "optimizer", ""),
        ("optimizer._target_=torch.optim.Adm", "unknown-target", "optimizer", "Adam?"),
        ("trainer.accelerator=tpu", "device", "trainer.accelerator=tpu", "trainer.accelerator=cpu"),
        ("start_from=/no/run", "missing-file", "start_from=/no/run", ""),
        ("pretrained=/no/weights.pth", "missing-file", "backbone.pretrained", "/no/weights.pth"),
        ("data.root=/no/such/folder", "missing-folder", "data.root=/no/such/folder", "CHEXPERT_ROOT"),
        ("pretrained=1", "value", "backbone.pretrained", "pretrained=true"),
        ("data.num_workers=-1", "value", "data.num_workers", "at least 0"),
        ("data.image_size=0", "value", "data.image_size", "at least 8"),
        ("data.image_size=[320,7]", "value", "data.image_size", "at least 8"),
        ("data.image_size=[320,390,1]", "value", "data.image_size", "[HEIGHT,WIDTH]"),
        ("data.image_size=[320]", "value", "data.image_size", "[HEIGHT,WIDTH]"),
        ("data.image_size=[-320,390]", "value", "data.image_size", "at least 8"),
        ("data.image_size=[320.0,390]", "value", "data.image_size", "[384,320]"),
        ("data.image_size=224.5", "value", "data.image_size", "[384,320]"),
        ("data.image_size=320x390", "value", "data.image_size", "[384,320]"),
        ("data.image_size=true", "value", "data.image_size", "[384,320]"),
        ("data.image_size={height:320,width:390}", "value", "data.image_size", "[384,320]"),
        ("data.image_size=null", "value", "data.image_size", "[384,320]"),
        ("data.dev=1", "value", "data.dev", "0.05"),
        ("data.augmentation=true", "value", "data.augmentation", "data.augmentation=null"),
        ("labels.redraw=often", "value", "labels.redraw", "true or false"),
        ("backbone_lr_factor=0", "value", "backbone_lr_factor", "backbone.frozen=true"),
        ("layer_decay=0", "value", "layer_decay", "0.75"),
        ("layer_decay=1.5", "value", "layer_decay", "0.75"),
        ("unfreeze_epoch=-1", "value", "unfreeze_epoch", "-1"),
        ("unfreeze_epoch=5", "value", "unfreeze_epoch", "5 epochs"),
        ("save_every_n_steps=0", "value", "save_every_n_steps", "null"),
        ("early_stopping=-1", "value", "early_stopping", "null"),
        ("model.dropout=1", "value", "model.dropout", "0.3"),
        ("model.dropout=often", "value", "model.dropout", "'often'"),
        ("optimizer.lr=0", "value", "optimizer.lr", "trainer.max_epochs=0"),
        ("optimizer.lr=-1", "value", "optimizer.lr", "-1"),
        ("optimizer.lr=high", "value", "optimizer.lr", "'high'"),
        ("optimizer.lr=nan", "value", "optimizer.lr", "nan"),
        ("optimizer.lr=inf", "value", "optimizer.lr", "inf"),
        ("optimizer.betas=[.9,nan]", "value", "optimizer.betas[1]", "nan"),
        ("explainer.lime.samples=0", "value", "explainer.lime.samples", "2 or more"),
        ("explainer.lime.fill=white", "choice", "explainer.lime.fill", "blur, mean, local, black"),
        ("explain.count=0", "value", "explain.count", "explainer=[]"),
        ("explain.views=[]", "value", "explain.views", "explainer=[]"),
        ("explain.masks=/no/masks.json", "missing-file", "explain.masks", "'/no/masks.json'"),
        ("explain.masks=true", "missing-file", "explain.masks", "null"),
        ("explain.score=-1", "value", "explain.score", "-1"),
        ("explain.passes=0", "value", "explain.passes", "explain.score=0"),
        ("explain.minutes=0", "value", "explain.minutes", "auto"),
        ("explain.minutes=soon", "value", "explain.minutes", "null"),
        ("seed=-1", "value", "seed", "-1"),
        ("seed=4294967296", "value", "seed", "4294967295"),
        ("name=../away", "value", "name", "outputs/"),
        ("trainer.max_epochs=abc", "value", "trainer.max_epochs", "'abc'"),
        ("trainer.devices=0", "value", "trainer.devices", "auto"),
        ("trainer.enable_model_summary=-2", "value", "trainer.enable_model_summary", "-1"),
        ("trainer.enable_model_summary=2.5", "value", "trainer.enable_model_summary", "levels"),
        ("trainer.gradient_clip_val=0", "value", "trainer.gradient_clip_val", "null"),
        ("trainer.inference_mode=maybe", "value", "trainer.inference_mode", "true or false"),
        ("trainer.limit_train_batches=half", "value", "trainer.limit_train_batches", "'half'"),
        ("trainer.limit_train_batches=0", "value", "trainer.limit_train_batches", "trainer.max_epochs=0"),
        ("trainer.limit_train_batches=1.5", "value", "trainer.limit_train_batches", "0.1"),
        ("trainer.limit_val_batches=0", "value", "trainer.limit_val_batches", "0.1"),
        ("trainer.val_check_interval=0", "value", "trainer.val_check_interval", "0.25"),
        ("trainer.val_check_interval=1.5", "value", "trainer.val_check_interval", "0.25"),
        ("trainer.check_val_every_n_epoch=6", "value", "trainer.check_val_every_n_epoch", "5 epochs"),
        ("trainer.check_val_every_n_epoch=0", "value", "trainer.check_val_every_n_epoch", "5 epochs"),
        ("trainer.fast_dev_run=true", "value", "trainer.fast_dev_run", "trainer=debug"),
        ("trainer.barebones=true", "value", "trainer.barebones", ""),
    ],
)
def test_wrong_value_is_an_error_with_place_and_hint(override, code, where, fact):
    errors = find_errors(override)
    assert (errors[0].code, errors[0].where) == (code, where)
    assert fact in f"{errors[0].message}\n{errors[0].hint}"
    assert all(error.where and error.hint for error in errors)


@pytest.mark.parametrize(
    "key",
    ["start_from", "resume", "pretrained", "features", "name"]
    + [f"data.{key}" for key in ("root", "cache", "test", "manifest")],
)
def test_empty_value_is_an_error(key):
    errors = find_errors(f"{key}=''")
    assert (errors[0].code, errors[0].where) == ("value", key)


@pytest.mark.parametrize(
    ("overrides", "code", "where", "fact"),
    [
        (["distill=teachers"], "missing-argument", "distill.teachers", "distill=null"),
        ([*TAUGHT, "distill.weight=0"], "value", "distill.weight", "at most 1"),
        ([*TAUGHT, "distill.temperature=0"], "value", "distill.temperature", "above 0"),
        ([*TAUGHT, "distill.out_of_fold=some"], "choice", "distill.out_of_fold", "auto"),
        (["distill=teachers", "distill.teachers=[RUN,RUN]"], "repeated", "distill.teachers", "once"),
        ([*TAUGHT, "loss=focal"], "conflict", "distill, loss", "loss=bce"),
        ([*TAUGHT, "loss=asymmetric"], "conflict", "distill, loss", "loss=bce"),
        ([*TAUGHT, "labels=three_class"], "conflict", "distill, labels.uncertain", "labels=lsr"),
        ([*TAUGHT, "trainer.max_epochs=0"], "conflict", "distill, trainer.max_epochs", "1 or more"),
        (["averaging=swa", "averaging.start_epoch=5"], "value", "averaging.start_epoch", "0 to 4"),
        ([*FROZEN, "unfreeze_epoch=1"], "conflict", "unfreeze_epoch", "backbone.frozen=false"),
        ([*FROZEN, "backbone_lr_factor=0.1"], "conflict", "backbone_lr_factor", "backbone.frozen=false"),
        ([*FROZEN, "layer_decay=0.7"], "conflict", "layer_decay", "backbone.frozen=false"),
        (
            ["trainer.gradient_clip_val=1", "trainer.precision=16-mixed", "optimizer.fused=true"],
            "conflict",
            "trainer.gradient_clip_val",
            "optimizer.fused=false",
        ),
        (["loss=weighted_bce", "loss.pos_weight={Edema:2}"], "value", "loss.pos_weight", "Atelectasis, Cardiomegaly"),
        (["loss=weighted_bce", "loss.pos_weight=often"], "value", "loss.pos_weight", "auto, batch"),
        (["scheduler=warmup_cosine", "scheduler.warmup=2"], "value", "scheduler.warmup", "2"),
        (["model=combined", "~backbone@model.members.densenet"], "too-few", "model.members", "+backbone@model.members"),
    ],
)
def test_settings_that_contradict_each_other_are_an_error(overrides, code, where, fact):
    (error,) = find_errors(*overrides)
    assert (error.code, error.where) == (code, where)
    assert fact in f"{error.message}\n{error.hint}"


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["scheduler=step", "scheduler.step_size=0"], ["scheduler"]),
        (["scheduler=cosine", "scheduler.T_max=0"], ["scheduler"]),
        (["scheduler.pct_start=2"], ["scheduler"]),
        (["optimizer.weight_decay=-1"], ["optimizer"]),
        (["trainer.precision=fp17"], ["trainer"]),
        (["optimizer.weight_decay=-1", "trainer.precision=fp17"], ["optimizer", "trainer"]),
    ],
)
def test_all_parts_that_cannot_be_built_are_reported_together(overrides, where):
    with pytest.raises(UserError) as caught:
        try_out(resolve(make(*overrides)))
    errors = getattr(caught.value, "errors", [caught.value])
    assert [(error.code, error.where) for error in errors] == [("not-built", place) for place in where]


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
def test_settings_in_batches_are_checked_against_the_views(overrides, views, where):
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
def test_step_with_one_image_on_a_device_is_an_error(overrides, train, world, hint):
    found = list(find_single_image_errors(resolve(make(*overrides)), {"train": train} if train else {}, world))
    assert [error.where for error in found] == ["data.batch_size"] * (hint is not None)
    assert all(error.hint.startswith(f"data.batch_size={hint}," if hint.isdigit() else hint) for error in found)


@pytest.mark.parametrize("option", ["lsr", "lsr_zeros", "zeros", "ones", "ignore", "three_class", "conditional"])
def test_rule_for_one_observation_keeps_the_option_as_default(option):
    beside = ["observations=all"] * (option == "conditional")
    plain = resolve(make(f"labels={option}", *beside))["labels"]
    one = resolve(make(f"labels={option}", "labels.uncertain.Edema=ones", *beside))["labels"]
    assert one.pop("uncertain") == {"default": plain.pop("uncertain"), "Edema": "ones"}
    assert one == plain
    both = resolve(make(f"labels={option}", "labels.uncertain={default: zeros, Edema: ones}", *beside))["labels"]
    assert both["uncertain"] == {"default": "zeros", "Edema": "ones"}
    assert resolve(make(f"labels={option}", "labels.uncertain=[0,0.3]", *beside))["labels"]["uncertain"] == [0, 0.3]


def test_single_label_rule_is_not_a_mapping():
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
def test_command_line_sets_rules_by_observation(overrides):
    rules = resolve(make(*overrides))["labels"]["uncertain"]
    expected = {
        "labels=zeros": {"default": "zeros", "Pleural Effusion": [0.5, 0.9]},
        "labels=jfhealthcare": {"default": "zeros", "Atelectasis": "ones", "Edema": "zeros", "Consolidation": 0.1},
        "labels=best_per_observation": "ignore",
    }
    assert rules == expected[overrides[0]]


def test_missing_data_root_is_an_error_with_both_ways_to_set_it(monkeypatch):
    monkeypatch.delenv("CHEXPERT_ROOT", raising=False)
    with raises("missing-dataset", "data.root") as error:
        resolve(make("data=small"))
    assert "data.root=..." in error.value.hint
    assert "CHEXPERT_ROOT" in error.value.hint


def test_same_error_at_several_places_is_reported_at_each():
    errors = find_errors("explain.count=0", "explain.top=0", "explainer=[gradcam,hirescam]",
                         "explainer.gradcam.stride=0", "explainer.hirescam.stride=0")  # fmt: skip
    strides = ["explainer.gradcam.stride", "explainer.hirescam.stride"]
    assert [error.where for error in errors] == ["explain.count", "explain.top", *strides]


def test_error_of_an_interpolated_node_is_reported_once():
    assert [error.where for error in find_errors("backbone.name=nonet")] == ["backbone.name"]


def test_all_errors_are_reported_together():
    errors = find_errors("+foo=1", "data.views=side", "backbone.name=nonet", "trainer.max_epoch=1")
    assert [error.where for error in errors] == [TOP_LEVEL, "data.views", "backbone.name", "trainer (Trainer)"]


def test_backbone_without_effect_on_a_combined_model_is_noted():
    for choice in ("backbone.name=x", "backbone=resnet18"):
        (notice,) = find_notices(make("model=combined", choice), ["model=combined", choice])
        assert notice.startswith(choice)
        assert "backbone@model.members.<name>=" in notice
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
def test_early_stopping_without_effect_is_noted(overrides, noted):
    assert [notice.startswith("early_stopping=") for notice in find_notices(make(*overrides), overrides)] == [
        True
    ] * noted


def test_device_error_is_reported_with_the_others(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    errors = find_errors("trainer=gpu", "model.dropout=2", "level=picture", "start_from=/no/run")
    places = {"trainer.accelerator=gpu", "model.dropout", "level", "start_from=/no/run"}
    assert places <= {error.where for error in errors}


def test_resumed_run_does_not_need_start_from():
    assert resolve(make("start_from=/no/run", "resume=auto"))["start_from"] == "/no/run"


def test_wrong_observations_are_one_error():
    assert [error.where for error in find_errors("observations=[Edma]")] == ["observations"]


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
def test_settings_that_hints_name_are_valid(overrides):
    try_out(resolve(make(*overrides)))


@pytest.mark.parametrize("recipe", ["pham_stage2", "chest_xray_bench_medical_mae"])
def test_second_stage_without_a_run_of_the_first_is_an_error(recipe, root):
    overrides = ["data=small", f"data.root={root}", f"labels.predictions={root / 'predictions.csv'}"]
    with raises("missing-run", "start_from"):
        resolve(make(f"experiment={recipe}", *(overrides if recipe.startswith("chest") else overrides[:2])))
