"""Signals, and the waits that they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from chexpert import stopping
from chexpert.stopping import Stopped, heeding_signals, waiting


def send(signum=signal.SIGTERM):
    os.kill(os.getpid(), signum)


def test_a_signal_that_is_noted_only_ends_a_wait(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.1)
    with heeding_signals() as stopper:
        stopper.deferring = True
        send()
        assert stopper.requested == signal.SIGTERM
        with pytest.raises(Stopped) as stopped, waiting():
            threading.Event().wait(20)
    assert stopped.value.code == 143


def test_a_wait_that_is_over_in_time_is_no_reason_to_stop(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.1)
    with heeding_signals(patient=True) as stopper:
        stopper.deferring = True
        with waiting():
            send(signal.SIGINT)
        time.sleep(0.3)
        assert stopper.requested == signal.SIGINT


def test_stopping_ends_the_processes_that_help_even_those_that_hang():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    child.start()
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)  # until it has stopped, or SIGTERM may be there first
    with heeding_signals(), pytest.raises(Stopped):
        send()
    child.join(5)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="a wait in C, by glibc")
def test_a_wait_within_a_library_is_ended():
    code = "import ctypes; from chexpert import stopping; stopping.IDLE = 1\n"
    code += "mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock\n"
    code += "with stopping.heeding_signals(): print(flush=True); lock(mutex); lock(mutex)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 143
        assert b"SIGTERM" in process.stderr.read()
