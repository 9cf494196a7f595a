"""Export a trained model for machines without this project: from a gray image of any size to probabilities.

OUT holds model.onnx (or model.pt2), run.py, README.md and metadata.json. The model file holds resizing, normalization,
network, output head and calibration, and as metadata all names, thresholds, prediction sets and origins. It is compared
with the run on 64 validation views: in float32 no probability may differ by more than 1e-5, or nothing is written.
Exit code 1: the exported model differs, or the file was changed after its export; 2: the command or the run is wrong.
Not a medical device.
"""

from argparse import ArgumentError, ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chexpert.errors import UserError, advise_extra

if TYPE_CHECKING:
    from chexpert.inference.exported.export import Exported

FORMATS = ("onnx", "pt2")
PRECISIONS = ("fp32", "fp16", "int8")
INPUTS = ("uint8", "float32")
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, nargs="?", metavar="RUN", help="a run folder, a checkpoint, or hf:OWNER/NAME")
    add("out", type=Path, nargs="?", metavar="OUT", help="a new folder")
    add("--to", dest="format", choices=FORMATS, default="onnx", help="onnx, or pt2: a program of torch (onnx)")
    precision = "of the network; others than fp32 print the change of the AUROC (fp32)"
    add("--precision", choices=PRECISIONS, default="fp32", help=precision)
    add("--map", dest="maps", action="store_true", help="class activation maps as a further output")
    add("--input", choices=INPUTS, default="uint8", help="type of the gray values, 0 to 255 (uint8)")
    add("--images", type=Path, metavar="FOLDER", help="images to compare on (the run's validation views)")
    add("--check", type=Path, metavar="FILE", help="no export: check that a model file is as it was exported")


def run(given: Namespace) -> None:
    """Export, and print what was compared."""
    if given.check:
        _check(given)
        return
    if not given.run or not given.out:
        raise ArgumentError(None, "RUN and OUT are needed, or --check FILE")
    if given.precision == "int8" and given.format == "pt2":
        raise ArgumentError(None, "--precision int8 needs --to onnx")
    _check_out(given.out)

    from chexpert.weights.hub_name import parse_hub_name

    if not given.run.exists() and parse_hub_name(given.run) is None:
        hint = "give a run folder, or a checkpoint"
        raise UserError("no such run", code="missing-run", where=str(given.run), hint=hint)
    if given.format == "onnx" and (missing := [name for name in LIBRARIES if not find_spec(name)]):
        message = f"not installed: {', '.join(missing)}"
        raise UserError(message, code="not-installed", where="--to onnx", hint=advise_extra("onnx"))

    from chexpert.checkpoints import get_local_path  # torch: seconds, after what needs none
    from chexpert.inference.exported.export import ExportSettings, export_run

    settings = ExportSettings(given.format, given.precision, given.maps, given.input)
    _print(export_run(get_local_path(given.run), given.out, settings, given.images))


def _check_out(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = "it is there already and is no empty folder; nothing is overwritten"
        raise UserError(message, code="not-empty", where=str(out), hint="give a new folder")


def _check(given: Namespace) -> None:
    if given.run or given.out:
        raise ArgumentError(None, "--check takes no RUN and no OUT")

    from chexpert.inference.exported.digest import check_file

    print(f"unchanged since its export: {given.check}, SHA-256 {check_file(given.check)}")


def _print(exported: "Exported") -> None:
    metadata, compared = exported.metadata, exported.metadata["parity"]
    print(f"written: {exported.file.parent}")
    opset = f", opset {metadata['opset']}" if "opset" in metadata else ""
    size = exported.file.stat().st_size / 1e6
    print(f"{exported.file.name}: {size:.2f} MB, {metadata['precision']}{opset}, SHA-256 {exported.digest}")
    print(f"largest difference of a probability from the run: {compared['max_difference']:.2e}"
          f" ({compared['images']} images, {compared['of']})")  # fmt: skip
    if ranges := metadata.get("ranges"):
        print(f"ranges of the 8-bit integers: from {ranges['images']} images, {ranges['of']}")
    if aurocs := compared.get("auroc"):
        mean = aurocs["mean"]
        change = mean["exported"] - mean["run"]
        print(f"mean AUROC {mean['run']:.4f} of the run, {mean['exported']:.4f} exported: {change:+.4f}"
              f" ({aurocs['images']} images)")  # fmt: skip
        for name, own in aurocs["observations"].items():
            counts = f"{own['positives']} positive, {own['negatives']} negative"
            print(f"  {name}: {own['run']:.4f}, {own['exported']:.4f} ({counts})")
    print(f"use it: python {exported.file.parent / 'run.py'} IMAGE...")
