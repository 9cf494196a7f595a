"""Files that would run code if they were unpickled are errors wherever the project loads a file."""

import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.errors import raises
from hydra import compose, initialize_config_dir

import chexpert
from chexpert.checkpoints import AtomicCheckpointIO, read_checkpoint
from chexpert.data.cache import DecodedCache
from chexpert.data.features import Features
from chexpert.engine.resume_checks import find_last
from chexpert.engine.train import run
from chexpert.errors import UserError
from chexpert.inference.member_scores import find_input
from chexpert.metrics.localization.map_files import MapFile
from chexpert.models import Backbone
from chexpert.runs.read import read_config

CONF = Path(__file__).parents[2] / "conf"
NAME = "mnasnet_small"


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.marker),)


class Disguised(dict):
    """A dict that looks like a state, with code in what it is built by."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple]:
        return eval, (f"__import__('os').mkdir({str(self.marker)!r}) or {{'state_dict': {{}}}}",)


def zipped(path: Path, marker: Path) -> None:
    torch.save({"chexpert": Touch(marker), "state_dict": {}}, path)


def old_format(path: Path, marker: Path) -> None:
    torch.save({"state_dict": {"w": torch.zeros(1)}, "x": Touch(marker)}, path, _use_new_zipfile_serialization=False)


def plain(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(marker), 2))


def disguised(path: Path, marker: Path) -> None:
    torch.save(Disguised(marker), path)


def instantiator(path: Path, marker: Path) -> None:
    """The key that an old loader of Lightning called."""
    torch.save({"hyper_parameters": {"_instantiator": "os.mkdir", "path": str(marker)}, "state_dict": {}}, path)


def module(path: Path, marker: Path) -> None:
    net = torch.nn.Linear(1, 1)
    net.__reduce_ex__ = lambda _: (os.mkdir, (str(marker),))
    torch.save(net, path)


PICKLES = [zipped, old_format, plain, disguised, instantiator, module]


@pytest.fixture
def marker(tmp_path) -> Path:
    yield tmp_path / "marker"
    assert not (tmp_path / "marker").exists()


@pytest.fixture
def run_folder(tmp_path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    return folder


LOADERS: dict[str, Callable[[Path], Any]] = {
    "a run folder": lambda path: chexpert.load(path.parents[1]),
    "a checkpoint": chexpert.load,
    "the metadata of a checkpoint": read_checkpoint,
    "a member of an ensemble": lambda path: find_input(path, "valid"),
    "weights of a backbone": lambda path: Backbone(NAME, str(path)),
    "Lightning": lambda path: AtomicCheckpointIO().load_checkpoint(path)["chexpert"]["observations"],
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("write", PICKLES, ids=[each.__name__ for each in PICKLES])
def test_malicious_pickle_is_an_error(run_folder, marker, write, load):
    path = run_folder / "checkpoints/best.ckpt"
    write(path, marker)
    if load is LOADERS["Lightning"]:
        with pytest.raises((pickle.UnpicklingError, KeyError)):
            load(path)
        return
    with pytest.raises(UserError) as caught:
        load(path)
    assert caught.value.code in ("not-a-checkpoint", "unreadable-file", "other-weights")
    assert str(path) in caught.value.where


@pytest.mark.parametrize("write", PICKLES, ids=[each.__name__ for each in PICKLES])
def test_run_does_not_resume_from_a_malicious_pickle(run_folder, marker, write):
    write(run_folder / "checkpoints/last.ckpt", marker)
    with raises("not-a-checkpoint", run_folder / "checkpoints/last.ckpt"):
        find_last(run_folder, None)


@pytest.mark.parametrize("write", PICKLES, ids=[each.__name__ for each in PICKLES])
@pytest.mark.parametrize("key", ["start_from", "pretrained"])
def test_run_does_not_start_from_a_malicious_pickle(tmp_path, marker, write, key):
    path, folder = tmp_path / "stranger.ckpt", tmp_path / "new"
    folder.mkdir()
    write(path, marker)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [f"{key}={path}", f"backbone.name={NAME}", f"data.root.parent={tmp_path / 'phantom'}"])
    with pytest.raises(UserError) as caught:
        run(cfg, folder)
    codes = {"start_from": {"not-a-checkpoint"}, "pretrained": {"unreadable-file", "other-weights"}}
    assert caught.value.code in codes[key]
    assert str(path) in caught.value.where
    assert not (tmp_path / "phantom").exists()


def odd_header(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 200_000_000) + b"{}",
        odd_header(b"not json"),
        odd_header(b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400000]}}'),
        odd_header(b'{"w": {"dtype": "F32", "shape": [99999999999, 99999999999], "data_offsets": [0, 4]}}') + b"0000",
        odd_header(b'{"w": {"dtype": "EVIL", "shape": [1], "data_offsets": [0, 4]}}') + b"0000",
        odd_header(b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}') + b"00000000",
    ],
)
def test_safetensors_with_a_wrong_header_are_an_error(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with raises("unreadable-file", path):
        Backbone(NAME, str(path))


def test_pickle_named_safetensors_is_an_error(tmp_path, marker):
    zipped(tmp_path / "weights.safetensors", marker)
    with raises("unreadable-file", tmp_path / "weights.safetensors"):
        Backbone(NAME, str(tmp_path / "weights.safetensors"))


def test_image_cache_is_never_unpickled(tmp_path, marker):
    for number, content in enumerate([pickle.dumps(Touch(marker)), b"00000000 " + pickle.dumps(Touch(marker))]):
        path = tmp_path / f"{number}.films"
        path.write_bytes(content)
        with raises("damaged-cache", path):
            DecodedCache(path)


def test_features_file_is_never_unpickled(tmp_path, marker):
    np.save(tmp_path / "features.npy", np.array([Touch(marker)], dtype=object))
    with raises("damaged-cache", tmp_path / "features.npy"):
        Features([tmp_path / "features.npy"])


def test_map_file_is_never_unpickled(tmp_path, marker):
    np.savez(tmp_path / "x_map.npz", map=np.array([Touch(marker)], dtype=object))
    np.save(tmp_path / "y_map.npy", np.array([Touch(marker)], dtype=object))
    shutil.move(tmp_path / "y_map.npy", tmp_path / "y_map.npz")
    for name in ("x_map.npz", "y_map.npz"):
        with raises("damaged-file", tmp_path / name):
            MapFile(tmp_path / name, "x", "Edema").read()


@pytest.mark.parametrize("write", PICKLES, ids=[each.__name__ for each in PICKLES])
def test_map_of_chexlocalize_runs_no_code(tmp_path, marker, write):
    path = tmp_path / "patient1_study1_view1_frontal_Edema_map.pkl"
    write(path, marker)
    with raises("damaged-file", path):
        MapFile(path, "patient1_study1_view1_frontal", "Edema").read()


class Within:
    """A tensor whose numbers are a file of torch.save that holds code."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Callable, tuple]:
        return torch.storage._load_from_bytes, (self.content,)


