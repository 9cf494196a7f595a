"""What every command imports: the process from which commands are forked has it already."""

import torch
import torch.utils.tensorboard

import chexpert.engine.train
import chexpert.explain.methods.lime
import chexpert.inference.explain
import chexpert.report.html.run_page  # noqa: F401

torch.set_num_threads(1)
