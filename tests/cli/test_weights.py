"""``chexpert weights``: the list, a card, and conversion without running a file's code."""

import shlex
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from helpers.cli import run_cli

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
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "x.safetensors").exists()


def test_a_pickled_module_is_named_and_the_hint_makes_a_state_dict(tmp_path, monkeypatch):
    (tmp_path / "library.py").write_text("import torch\nclass Network(torch.nn.Linear):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import library

    torch.save(library.Network(2, 3), tmp_path / "x.pt")
    done = run_cli("weights", "convert", tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert done.returncode == 2
    assert "library.Network" in done.stderr
    (hint,) = [line for line in done.stderr.splitlines() if "hint:" in line]
    command = shlex.split(hint[hint.index("python -c") :])
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    done = run_cli("weights", "convert", tmp_path / "state.pt", tmp_path / "x.safetensors")
    assert done.returncode == 0
    assert {key: value.shape for key, value in safetensors.torch.load_file(tmp_path / "x.safetensors").items()} == {
        "weight": (3, 2),
        "bias": (3,),
    }
