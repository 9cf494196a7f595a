"""What settings are called elsewhere (Keras, timm, Lightning, nnU-Net, YOLO), and what that is here."""

import re
from collections.abc import Callable, Mapping

NAMES: Mapping[str, str] = {
    "trainer.max_epochs": "epochs epoch max_epochs max_epoch num_epochs n_epochs nb_epoch nepochs num_train_epochs e "
    "max_steps min_steps num_steps total_steps steps max_iter iterations iters max_time",
    "optimizer.lr": "lr learning_rate lr0 initial_lr init_lr base_lr rate",
    "optimizer.weight_decay": "wd weight_decay decay l2",
    "optimizer.momentum": "momentum",
    "optimizer": "opt optim optimiser optimizer optimizer_name",
    "scheduler": "sched lr_scheduler lr_schedule schedule scheduler_name",
    "scheduler.warmup": "warmup warmup_epochs warmup_steps warmup_ratio",
    "data.batch_size": "batch_size batch batchsize bs b train_batch_size batch_size_train "
    "per_device_train_batch_size",
    "data.num_workers": "workers n_workers worker j nproc num_proc dataloader_num_workers",
    "data.image_size": "size img_size imgsz input_size resolution img im_size crop_size image_resize",
    "data.root": "root data_dir data_root data_path datadir "
    "dataset_path dataset_dir dataset_root path input_dir chexpert_root",
    "data": "dataset data_set dataset_name",
    "data.views": "views view",
    "data.cache": "cache cache_dir",
    "data.dev": "dev val_split validation_split val_ratio valid_ratio val_fraction val_size dev_split",
    "data.folds": "folds k_folds n_folds num_folds n_splits kfold",
    "data.fold": "fold fold_id",
    "data.test": "test",
    "data.augmentation": "augment aug augmentation augmentations data_augmentation",
    "data.augmentation.rotation": "rotation rotate degrees max_rotation",
    "data.augmentation.scale": "scale zoom zoom_range",
    "data.augmentation.shift": "shift translate translation",
    "data.augmentation.flip": "flip hflip fliplr horizontal_flip",
    "data.augmentation.brightness": "brightness",
    "data.augmentation.contrast": "contrast",
    "data.augmentation.gamma": "gamma_range random_gamma adjust_contrast",
    "data.augmentation.noise": "noise gaussian_noise noise_std",
    "data.augmentation.blur": "blur gaussian_blur gaussian_smooth blur_sigma",
    "data.augmentation.cutout": "cutout random_erasing erasing coarse_dropout",
    "data.manifest": "manifest",
    "backbone": "arch architecture network net encoder backbone_name model_name model_type",
    "backbone.frozen": "freeze frozen freeze_backbone freeze_encoder",
    "model.dropout": "dropout drop drop_rate dropout_rate",
    "loss": "criterion loss_fn loss_function loss_name",
    "loss.pos_weight": "pos_weight class_weight class_weights",
    "labels": "uncertainty uncertain uncertainty_policy uncertainty_strategy "
    "policy label_policy u uncertain_labels",
    "observations": "classes targets pathologies tasks findings label_names class_names",
    "early_stopping": "patience early_stop early_stopping_patience earlystopping",
    "trainer.precision": "precision amp fp16 bf16 half mixed_precision",
    "trainer.limit_train_batches": "overfit_batches overfit limit_batches",
    "trainer.devices": "devices gpus num_gpus n_gpus ngpus ngpu num_devices gpu_ids gpu",
    "trainer.accelerator": "device accelerator cuda cpu mps",
    "trainer.gradient_clip_val": "clip_grad grad_clip gradient_clip "
    "clip_grad_norm max_grad_norm clip",
    "trainer.accumulate_grad_batches": "accumulate grad_accum accum_iter "
    "accumulation_steps gradient_accumulation_steps",
    "trainer.check_val_every_n_epoch": "val_interval eval_every val_every val_period",
    "trainer.enable_progress_bar": "progress progress_bar verbose",
    "trainer": "debug fast_dev_run dry_run smoke_test",
    "averaging": "ema use_ema model_ema swa use_swa",
    "start_from": "checkpoint ckpt ckpt_path checkpoint_path initial_checkpoint load_from init_from load "
    "load_checkpoint model_path weights_path finetune finetune_from",
    "resume": "resume_from resume_from_checkpoint resume_training continue continue_training auto_resume",
    "pretrained": "weights pretrained_weights imagenet use_pretrained",
    "features": "feature_cache",
    "name": "exp_name run_name experiment_name exp run_id project",
    "hydra.run.dir": "output output_dir out out_dir outdir save_dir save_path log_dir "
    "logdir default_root_dir results_dir "
    "work_dir",
    "seed": "random_state random_seed manual_seed rng_seed",
    "explainer": "explainers xai cam",
    "logger": "loggers tracker trackers report_to log_with",
    "explain.count": "num_explain n_explain",
    "tta": "tta use_tta test_time_augmentation",
    "compile": "torch_compile torchcompile compile_model",
    "save_top_k": "keep checkpoint_hist",
    "experiment": "recipe_name preset cfg_name config config_name config_file conf yaml",
}  # fmt: skip
PLAIN = {re.sub("[-_]", "", name): target for target, names in NAMES.items() for name in names.split()}

OFF, ON = ("false", "0", "no", "off", "none", "null"), ("true", "1", "yes", "on", "")
PRECISIONS = {"16": "16-mixed", "fp16": "16-mixed", "bf16": "bf16-mixed", "fp32": "32-true", "32": "32-true"}
POLICIES = {
    "smoothing": "lsr", "labelsmoothing": "lsr", "multiclass": "three_class", "selftrained": "self_trained",
    "best": "best_per_observation", "mask": "ignore", "zero": "zeros", "one": "ones",
}  # fmt: skip


