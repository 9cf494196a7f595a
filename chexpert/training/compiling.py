"""A function through torch.compile."""

from collections.abc import Callable

import torch

from chexpert.errors import UserError


def compile_function(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Compile a function at its first call, which takes minutes; the state dict of a model stays the same.

    Raises:
        UserError: at a call, it cannot be compiled here.
    """
    from torch._dynamo.exc import TorchDynamoException  # takes seconds to import

    compiled = torch.compile(function)

    def call(images: torch.Tensor) -> torch.Tensor:
        try:
            return compiled(images)
        except TorchDynamoException as error:  # of the tracer as of its backends
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"the model cannot be compiled: {reason}", code="not-compiled", where="compile", hint="compile=false"
            ) from error

    return call
