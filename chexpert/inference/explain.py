"""What can be asked of a finished run: to explain its views, or any images, again or by other explainers."""

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from chexpert.checkpoints import Loaded, load
from chexpert.config import GROUPS, ExplainConfig, build, check_targets, find_explain_errors, unknown_key_error
from chexpert.data import CheXpertDataModule, LabelPolicy, raising_dead_workers
from chexpert.data.sources.detect_layout import find_layout
from chexpert.errors import UserError
from chexpert.explain import (
    Explainer,
    ExplainerEvaluation,
    Failures,
    Rows,
    View,
    choose_rows,
    explain_views,
    find_masks,
    find_views,
    open_view,
)
from chexpert.explain.methods.cam import Cam
from chexpert.models import Model
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import HASH_NOTE, find_public, is_hash, name_safely, read_salt, shorten
from chexpert.runs.synthetic import TRAINED


def explain_run(
    run: Path,
    images: Sequence[str],
    explainers: Sequence[str],
    conf: Path,
    *,
    observations: Sequence[str] | None = None,
    out: Path | None = None,
    ids: str = "hash",
    overrides: Sequence[str] = (),
) -> tuple[Path, Failures]:
    """Explains images, or the validation views that the run's own ``explain`` chooses, by the run's best weights.

    Args:
        run: the run folder, or a checkpoint.
        images: image files; none for validation views of the run's data.
        explainers: names of files in conf/explainer; where the run had that explainer, it keeps its settings.
        conf: the folder of configs.
        observations: explain these of every view.
        out: a new folder for the explanations; by default that of the run.
        ids: ``hash``: image files other than CheXpert's own are called by salted hashes; ``path``: by their names.
        overrides: explainer.<name>.<setting>=<value> and explain.<setting>=<value>.

    Returns:
        The folder of the explanations, and which explainers failed; the others have left theirs.

    Raises:
        UserError: something the user can fix; nothing is then written.
    """
    folder = find_folder(run, out)
    loaded = load(run)
    if loaded.synthetic:
        print(f"note: the model was {TRAINED}", file=sys.stderr)
    nodes, choice = compose_settings(loaded.config, explainers, conf, overrides)
    only = choose_observations(observations or choice["observations"], loaded.observations)
    built = {name: build(node, f"explainer.{name}") for name, node in nodes.items()}
    check_layers(built, loaded.model)
    data = None if images else open_data(loaded)
    salt = read_salt(find_home(run)) if images and ids == "hash" else None
    views = choose_views(data, loaded, choice) if data else open_images(images, loaded, salt)
    model = place(loaded.model)
    failures = Failures(folder)
    more: dict[str, Any] = {"only": only, "top": choice["top"], "failures": failures}
    explain_views(model, built, views, loaded.observations, folder, **more)
    if salt and any(is_hash(view.path) for view in views):
        run_files.write_text(folder / run_files.IDS, f"{HASH_NOTE}\n")
    if data and choice["score"]:
        evaluate = ExplainerEvaluation(choice["score"], choice["passes"], loaded.config["seed"])
        masks, rows = find_masks(choice["masks"], data.layout.folder), predict_valid(model, data)
        left = {name: explainer for name, explainer in built.items() if name not in failures}
        evaluate(model, left, data.datasets["valid"], rows, loaded.observations, masks, folder, failures)
    failures.write()
    return folder, failures


def place(model: Model) -> Model:
    """The model on the GPU, where there is one."""
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def prepare(loaded: Loaded) -> Model:
    """The model where it is to run, in the memory format in which it was evaluated: another one adds up otherwise."""
    model = place(loaded.model)
    return model.to(memory_format=torch.channels_last) if loaded.config["channels_last"] else model


def check_layers(explainers: Mapping[str, Explainer], model: Model) -> None:
    """Refuses layers that the model lacks, before the first explainer has written anything."""
    for explainer in explainers.values():
        if isinstance(explainer, Cam):
            explainer.check(model)


