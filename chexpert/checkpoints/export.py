"""Export the best weights of a run as safetensors."""

from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save

from chexpert.checkpoints.fitted import read_fitted
from chexpert.checkpoints.metadata import FORMAT, without_pretrained
from chexpert.checkpoints.read import read_checkpoint
from chexpert.checkpoints.training_data import describe_training_data
from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import TRAINED, is_synthetic_metadata


def export(run: Path) -> Path:
    """Write the best weights of a run as best.safetensors, with the metadata to use them as best.json.

    The metadata have no path, no image and no setting of the training, so that the two files can be given to others.
    What was fitted by then stands in best.json too; :func:`embed_fitted` adds what is fitted later.

    Args:
        run: run folder.

    Returns:
        Path of best.safetensors, in the folder checkpoints of the run.

    Raises:
        UserError: the run has no checkpoint that can be read, or the files cannot be written.
    """
    stored, weights = read_checkpoint(run)
    path, synthetic = run_files.checkpoint(run).with_suffix(run_files.SAFETENSORS), is_synthetic_metadata(stored)
    metadata = {
        "format": FORMAT,
        "config": {"model": without_pretrained(stored["config"]["model"])},
        **{key: stored[key] for key in ("observations", "readout", "preprocessing", "versions")},
        "synthetic": synthetic,
        "contamination": stored.get("contamination"),
        "note": "Research software: not a medical device." + f" The model was {TRAINED}." * synthetic,
    }
    metadata |= describe_training_data(run, stored["observations"]) | read_fitted(run)
    if "made_of" in stored:  # of averaged weights, or of a distilled network; without a path
        metadata["made_of"] = stored["made_of"]
    part = path.with_name(path.name + run_files.PART)
    try:
        part.write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))
        part.replace(path)
        run_files.write_json(path.with_suffix(".json"), metadata)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):  # nor can anything be removed from a disk that can only be read
            part.unlink(missing_ok=True)
        raise UserError(
            f"the weights cannot be written: {error}",
            code="write-failed",
            where=str(path),
            hint="free space, or make it writable",
        ) from error
    return path