def normalize(name: str) -> str:
    """Return a name in the form in which names are compared.

    >>> normalize("--Batch-Size")
    'batchsize'
    """
    return re.sub("[-_]", "", name.lower())


def find_name(name: str) -> str | None:
    """Return the key that has this name in other programs.

    >>> find_name("batch-size"), find_name("LR"), find_name("foo")
    ('data.batch_size', 'optimizer.lr', None)
    """
    return PLAIN.get(normalize(name))


def translate(name: str, key: str, value: str) -> list[str] | None:
    """Return the settings that mean ``name=value``, whose key is known; None where that is not clear."""
    special = SPECIAL.get(key)
    return special(normalize(name), value) if special else [f"{key}={value}"] if value else None


def _devices(name: str, value: str) -> list[str] | None:
    many = re.fullmatch(r"\[?(\d+(?:,\d+)+)\]?", value)
    if many:
        return [f"trainer.devices=[{many[1]}]"]
    if value in ("-1", "all", "auto"):
        return ["trainer=ddp"]
    if name == "devices":
        return [f"trainer.devices={value}"] if value.isdigit() else None
    if name == "gpu" and value.lower() in ON:
        return ["trainer=gpu"]
    if not value.isdigit():
        return None
    if name in ("gpu", "gpuids"):  # the number of one, not how many
        return ["trainer=gpu", f"trainer.devices=[{value}]"]
    known = {"0": ["trainer=cpu"], "1": ["trainer=gpu"]}
    return known.get(value, ["trainer=gpu", f"trainer.devices={value}"])


def _accelerator(name: str, value: str) -> list[str] | None:
    word = name if name in ("cpu", "cuda", "mps") and value.lower() in ON else value.lower()
    if name == "cuda" and value.lower() in OFF:
        return ["trainer=cpu"]
    if match := re.fullmatch(r"(?:(?:cuda|gpu):)?(\d+)", word):
        return ["trainer=gpu"] if match[1] == "0" else ["trainer=gpu", f"trainer.devices=[{match[1]}]"]
    known = {"cpu": "trainer=cpu", "cuda": "trainer=gpu", "gpu": "trainer=gpu", "mps": "trainer.accelerator=mps"}
    return [known[word]] if word in known else None


def _precision(name: str, value: str) -> list[str] | None:
    if name in ("amp", "fp16", "half", "bf16", "mixedprecision"):
        if value.lower() in OFF:
            return ["trainer.precision=32-true"]
        word = "bf16" if name == "bf16" or value == "bf16" else "fp16"
        return [f"trainer.precision={PRECISIONS[word]}"]
    return [f"trainer.precision={PRECISIONS.get(value.lower(), value)}"] if value else None


def _labels(name: str, value: str) -> list[str] | None:
    word = re.sub("^u", "", normalize(value)) if normalize(value)[:1] == "u" else normalize(value)
    known = {normalize(option): option for option in ("zeros", "ones", "ignore", "lsr")} | POLICIES
    return [f"labels={known.get(word, value)}"] if value else None


def _switch(on: str, off: str) -> Callable[[str, str], list[str] | None]:
    return lambda name, value: [on] if value.lower() in ON else [off] if value.lower() in OFF else None


def _averaging(name: str, value: str) -> list[str] | None:
    kind = "swa" if "swa" in name else "ema"
    return [f"averaging={kind}"] if value.lower() in ON else [] if value.lower() in OFF else None


def _pretrained(name: str, value: str) -> list[str] | None:
    if value.lower() in (*ON, "imagenet", "default"):
        return ["pretrained=true"]
    return ["pretrained=false"] if value.lower() in OFF else [f"pretrained={value}"]


def _resume(name: str, value: str) -> list[str] | None:
    return ["resume=auto"] if value.lower() in ON else [f"resume={value}"]


def _augmentation(name: str, value: str) -> list[str] | None:
    return ["data.augmentation=null"] if value.lower() in OFF else None


def _epochs(name: str, value: str) -> list[str] | None:
    """The length of a run is counted in epochs here, and in steps elsewhere."""
    return [f"trainer.max_epochs={value}"] if value and not re.search("step|iter|time", name) else None


def _share(name: str, value: str) -> list[str] | None:
    """A warm-up is a share of the steps here, and a number of epochs or steps elsewhere."""
    return ["scheduler=warmup_cosine", f"scheduler.warmup={value}"] if re.fullmatch(r"0?\.\d+", value) else None


def _momentum(name: str, value: str) -> list[str] | None:
    return ["optimizer=sgd", f"optimizer.momentum={value}"] if value else None


def _weight(name: str, value: str) -> list[str] | None:
    word = {"balanced": "auto"}.get(value, value)
    return ["loss=weighted_bce", f"loss.pos_weight={word}"] if value else None


SPECIAL: Mapping[str, Callable[[str, str], list[str] | None]] = {
    "trainer.max_epochs": _epochs,
    "trainer.devices": _devices,
    "trainer.accelerator": _accelerator,
    "trainer.precision": _precision,
    "trainer": _switch("trainer=debug", "trainer=default"),
    "trainer.enable_progress_bar": _switch("trainer.enable_progress_bar=true", "trainer.enable_progress_bar=false"),
    "labels": _labels,
    "averaging": _averaging,
    "pretrained": _pretrained,
    "resume": _resume,
    "backbone.frozen": _switch("backbone.frozen=true", "backbone.frozen=false"),
    "compile": _switch("compile=true", "compile=false"),
    "data.augmentation": _augmentation,
    "scheduler.warmup": _share,
    "optimizer.momentum": _momentum,
    "loss.pos_weight": _weight,
}
"""Keys whose values are not the same elsewhere."""
