"""Signals, and waits that they end."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers.commands import running_code
from torch.distributed import TCPStore

from chexpert import distributed as ranks
from chexpert import signals as stopping
from chexpert.distributed import Decision
from chexpert.runs import files as run_files
from chexpert.signals import Stopped, handling_signals, waiting


def send(signum=signal.SIGTERM):
    os.kill(os.getpid(), signum)


def test_deferred_signal_ends_a_wait(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.1)
    with handling_signals() as stopper:
        stopper.deferring = True
        send()
        assert stopper.requested == signal.SIGTERM
        with pytest.raises(Stopped) as stopped, waiting():
            threading.Event().wait(20)
    assert stopped.value.code == 143


def test_deferred_signal_during_a_short_wait_does_not_stop(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.1)
    with handling_signals(deferred=True) as stopper:
        stopper.deferring = True
        with waiting():
            send(signal.SIGINT)
        time.sleep(0.3)
        assert stopper.requested == signal.SIGINT


def test_stopping_kills_child_processes_that_hang():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    child.start()
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)  # until it has stopped, or SIGTERM may be there first
    with handling_signals(), pytest.raises(Stopped):
        send()
    child.join(5)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="a wait in C, by glibc")
def test_signal_ends_a_wait_within_a_library():
    code = "import ctypes; from chexpert import signals; signals.IDLE = 1\n"
    code += "mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock\n"
    code += "with signals.handling_signals(): print(flush=True); lock(mutex); lock(mutex)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 143
        assert b"SIGTERM" in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="SLURM")
@pytest.mark.parametrize(("sent", "calls"), [("SIGUSR1", "requeue 4711\n"), ("SIGTERM", "")])
def test_run_stopped_in_a_wait_is_requeued(tmp_path, sent, calls):
    run, scontrol = tmp_path / "a run", tmp_path / "bin/scontrol"
    run.mkdir()
    scontrol.parent.mkdir()
    (tmp_path / "calls").touch()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    scontrol.chmod(0o755)
    (run / run_files.STATE).write_text('{"state": "running", "why": null, "seconds": 4}')
    code = "import sys, ctypes; from functools import partial; from pathlib import Path\n"
    code += "from chexpert import signals; from chexpert.engine.train import report_stopped; signals.IDLE = 1\n"
    code += "mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock\n"
    code += "handling = signals.handling_signals(before_exit=partial(report_stopped, Path(sys.argv[1])))\n"
    code += "with handling: print(flush=True); lock(mutex); lock(mutex)"
    slurm = {"SLURM_JOB_ID": "4711", "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    with running_code(code, run, environment=slurm) as running:
        running.wait_for_lines(1)
        time.sleep(0.2)
        assert running.stop(getattr(signal, sent)) == 128 + getattr(signal, sent)
        printed = running.err.read_text()
    assert sent in printed
    assert f"chexpert train 'resume={run}'\n" in printed
    assert (tmp_path / "calls").read_text() == calls
    state = json.loads((run / run_files.STATE).read_text())
    assert sent in state.pop("why")
    assert state == {"state": "stopped", "seconds": 4}


def test_hanging_before_exit_does_not_delay_the_end():
    code = "import ctypes, time; from chexpert import signals; signals.IDLE, signals.BEFORE_EXIT = 1, 1\n"
    code += "mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock\n"
    code += "with signals.handling_signals(before_exit=lambda stopped: time.sleep(99)):\n"
    code += "    print(flush=True); lock(mutex); lock(mutex)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 143


@pytest.mark.parametrize("there", [True, False])
def test_signal_ends_the_wait_for_a_decision_of_rank_0(monkeypatch, there):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    port = store.port
    if not there:
        del store
    monkeypatch.setattr(ranks, "find_meeting_point", lambda: ("127.0.0.1", port, True))
    threading.Timer(0.5, send).start()
    begun = time.monotonic()
    with handling_signals(), pytest.raises(Stopped):
        Decision(1).decide("never answered", str)
    assert time.monotonic() - begun < 4


def test_wait_has_a_time_limit(monkeypatch):
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)
    with pytest.raises(TimeoutError):
        ranks.wait_until(lambda: False)
