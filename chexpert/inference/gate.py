"""Fit the gate of a finished run."""

import shlex
from pathlib import Path

from chexpert.checkpoints import load
from chexpert.data import reporting_dead_workers
from chexpert.errors import UserError
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import fit_gate, write_gate
from chexpert.inference.opened_run import limit_batch, open_data, prepare
from chexpert.runs import files as run_files


@reporting_dead_workers()
def fit_gate_of_run(
    run: Path, method: str, *, replace: bool = False, batch_size: int | None = None, num_workers: int | None = None
) -> Path:
    """Fit a gate on the best weights of a run and on its training images, and return the file.

    Args:
        run: run folder.
        method: ``mahalanobis`` or ``knn``.
        replace: whether a gate that is there is replaced.
        batch_size: images a pass; by default as in training.
        num_workers: processes that read images; likewise.

    Raises:
        UserError: it has a gate, no weights, no data, or too few training images.
    """
    if not run.is_dir():
        message, hint = "no run folder", "give the folder of the run: outputs/<name>/<time>"
        raise UserError(message, code="missing-run", where=str(run), hint=hint)
    path = run / run_files.GATE
    if path.exists() and not replace:
        message = "the run has a gate, and nothing is overwritten"
        raise UserError(
            message, code="not-empty", where=str(path), hint=shlex.join(["chexpert", "gate", str(run), "--replace"])
        )
    loaded = load(run)
    data = open_data(loaded, hint="restore them: the gate is fitted on the training images", learned=True)
    workers = data.num_workers if num_workers is None else num_workers
    model, batch = prepare(loaded), batch_size or limit_batch(loaded)
    weights = hash_weights(model)
    write_gate(path, fit_gate(model, data, weights=weights, method=method, batch_size=batch, workers=workers))
    return path
