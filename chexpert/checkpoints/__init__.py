"""Checkpoints: written whole or not at all, kept, read, resumed from and exported."""

from chexpert.checkpoints.callbacks import BestCheckpoint, EveryCheckpoint, keep_best
from chexpert.checkpoints.export import export
from chexpert.checkpoints.fitted import embed_fitted
from chexpert.checkpoints.hub import get_local_path
from chexpert.checkpoints.io import AtomicCheckpointIO, clean, fingerprint, load_content, write_whole
from chexpert.checkpoints.metadata import FORMAT, get_output_head, without_pretrained
from chexpert.checkpoints.read import Loaded, load, load_state, read_checkpoint, read_metadata
from chexpert.checkpoints.resume_state import RESUME, LastCheckpoint

__all__ = [
    "FORMAT",
    "RESUME",
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "EveryCheckpoint",
    "LastCheckpoint",
    "Loaded",
    "clean",
    "embed_fitted",
    "export",
    "fingerprint",
    "get_local_path",
    "get_output_head",
    "keep_best",
    "load",
    "load_content",
    "load_state",
    "read_checkpoint",
    "read_metadata",
    "without_pretrained",
    "write_whole",
]