def choose_observations(names: Any, known: Sequence[str]) -> list[str] | None:
    """The observations of a list, or of one of the config's words for lists; None where none were chosen."""
    if names is None:
        return None
    words = [names] if isinstance(names, str) else names
    names = [name for word in words for name in GROUPS.get(word, (word,))]
    check_names(names, known, "an output of the model", "observations")
    return names


def find_folder(run: Path, out: Path | None, name: str = run_files.EXPLANATIONS) -> Path:
    """Where explanations, or others of this ``name``, go: a folder that is not there yet, or empty."""
    folder = out or find_home(run) / name
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        hint = "give a new folder: --out FOLDER"
        raise UserError(f"there are {name} already, and nothing is overwritten", where=str(folder), hint=hint)
    if blocked := next((above for above in folder.absolute().parents if above.exists() and not above.is_dir()), None):
        raise UserError(f"{blocked} is no folder", where=str(folder), hint="give another: --out FOLDER")
    return folder


def find_home(run: Path) -> Path:
    """The run folder of a run or of one of its checkpoints; the folder of a checkpoint that lies elsewhere."""
    above = run.absolute().parent
    return run if run.is_dir() else above.parent if above.name == run_files.CHECKPOINTS else above


def try_folder(folder: Path) -> None:
    """Makes a folder and a passing file in it, before the work that fills it.

    Raises:
        UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise UserError(message, where=str(folder), hint="give another: --out FOLDER") from error


def compose_settings(
    config: Mapping[str, Any], explainers: Sequence[str], conf: Path, overrides: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The nodes ``explainer`` and ``explain`` as plain containers: from conf, then the run, then the overrides."""
    check_names(explainers, sorted(path.stem for path in (conf / "explainer").glob("*.yaml")), "an explainer")
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        cfg = compose("train", [f"explainer=[{','.join(explainers)}]", f"seed={config['seed']}"])
    OmegaConf.resolve(cfg.explainer)
    own = {name: node for name, node in config["explainer"].items() if name in explainers}
    try:
        settings = OmegaConf.merge(
            OmegaConf.create({"explainer": cfg.explainer, "explain": OmegaConf.structured(ExplainConfig)}),
            OmegaConf.create({"explainer": own, "explain": config["explain"]}),
            OmegaConf.from_dotlist(list(overrides)),
        )
    except OmegaConfBaseException as error:
        message, hint = (
            str(error).splitlines()[0],
            "python train.py --help lists the settings explain... and explainer...",
        )
        raise UserError(message, where=" ".join(overrides) or "the run's config", hint=hint) from error
    plain: dict[str, Any] = OmegaConf.to_container(settings)  # type: ignore[assignment]
    if other := [key for key in plain if key not in ("explainer", "explain")]:
        raise unknown_key_error(other[0], "the settings of scripts/explain.py", ["explainer", "explain"])
    check_settings(plain["explainer"], plain["explain"], explainers)
    return plain["explainer"], plain["explain"]


def check_settings(nodes: Mapping[str, Any], choice: Mapping[str, Any], explainers: Sequence[str]) -> None:
    """Refuses settings that cannot be, all at once."""
    errors = list(map(str, find_explain_errors(choice)))
    for name, node in nodes.items():
        if name not in explainers:
            hint = f"choose it too, or leave it out: --explainer {' '.join([*explainers, name])}"
            error = UserError("set, but not chosen", where=f"explainer.{name}", hint=hint)
            errors.append(str(error))
        else:
            errors += map(str, check_targets(node, f"explainer.{name}"))
    if errors:
        raise UserError("\n".join(errors))


