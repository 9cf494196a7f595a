"""Run train.py with the fake device as an accelerator of Lightning: ``trainer.accelerator=pretended``."""

import runpy
from pathlib import Path
from typing import Any

import pretended_device
import torch
from pytorch_lightning.accelerators import Accelerator, AcceleratorRegistry
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.trainer.connectors.accelerator_connector import _AcceleratorConnector as AcceleratorConnector

TRAIN = Path(__file__).parents[2] / "train.py"


class Pretended(Accelerator):
    """An accelerator like Lightning's for MPS."""

    @staticmethod
    def name() -> str:
        return pretended_device.NAME

    def setup_device(self, device: torch.device) -> None:
        pass

    def teardown(self) -> None:
        pass

    @staticmethod
    def parse_devices(devices: Any) -> int:
        return int(devices)

    @staticmethod
    def get_parallel_devices(devices: int) -> list[torch.device]:
        return [torch.device(pretended_device.NAME, number) for number in range(devices)]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        return {}


if __name__ == "__main__":
    pretended_device.register()
    # Lightning has strategies for its own accelerators only, and would train on the CPU
    AcceleratorConnector._choose_strategy = lambda _: SingleDeviceStrategy(torch.device(pretended_device.NAME, 0))
    AcceleratorRegistry.register(pretended_device.NAME, Pretended)
    runpy.run_path(str(TRAIN), run_name="__main__")
