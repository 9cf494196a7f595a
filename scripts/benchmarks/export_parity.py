"""Export every backbone and kind of model with random weights, and compare the file with the model.

Batch normalization takes its statistics from the images first, so that the logits differ between images. Printed is a
row for each: opset, size of the file, largest difference of a probability over images of six sizes, seconds of the
export. Exit code 1: a difference above 1e-5, or a model that could not be exported.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from chexpert.checkpoints import Loaded

PROJECT = Path(__file__).parents[2]
KINDS = {
    "combined": ["model=combined"],
    "combined_six": ["model=combined_six"],
    "patches": ["model=patches"],
    "probe": ["model=probe"],
    "three_class": ["labels=three_class"],
    "conditional": ["labels=conditional", "observations=all"],
    "rectangle, crop": ["data.image_size=[96,64]", "data.resize_mode=crop"],
    "rectangle, pad": ["data.image_size=[64,96]", "data.resize_mode=pad"],
}
"""Kinds of models and settings, each on resnet10t where it has no networks of its own."""
SIZES = ((64, 64), (80, 70), (320, 390), (129, 640), (33, 500), (700, 701))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", choices=("onnx", "pt2"), default="onnx", help="format (onnx)")
    parser.add_argument("--size", type=int, default=64, help="image size in pixels (64)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="backbones of conf/backbone, and kinds (all)")
    given = parser.parse_args()
    backbones = {path.stem: [f"backbone={path.stem}"] for path in sorted((PROJECT / "conf/backbone").glob("*.yaml"))}
    cases = backbones | {name: ["backbone=resnet10t", *words] for name, words in KINDS.items()}
    wrong = 0
    print("| model | opset | MB | largest difference | seconds |\n|---|---|---|---|---|", flush=True)
    for name in given.names or cases:
        try:
            opset, size, difference, seconds = measure(cases[name], given.size, given.to)
        except Exception as error:
            print(f"| {name} | {type(error).__name__}: {' '.join(str(error).split())[:300]} |", flush=True)
            wrong += 1
            continue
        wrong += not difference <= 1e-5
        print(f"| {name} | {opset} | {size:.1f} | {difference:.1e} | {seconds:.0f} |", flush=True)
    return int(wrong > 0)


def measure(settings: list[str], size: int, kind: str) -> tuple[object, float, float, float]:
    """Return opset, megabytes, largest difference and seconds of the export of one model."""
    import numpy as np

    from chexpert.inference.exported import onnx_file
    from chexpert.inference.exported.export import ExportSettings, make_graph, open_session, write_model
    from chexpert.inference.exported.graph import OUTPUTS
    from chexpert.inference.exported.trace import trace

    loaded = make_model(settings, size)
    images = [np.random.default_rng(n).integers(0, 256, shape, dtype=np.uint8) for n, shape in enumerate(SIZES)]
    expected = predict(loaded, images)
    begin = time.perf_counter()
    program = trace(make_graph(loaded, ExportSettings()), loaded.preprocessing.size)
    model = onnx_file.make_onnx(program, [*OUTPUTS]) if kind == "onnx" else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{kind}"
        write_model(path, program, model, {"input": "uint8"})
        seconds = time.perf_counter() - begin
        session = open_session(path, "uint8")
        found = np.concatenate([session(image[None], np.zeros(2, dtype=np.int64))[0] for image in images])
        opset = onnx_file.get_opset(model) if model else "-"
        return opset, path.stat().st_size / 1e6, float(np.abs(found - expected).max()), seconds


def make_model(settings: list[str], size: int) -> "Loaded":
    """Return a model with random weights and a calibration, as if it were read from a run."""
    import torch
    from hydra import compose, initialize_config_dir

    from chexpert.checkpoints import Loaded
    from chexpert.config.resolution import resolve
    from chexpert.data import Preprocessing
    from chexpert.engine.build import build_model

    words = ["data=phantom", "pretrained=false", f"data.image_size={size}", "channels_last=false", *settings]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config = resolve(compose("train", words))
    torch.manual_seed(0)
    model = build_model(config)
    preprocessing = Preprocessing(config["data"]["image_size"], config["data"].get("resize_mode", "stretch"))
    images = torch.randint(0, 256, (8, 1, *preprocessing.size), dtype=torch.uint8)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        model(images)
    for head in (m for m in model.modules() if isinstance(m, torch.nn.Linear)):
        torch.nn.init.normal_(head.weight, std=head.in_features**-0.5)
    names = list(config["observations"])
    levels = {"image": {name: {"slope": 1.3, "intercept": -0.4} for name in names}}
    calibration = {"method": "platt", "fitted_on": "dev", "views": "max", "levels": levels}
    return Loaded(model.eval(), preprocessing, names, config, True, {"calibration": calibration})


def predict(loaded: "Loaded", images: list) -> "np.ndarray":
    """Return calibrated probabilities (N, C) by the project's own resizing and calibration."""
    import torch

    with torch.inference_mode():
        rows = [loaded.model(torch.from_numpy(loaded.preprocessing.apply(image))[None, None]) for image in images]
    return loaded.calibrate(torch.cat(rows).float().sigmoid().numpy())


if __name__ == "__main__":
    sys.exit(main())