@pytest.mark.parametrize("write", PICKLES, ids=[each.__name__ for each in PICKLES])
def test_tensor_in_a_map_of_chexlocalize_runs_no_code(tmp_path, marker, write):
    write(tmp_path / "x", marker)
    path = tmp_path / "a_Edema_map.pkl"
    content = {"map": Within((tmp_path / "x").read_bytes()), "prob": 0.5, "cxr_dims": (4, 4)}
    path.write_bytes(pickle.dumps(content))
    with raises("damaged-file", path):
        MapFile(path, "a", "Edema").read()


@pytest.mark.parametrize("call", ["os system", "builtins eval", "torch load", "builtins getattr", "numpy load",
                                  "numpy.core.multiarray fromfile", "torch._utils _import_dotted_name"])  # fmt: skip
@pytest.mark.parametrize("protocol", [0, 4])
def test_other_names_in_a_map_of_chexlocalize_are_an_error(tmp_path, call, protocol):
    path = tmp_path / "a_Edema_map.pkl"
    module, name = call.split()
    old = f"c{module}\n{name}\n.".encode()
    new = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name)) + b"\x93."
    path.write_bytes(old if protocol == 0 else new)
    with raises("damaged-file", path) as caught:
        MapFile(path, "a", "Edema").read()
    assert f"{module}.{name}" in caught.value.message


def test_yaml_of_a_run_folder_creates_no_objects(run_folder, marker):
    (run_folder / "config.yaml").write_text(f"x: !!python/object/apply:os.mkdir ['{marker}']\n")
    with raises("damaged-file", run_folder / "config.yaml"):
        read_config(run_folder)


@pytest.mark.parametrize("write", PICKLES[:4], ids=[each.__name__ for each in PICKLES[:4]])
def test_malicious_pickles_run_their_code_if_unpickled(tmp_path, write):
    write(tmp_path / "x", tmp_path / "marker")
    if write is plain:
        pickle.loads((tmp_path / "x").read_bytes())
    else:
        torch.load(tmp_path / "x", weights_only=False)
    assert (tmp_path / "marker").exists()
