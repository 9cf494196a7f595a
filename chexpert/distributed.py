"""The processes that train one model together: started here, or found to be started by torchrun or srun."""

import json
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chexpert.console import open_streams
from chexpert.errors import UserError
from chexpert.signals import PrunedError, Stopped, list_handled_signals, under_slurm

PATIENCE = 86400
"""Seconds that the others wait for a decision of the first process: it may fill a cache. They see when it dies."""

DATA = "\n  data:  "
"""Between the text of an error and what it consists of, where it goes from one process to another."""

GLANCE = 0.2
"""Seconds until they look again."""

GRACE = "250"
"""Seconds after a signal until the agent kills: a few steps and a checkpoint."""


def find_rank() -> int | None:
    """Which of the processes this is that torchrun or srun have started; None where it is alone."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["RANK"])
    if under_slurm() and int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ:
        return int(os.environ["SLURM_PROCID"])
    return None


def count_devices(trainer: Mapping[str, Any]) -> int:
    """How many devices of this machine a trainer's settings ask for."""
    devices = trainer.get("devices", 1)
    if isinstance(devices, list):
        return len(devices)
    if devices == "auto":
        import torch

        on_gpu = trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
        return max(1, torch.cuda.device_count()) if on_gpu else 1
    return int(devices)


def find_device_errors(trainer: Mapping[str, Any]) -> Iterator[UserError]:
    """The devices that a trainer's settings ask for and this machine has not; Lightning's words name no way out."""
    import torch

    accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", 1)
    gpus, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    has = [f"{gpus} CUDA device{'s' * (gpus != 1)}"] * bool(gpus) + ["one of Apple's (mps)"] * mps + ["a CPU"]
    there = f"this machine has {' and '.join(has)}"
    hint = "trainer.accelerator=cpu, or auto, which takes what there is"
    wanted = {"auto": True, "cpu": True, "gpu": gpus or mps, "cuda": gpus, "mps": mps}
    if not wanted.get(accelerator):
        yield UserError(
            f"no such device: {there}", code="device", where=f"trainer.accelerator={accelerator}", hint=hint
        )
        return
    if accelerator not in ("gpu", "cuda") and not (accelerator == "auto" and gpus):
        return  # processes on a CPU may be as many as one likes
    numbers = devices if isinstance(devices, list) else range(devices) if isinstance(devices, int) else []
    if gpus and any(isinstance(number, int) and number >= gpus for number in numbers):
        hint = f"trainer.devices={gpus}, auto (all), or numbers from 0 to {gpus - 1}"
        yield UserError(f"too many devices: {there}", code="device", where=f"trainer.devices={devices}", hint=hint)


def launch(function: Callable[..., Any], count: int, *arguments: Any) -> Any:
    """Runs a function in ``count`` processes of this machine, and returns what the first gives back.

    Torch's elastic agent starts them; where one dies, it ends the others. They find each other by its environment
    variables, as under torchrun, so that a job of a sweep trains on several devices like any other run.

    Raises:
        UserError: what one of them has raised, or that one of them has died.
        PrunedError: a search has no use for what they train.
        Stopped: by a signal, which they got too.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    handled = list_handled_signals()
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", GRACE)
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ",".join(signum.name for signum in handled)
    handlers = {signum: signal.getsignal(signum) for signum in handled}
    name = uuid.uuid4().hex
    config = LaunchConfig(1, 1, count, run_id=name, rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0)
    config.local_addr = "127.0.0.1"  # the name of a machine need not resolve
    try:
        return elastic_launch(config, _raise_errors)(function, *arguments)[0]
    except SignalException as stopped:
        raise Stopped(stopped.sigval) from stopped
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        content: Any = failure.message  # a mapping where the process recorded its error, else a text
        message = content["message"] if isinstance(content, Mapping) else content
        kind, _, text = message.partition(": ")
        if kind == _SentError.__name__:
            sent = json.loads(text.rpartition(DATA)[2])
            raise UserError(sent.pop("message"), **sent) from failed
        if kind == PrunedError.__name__:
            raise PrunedError(text) from failed
        hint = "its error stands above; continue with resume=RUN once it is fixed"
        message = f"process {rank} has died: {message}"
        raise UserError(message, code="dead-process", where="trainer.devices", hint=hint) from failed
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def _raise_errors(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a started process; record its exception for the process that started it."""
    from torch.distributed.elastic.multiprocessing.errors import record

    @record
    def run() -> Any:
        try:
            return function(*arguments)
        except UserError as error:  # only its text would reach the other process
            kept = {key: getattr(error, key) for key in ("message", "code", "where", "hint")}
            raise _SentError(f"{error}{DATA}{json.dumps(kept)}") from None

    open_streams()
    return run()


class _SentError(Exception):
    """A user's error: its text, and behind ``DATA`` what it consists of, as JSON."""


REFUSED = "refused"


class Decision:
    """Decisions of the first of several processes for all, before they train together.

    Their clocks differ, and only the first may look whether a folder is empty.
    """

    def __init__(self, rank: int) -> None:
        from datetime import timedelta

        from torch.distributed import TCPStore

        self.rank = rank
        address, port, hosted = find_meeting_point()
        host = rank == 0 and not hosted
        if not host:
            wait_until(lambda: _answers(address, port))  # the first may begin later
        self._store = TCPStore(
            address, port, is_master=host, timeout=timedelta(seconds=PATIENCE), wait_for_workers=False
        )

    def decide(self, question: str, answer: Callable[[], str]) -> str:
        """Return the answer of the first process. Where that raises, the others exit without a message."""
        key = f"chexpert/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{question}"
        if self.rank == 0:
            try:
                self._store.set(key, answer())
            except BaseException:
                self._store.set(key, REFUSED)
                raise
        wait_until(lambda: self._store.check([key]))
        answered = self._store.get(key).decode()
        if answered == REFUSED:
            sys.exit(1)
        return answered


def wait_until(there: Callable[[], bool]) -> None:
    """Asks until something is there, for :data:`PATIENCE` at most. A wait within torch would keep signals from Python.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > end:
            raise TimeoutError("the first process does not answer")
        time.sleep(GLANCE)


def _answers(address: str, port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def find_meeting_point() -> tuple[str, int, bool]:
    """Address and port where the processes meet, and whether the agent of torchrun keeps a store there already."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]) + (not hosted), hosted
    from lightning_fabric.plugins.environments import SLURMEnvironment

    slurm = SLURMEnvironment(auto_requeue=False)
    return slurm.main_address, slurm.main_port + 1, False


_decisions: dict[int, Decision] = {}


def broadcast_decision(question: str, answer: Callable[[], str]) -> str:
    """Return the answer of the first process, or the own one where there is no other. Ask a question once a job."""
    rank = find_rank()
    if rank is None:
        return answer()
    if rank not in _decisions:
        _decisions[rank] = Decision(rank)  # kept: where the first process hosts the store it is to stay
    return _decisions[rank].decide(question, answer)
