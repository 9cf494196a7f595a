"""``chexpert weights``: the list, a card, and conversion without running a file's code."""

import os
import pickle
import shlex
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from helpers.cli import run_cli
from helpers.errors import raises

from chexpert.models.convert import convert
from chexpert.models.pickle_globals import is_trusted, list_globals
from chexpert.weights import read_cards


class Network(torch.nn.Module):
    """A module that is pickled whole, as TorchXRayVision's are."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_list_has_a_line_for_each_card():
    done = run_cli("weights", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()[:-1]] == list(read_cards())


@pytest.mark.parametrize("name", read_cards())
def test_show_has_the_facts_of_a_card(name):
    done, card = run_cli("weights", "show", name), read_cards()[name]
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for fact in (card.source, card.network, card.license, card.saw_chexpert_source, card.checked):
        assert " ".join(fact.split()) in text


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["show", "raddino"], "chexpert weights show rad-dino"),
        (["show", "zzz"], "chexpert weights list"),
        (["show"], "chexpert weights --help"),
        (["list", "x"], "chexpert weights --help"),
        (["convert", "a.pt"], "chexpert weights --help"),
        (["convert", "a.pt", "b.pt"], "b.pt.safetensors"),
        (["convert", "a.pt", "b.safetensors"], "where: a.pt"),
    ],
)
def test_wrong_words_are_errors(words, printed):
    done = run_cli("weights", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert printed in done.stderr


def test_a_checkpoint_is_converted(tmp_path):
    state = {"a.weight": torch.arange(6.0).view(2, 3).t(), "b": torch.ones(2, dtype=torch.half)}
    torch.save({"model": state, "epoch": 3}, tmp_path / "x.pt")
    done = run_cli("weights", "convert", tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    found = safetensors.torch.load_file(tmp_path / "x.safetensors")
    assert {key: value.tolist() for key, value in found.items()} == {
        f"model.{key}": value.tolist() for key, value in state.items()
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pt", "x.safetensors"]
    again = run_cli("weights", "convert", tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert again.returncode == 2


@pytest.mark.parametrize("legacy", [False, True])
def test_code_of_a_file_is_not_run(tmp_path, legacy):
    torch.save(
        {"a": torch.ones(2), "b": Touch(tmp_path / "marker")},
        tmp_path / "x.pt",
        _use_new_zipfile_serialization=not legacy,
    )
    done = run_cli("weights", "convert", tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert done.returncode == 2
    assert f"where: {tmp_path / 'x.pt'}" in done.stderr
    assert "io.open" in done.stderr
    assert "weights_only" not in done.stderr
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
@pytest.mark.parametrize(("nested", "legacy"), [(False, False), (True, False), (False, True)])
def test_a_pickled_module_is_named_and_the_hint_makes_a_state_dict(tmp_path, monkeypatch, nested, legacy):
    (tmp_path / "torchxrayvision.py").write_text("import torch\nclass Network(torch.nn.Linear):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import torchxrayvision

    network = torchxrayvision.Network(2, 3)
    path = tmp_path / "x y.pt"
    torch.save({"model": network, "epoch": 3} if nested else network, path, _use_new_zipfile_serialization=not legacy)
    del sys.modules["torchxrayvision"]
    done = run_cli("weights", "convert", path, tmp_path / "x.safetensors")
    assert done.returncode == 2
    assert "torchxrayvision.Network" in done.stderr
    (hint,) = [line for line in done.stderr.splitlines() if "hint:" in line]
    command = shlex.split(hint[hint.index("python -c") :])
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    done = run_cli("weights", "convert", tmp_path / "state.pt", tmp_path / "x.safetensors")
    assert done.returncode == 0
    prefix = "model." if nested else ""
    assert {key: value.shape for key, value in safetensors.torch.load_file(tmp_path / "x.safetensors").items()} == {
        f"{prefix}weight": (3, 2),
        f"{prefix}bias": (3,),
    }


class Run:
    """Unpickled, it runs a command."""

    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_plain_pickle_names_what_it_would_run(tmp_path, protocol):
    path = tmp_path / "x.pt"
    path.write_bytes(pickle.dumps([Run(), Run()], protocol))
    assert list_globals(path) == [f"{os.system.__module__}.system"]
    with raises("unreadable-file", path) as error:
        convert(path, tmp_path / "x.safetensors")
    assert "python -c" not in error.value.hint


@pytest.mark.parametrize("content", [b"", b"text of a file", b"e\n", bytes(range(256))])
def test_a_file_of_another_kind_is_an_error(tmp_path, content):
    path = tmp_path / "text.pt"
    path.write_bytes(content)
    with raises("unreadable-file", path) as error:
        convert(path, tmp_path / "x.safetensors")
    for word in ("weights_only", "101", "python -c"):
        assert word not in f"{error.value.message} {error.value.hint}"


def test_no_folder_for_the_result_is_an_error(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    with raises("missing-file", tmp_path / "no folder"):
        convert(tmp_path / "x.pt", tmp_path / "no folder/x.safetensors")


@pytest.mark.parametrize("content", [{"a.b": 1, "a": {"b": 2}}, {"1": 1, 1: 2}, {"b": 1, "_orig_mod.b": 2}], ids=str)
def test_two_tensors_of_one_name_are_an_error(tmp_path, content):
    def fill(value):
        return {key: fill(one) for key, one in value.items()} if isinstance(value, dict) else torch.ones(value)

    torch.save(fill(content), tmp_path / "x.pt")
    with raises("other-weights", tmp_path / "x.pt"):
        convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("torch.nn.modules.conv.Conv2d", True),
        ("torchvision.models.densenet._DenseLayer", True),
        ("torchxrayvision.models.DenseNet", True),
        ("numpy.dtype", True),
        ("torchxrayvision.models.os.system", False),
        ("torch.nn.modules.utils.os.system", False),
        ("torch.hub.load", False),
        ("numpy.testing._private.utils.runstring", False),
        ("builtins.eval", False),
        ("posix.system", False),
        ("library.Network", False),
    ],
)
def test_only_known_libraries_are_trusted(name, trusted):
    assert is_trusted(name, {"torchxrayvision"}) is trusted