def check_names(names: Sequence[str], known: Sequence[str], kind: str, where: str = "--explainer") -> None:
    """Refuses a name that is not known, and one that stands twice."""
    if wrong := [name for name in names if name not in known]:
        close = [match for name in wrong for match in difflib.get_close_matches(name, known, n=1)]
        hint = f"did you mean {', '.join(close)}?" if close else f"one of {', '.join(known)}"
        raise UserError(f"not {kind}: {', '.join(wrong)}", where=where, hint=hint)
    if len(set(names)) < len(names):
        raise UserError(f"twice the same: {', '.join(names)}", where=where, hint="name each once")


def open_images(images: Sequence[str], loaded: Loaded, salt: str | None = None) -> list[View]:
    """The views in image files, each of a name of its own; with a salt, of a safe one."""
    paths = [image.replace(os.sep, "/") for image in images]  # Windows has others
    short = shorten(paths)
    called = [name_safely(path if salt is None or find_public(path) else short[path], salt) for path in paths]
    for kind, keys in (
        ("the same file", [str(Path(image).resolve()) for image in images]),
        ("of one name in the explanations", list(map(run_files.view_name, called))),
    ):
        for row, key in enumerate(keys):
            if (first := keys.index(key)) < row:
                hint = "give each image once; two of one name in two calls with --out"
                raise UserError(f"{images[first]} and {images[row]} are {kind}", where="images", hint=hint)
    return [open_view(name, image, loaded.preprocessing) for name, image in zip(called, images, strict=True)]


def choose_views(data: CheXpertDataModule, loaded: Loaded, choice: Mapping[str, Any]) -> list[View]:
    """The validation views of the run's data that its ``explain`` chooses, with labels and masks."""
    dataset, masks = data.datasets["valid"], find_masks(choice["masks"], data.layout.folder)
    rows = choose_rows(dataset, choice["views"], choice["count"], loaded.config["seed"])
    if choice["views"] is None and choice["count"] > len(rows):
        print(f"note: explain.count={choice['count']}, and valid has {len(rows):,} views", file=sys.stderr)
    views = find_views(dataset, rows, loaded.observations, masks)
    if not views:
        message, hint = f"none of the {len(rows)} chosen views can be read", "choose others, or more: explain.count=N"
        raise UserError(message, where="explain.views", hint=hint)
    return views


@raising_dead_workers()
def predict_valid(model: Model, data: CheXpertDataModule) -> Rows:
    """Probabilities, labels and mask (N, C) of the validation views that can be read."""
    device, rows = next(model.parameters()).device, []
    with torch.inference_mode():
        for batch in data.val_dataloader():
            rows.append((model(batch.images.to(device)).float().sigmoid().cpu(), batch.targets, batch.mask))
    probabilities, labels, mask = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return probabilities, labels, mask


def open_data(
    loaded: Loaded, root: Path | None = None, *, hint: str = "restore them, or give images to explain",
    learned: bool = False, test: bool = False,
) -> CheXpertDataModule:  # fmt: skip
    """The validation views of the data that a run was trained on, or of another copy read in the same way.

    Args:
        loaded: the run's model.
        root: of the other copy.
        hint: what to do where the run's own data are gone.
        learned: with the training views as the run learned them, where the copy has such.
        test: with the test set, where the run had it or else beside the other views.
    """
    # what only training and evaluation need may be gone: label files, the test set, the decoded images
    node = loaded.config["data"] | {"cache": None}
    node["test"] = test and (node.get("test") or True)
    node |= {"root": str(root), "manifest": None} if root else {}
    try:
        if errors := list(map(str, check_targets(node, "data"))):
            raise UserError("\n".join(errors))
        labels = build(loaded.config["labels"], "labels") if learned else LabelPolicy("ignore")
        given = {"observations": loaded.observations, "seed": loaded.config["seed"]}
        data: CheXpertDataModule = build(node, "data", labels=labels, **given)
        data.setup("fit" if learned and "train" in find_layout(data.root, data.variant).tables else "validate")
    except UserError as error:
        if root:
            raise
        message = f"the data of the run cannot be read: {error.message}"
        raise UserError(message, where=error.where, hint=hint) from error
    return data
