"""Export a trained model: one file, a script that runs it, and how to use both."""

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from chexpert.checkpoints import Loaded, load
from chexpert.console import NOTE, log
from chexpert.errors import UserError, find_write_code
from chexpert.inference.exported import onnx_file, parity
from chexpert.inference.exported.digest import check_file
from chexpert.inference.exported.graph import INPUTS, MAPS, OUTPUTS, Graph
from chexpert.inference.exported.metadata import describe_calibration, get_calibration, make_metadata
from chexpert.inference.exported.quantization import quantize
from chexpert.inference.exported.readme import write_readme
from chexpert.inference.exported.torch_program import write_program
from chexpert.inference.exported.trace import trace
from chexpert.inference.output_folder import find_home
from chexpert.report.model_card.card import renew_card
from chexpert.runs import files as run_files

TEMPLATE = Path(__file__).with_name("run_template.py")


@dataclass(frozen=True)
class ExportSettings:
    """What is exported.

    Attributes:
        format: ``onnx`` or ``pt2``.
        precision: ``fp32``, ``fp16`` or ``int8`` of the network.
        maps: with class activation maps as a further output.
        kind: ``uint8`` or ``float32`` of the gray values.
    """

    format: str = "onnx"
    precision: str = "fp32"
    maps: bool = False
    kind: str = "uint8"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        file: the model.
        metadata: that it holds.
        digest: its SHA-256 of itself.
    """

    file: Path
    metadata: dict[str, Any]
    digest: str


def export_run(run: Path, out: Path, settings: ExportSettings, images: Path | None = None) -> Exported:
    """Write the best weights of a run as a folder that can be used without this project.

    Args:
        run: run folder, or file of a checkpoint.
        out: a new folder.
        settings: see :class:`ExportSettings`.
        images: folder, table or file to compare on, in the place of the run's validation views.

    Raises:
        UserError: the run cannot be read, the model cannot be exported, or it puts out other probabilities. There is
            no folder then.
    """
    loaded = load(run)
    checked = parity.select_images(loaded, images)
    log.log(NOTE, describe_calibration(loaded))
    graph = make_graph(loaded, settings)
    with writing_whole(out) as folder:
        program = trace(graph, loaded.preprocessing.size, settings.kind)
        log.info("the model is traced")
        metadata = make_metadata(run, loaded) | describe_interface(settings)
        model = None
        if settings.format == "onnx":
            model = onnx_file.make_onnx(program, [*OUTPUTS, *([MAPS] if settings.maps else [])])
            if settings.precision == "int8":
                model, metadata["ranges"] = quantize_network(model, loaded, checked, settings.kind)
            metadata["opset"] = onnx_file.get_opset(model)
        written = folder / f"model.{settings.format}"
        write_model(written, program, model, metadata)
        metadata |= compare(loaded, open_session(written, settings.kind), checked, settings)
        write_model(written, program, model, metadata)
        digest = check_file(written)
        run_files.write_json(folder / "metadata.json", metadata | {"sha256": digest})
        shutil.copyfile(TEMPLATE, folder / "run.py")
        write_readme(folder / "README.md", written.name, metadata)
        if (card := renew_card(find_home(run))) is not None:
            run_files.write_text(folder / run_files.MODEL_CARD, card)
    return Exported(out / written.name, metadata, digest)


@contextmanager
def writing_whole(out: Path) -> Iterator[Path]:
    """Give a folder beside ``out``, which takes its place at the end; after an error neither is there.

    Raises:
        UserError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent)
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise UserError(message, code=find_write_code(error), where=str(out), hint="give another folder") from error
    with aside:
        folder = Path(aside.name) / out.name
        folder.mkdir()
        yield folder
        if out.is_dir():
            out.rmdir()  # empty: the command has checked
        folder.rename(out)


def make_graph(loaded: Loaded, settings: ExportSettings) -> Graph:
    """Return the module to export, on the CPU, apart from the loaded model."""
    apart = replace(loaded, model=copy.deepcopy(loaded.model).cpu())
    graph = Graph(apart, get_calibration(loaded), maps=settings.maps)
    if settings.precision == "fp16":
        graph.network.half()
    return graph.eval()


def describe_interface(settings: ExportSettings) -> dict[str, Any]:
    """Return the inputs and outputs for the metadata."""
    return {
        "precision": settings.precision,
        "input": settings.kind,
        "inputs": {
            INPUTS[0]: f"(N, height, width) {settings.kind}, gray 0 (black) to 255 (white), any size",
            INPUTS[1]: "(2,) int64, height and width in the file where a JPEG was read smaller, otherwise 0, 0",
        },
        "outputs": {
            OUTPUTS[0]: "(N, observations) calibrated where a calibration is there",
            OUTPUTS[1]: "(N, observations) not calibrated; thresholds and prediction sets are of these",
            **({MAPS: "(N, observations, rows, columns); the mean plus a bias is the logit"} if settings.maps else {}),
        },
    }


def quantize_network(model: Any, loaded: Loaded, compared: parity.CheckedImages, kind: str) -> tuple[Any, dict]:
    """Return a model of ONNX in 8-bit integers, and for the metadata what their ranges were taken from."""
    files, source = parity.select_range_images(loaded, compared)
    inputs = parity.read_inputs(loaded, files)
    quantized = quantize(model, ({INPUTS[0]: gray.astype(kind), INPUTS[1]: size} for gray, size in inputs))
    return quantized, {"images": len(files), "of": source}


def write_model(path: Path, program: ExportedProgram, model: Any, metadata: dict[str, Any]) -> None:
    """Write the file of the model."""
    if model is None:
        write_program(program, path, metadata)
    else:
        path.write_bytes(onnx_file.write_with_metadata(model, metadata))


def open_session(path: Path, kind: str) -> parity.Session:
    """Return a function that runs the file of a model, by the library that is meant for it."""
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()

        def run_program(images: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
            with torch.no_grad():
                return [out.numpy() for out in module(torch.from_numpy(images.astype(kind)), torch.from_numpy(size))]

        return run_program
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run_onnx(images: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
        return session.run(None, {INPUTS[0]: images.astype(kind), INPUTS[1]: size})

    return run_onnx


def compare(
    loaded: Loaded, session: parity.Session, images: parity.CheckedImages, settings: ExportSettings
) -> dict[str, Any]:
    """Return for the metadata how far the exported model differs from the run.

    In float32 probabilities of :data:`.parity.IMAGES` images are compared, and must be the same; in others also the
    AUROCs on all images.

    Raises:
        UserError: they are not the same.
    """
    exact = settings.precision == "fp32"
    files = images.files[: parity.IMAGES] if exact else images.files
    predict = partial(parity.predict_by_file, loaded, session)
    theirs, ours = parity.predict_by_run(loaded, files), predict(files)
    difference = parity.measure_difference(ours, theirs)
    if exact:
        parity.check_difference(difference, len(files))
    if len(files) < parity.IMAGES:
        log.warning("compared on %d images alone, and not on %d: %s", len(files), parity.IMAGES, images.source)
    found: dict[str, Any] = {"images": len(files), "of": images.source, "max_difference": difference}
    if not exact:
        found["auroc"] = parity.compare_aurocs(images, loaded.observations, theirs[1], ours[1])
    return {"parity": found}
