"""Seconds by part and peak memory, by a clock and files that stand in for the system's."""

import pytest
import torch

from chexpert import peak_memory
from chexpert.peak_memory import read_device_peak, read_process_peak
from chexpert.training import resources
from chexpert.training.resources import Resources

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(resources.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def process(tmp_path, monkeypatch):
    """A folder in the place of /proc/self."""
    monkeypatch.setattr(peak_memory, "PROCESS", tmp_path)
    (tmp_path / "status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t 2048 kB\n")
    return tmp_path


def train(own, clock, steps, seconds, validation):
    own.on_train_start(None, None)
    for _ in range(steps):
        clock[0] += seconds
        own.on_validation_start(None, None)
        clock[0] += validation
        own.on_validation_end(None, None)
    own.on_train_end(None, None)


def test_seconds_are_counted_by_part(clock):
    own = Resources()
    own.on_validation_start(None, None)  # the trial before training
    clock[0] += 100
    own.on_validation_end(None, None)
    train(own, clock, steps=2, seconds=10, validation=3)
    clock[0] += 100
    with own.measuring("evaluation"):
        own.on_validation_start(None, None)
        clock[0] += 4
        own.on_validation_end(None, None)
    assert own.summarize(CPU) == {
        "seconds": {"training": 20.0, "validation": 6.0, "evaluation": 4.0},
        "peak_memory_mib": {"process": 2.0, "device": None},
    }


def test_resumed_run_adds_up_and_keeps_the_highest_peak(clock, process):
    first, second = Resources(), Resources()
    first._device = CPU
    first.on_train_start(None, None)
    clock[0] += 5
    state = first.state_dict()
    process.joinpath("status").write_text("VmHWM:\t 1024 kB\n")
    second.load_state_dict(state)
    train(second, clock, steps=1, seconds=10, validation=3)
    assert second.summarize(CPU) == {
        "seconds": {"training": 15.0, "validation": 3.0, "evaluation": 0.0},
        "peak_memory_mib": {"process": 2.0, "device": None},
    }


def test_peak_begins_anew(process):
    Resources()
    assert (process / "clear_refs").read_text() == "5"


def test_peak_without_proc_is_that_of_getrusage(process):
    (process / "status").unlink()
    assert read_process_peak() > 10


def test_no_device_no_peak():
    assert read_device_peak(CPU) is None


@pytest.mark.gpu
def test_device_peak_is_that_of_tensors():
    device = torch.device("cuda", 0)
    torch.cuda.reset_peak_memory_stats(device)
    torch.zeros(4 * 2**20, device=device)
    assert read_device_peak(device) >= 16
