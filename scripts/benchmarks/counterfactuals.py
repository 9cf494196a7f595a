"""What bench_counterfactuals.py measures: counterfactual images of a classifier beside the phantom's exact ones."""

import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, load
from chexpert.data import write_phantom
from chexpert.explain import HiResCAM, LatentShift, RandomMap, find_masks
from chexpert.explain.counterfactual.autoencoder_file import read_autoencoder, write_autoencoder
from chexpert.explain.counterfactual.latent_shift import Counterfactual, ShiftSettings, make_counterfactual
from chexpert.explain.counterfactual.reconstruction import measure_reconstruction
from chexpert.explain.shortcuts import Case, read_cases
from chexpert.inference.counterfactual import MEASURED, Training, read_images, train_autoencoder
from chexpert.inference.opened_run import open_data
from chexpert.metrics.bootstrap import bootstrap_means, bootstrap_of_means
from chexpert.metrics.localization.map_scores import relevance_mass
from chexpert.observations import COMPETITION

TRAIN = Path(__file__).parents[2] / "train.py"
SHARES = {
    "inside": "change inside the mask (goal .6)",
    "inside_decoded": "change inside, of decoded images",
    "weighed": "weighed change inside (latent_shift)",
    "cam": "HiRes-CAM inside",
    "random": "random map inside",
    "exact": "exact change inside",
    "area": "area of the mask",
    "reached": "wanted probability reached",
}
MOVED = {
    "": "others over own (goal below .5)",
    "_decoded": "others over own of decoded images",
    "_exact": "others over own of exact images",
}


def prepare_seed(given: Namespace, seed: int) -> tuple[Path, Path]:
    """Generate the phantom and train the classifier of a seed, where they are not there; return run and data root."""
    folder = given.out.resolve() / f"seed{seed}-{given.size}px"
    options = {"patients": given.patients, "valid": 160, "laterals": 0.0, "seed": seed, "counterfactuals": COMPETITION}
    root = write_phantom(folder / "phantom", size=max(128, given.size), **options)
    run = folder / "run"
    if not (run / "checkpoints/best.ckpt").is_file():
        settings = ["data=small", f"data.root={root}", f"data.image_size={given.size}", f"seed={seed}"]
        settings += ["pretrained=false", "backbone=resnet10t", "optimizer.lr=2e-3", "explainer=[]", "explain.score=0"]
        settings += [f"trainer.max_epochs={given.epochs}", f"data.cache={folder / 'cache'}", f"hydra.run.dir={run}"]
        settings += [f"trainer.accelerator={'cpu' if given.device == 'cpu' else 'gpu'}"]
        subprocess.run([sys.executable, str(TRAIN), *settings], check=True)
    return run, root


def measure_seed(run: Path, root: Path, given: Namespace, seed: int) -> list[dict[str, Any]]:
    """Measure the true positives of each observation."""
    loaded = load(run)
    data = open_data(loaded, root, learned=True)
    file = run.parent / f"autoencoder-{given.autoencoder_epochs}.safetensors"
    if not file.is_file():
        training = Training(epochs=given.autoencoder_epochs)
        write_autoencoder(file, train_autoencoder(data, loaded, training, torch.device(given.device)))
    model, network = loaded.model.to(given.device), read_autoencoder(file).network.to(given.device)
    some = read_images(data.datasets["valid"], MEASURED, seed)
    print(f"seed {seed}: {measure_reconstruction(model, network, some, loaded.observations)}", flush=True)
    masks = find_masks(None, data.layout.folder)
    cases = list(read_cases(data.datasets["valid"], loaded.observations, [masks] if masks else []))
    stacked = torch.from_numpy(np.stack([case.image for case in cases]))[:, None]
    with torch.inference_mode():
        logits = torch.cat([model(part.to(given.device)).float().cpu() for part in stacked.split(32)]).numpy()
    explainers = LatentShift(str(file)), HiResCAM(stride=16), RandomMap(seed)
    rows = []
    for output, name in enumerate(loaded.observations):
        exact = read_exact(loaded, root, name)
        chosen = [
            number
            for number, case in enumerate(cases)
            if name in case.regions and case.name in exact and logits[number, output] > 0
        ]
        for number in chosen[: given.views]:
            case = cases[number]
            image = stacked[number].to(given.device)
            found = [
                make_counterfactual(model, network, image, output, ShiftSettings(detail=detail))
                for detail in (True, False)
            ]
            maps = [explainer(model, image[None], [[output]])[0][0].signed for explainer in explainers]
            without = torch.from_numpy(exact[case.name])[None, None].to(given.device)
            with torch.inference_mode():
                other = model(without).float().cpu().numpy()[0]
            row = describe(case, name, output, found, maps, exact[case.name], logits[number], other)
            rows.append({"seed": seed, "view": case.name, "observation": name, **row})
    return rows


def read_exact(loaded: Loaded, root: Path, name: str) -> dict[str, np.ndarray]:
    """Read the images that the phantom has without a finding, by the name of the view."""
    valid = open_data(loaded, root / "counterfactual" / name).datasets["valid"]
    return {case.name: case.image for case in read_cases(valid, loaded.observations)}


def describe(
    case: Case, name: str, output: int, found: Sequence[Counterfactual], maps: Sequence[np.ndarray],
    without: np.ndarray, logits: np.ndarray, exact_logits: np.ndarray,
) -> dict[str, float]:  # fmt: skip
    """Return the values of one image: shares inside the mask, and movements of logits."""
    mask, (kept, decoded) = case.regions[name], found
    weighed, cam, chance = (relevance_mass(signed, mask) for signed in maps)
    changed = np.abs(case.image.astype("float64") - without)
    moved = {
        "": kept.logits[3] - kept.logits[0],
        "_decoded": decoded.logits[3] - decoded.logits[0],
        "_exact": logits - exact_logits,
    }
    return {
        "inside": relevance_mass(np.abs(kept.difference), mask),
        "inside_decoded": relevance_mass(np.abs(decoded.difference), mask),
        "weighed": weighed,
        "cam": cam,
        "random": chance,
        "exact": relevance_mass(changed, mask),
        "area": float(mask.mean()),
        "reached": float(kept.reached[0]),
        **{f"own{key}": float(abs(change[output])) for key, change in moved.items()},
        **{f"others{key}": float(np.abs(np.delete(change, output)).mean()) for key, change in moved.items()},
    }


def summarize(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the means over images with their intervals, by observation and of all."""
    names = ["all", *dict.fromkeys(row["observation"] for row in rows)]
    table = {}
    for name in names:
        own = [row for row in rows if name in ("all", row["observation"])]
        shares = bootstrap_means([[row[key] for key in SHARES] for row in own])
        cells = {title: tuple(share) for title, share in zip(SHARES.values(), shares, strict=True)}
        for key, title in MOVED.items():
            pairs = [[row[f"others{key}"], row[f"own{key}"]] for row in own]
            cells[f"{title}"] = tuple(bootstrap_of_means(pairs, lambda means: means[:, 0] / means[:, 1]))
        table[name] = cells
    return table
