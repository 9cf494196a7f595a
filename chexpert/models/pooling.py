"""From a backbone's last features to one vector of an image, or to one vector for each observation."""

from collections.abc import Callable
from math import log
from typing import Literal, get_args

import torch
from torch.nn.functional import linear, logsigmoid

from chexpert.errors import OWN, UserError

Pooling = Literal["avg", "max", "lse", "pcam", "cls", "cls+avg"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
CLASS_TOKEN = ("cls", "cls+avg")
"""Poolings that read a transformer's class token."""
SHARPNESS = 10.0
"""r of log-sum-exp with the best results in Wang et al. 2017; jfhealthcare/Chexpert has 0.5."""


def find_pooling_errors(pooling: object, sharpness: object) -> list[UserError]:
    """Return the errors in these arguments, before anything is built."""
    errors = []
    if pooling not in POOLINGS:
        hint = "one of " + ", ".join(POOLINGS)
        errors.append(UserError(f"no pooling is called {pooling!r}", code="choice", where=f"{OWN}pooling", hint=hint))
    where, number = f"{OWN}sharpness", isinstance(sharpness, int | float) and not isinstance(sharpness, bool)
    if not number or not 0 < sharpness < float("inf"):  # type: ignore[operator]
        errors.append(
            UserError(f"{sharpness!r} is not possible", code="value", where=where, hint="a number above 0, such as 10")
        )
    elif sharpness != SHARPNESS and pooling != "lse":
        message, hint = f"pooling {pooling} has no sharpness", "leave sharpness out: log-sum-exp (lse) alone has it"
        errors.append(UserError(message, code="unused-setting", where=where, hint=hint))
    return errors


def no_vectors(name: str) -> UserError:
    """Return the error where one vector of an image is asked for, and each output has its own."""
    message = f"pooling=pcam of {name} has no features to keep: the classifier weighs the cells anew in every step"
    return UserError(message, code="conflict", where="features", hint="features=null, or another backbone.pooling")


def pool_map(features: torch.Tensor, pooling: Pooling, sharpness: float = SHARPNESS) -> torch.Tensor:
    """Pool each channel of a feature map over its cells.

    Log-sum-exp (Pinheiro and Collobert 2015, arxiv.org/abs/1411.6228; Wang et al. 2017, arxiv.org/abs/1705.02315) is
    log(mean(exp(r x))) / r: the mean as r goes to 0, the maximum as it grows.

    Args:
        features: (B, K, h, w).
        pooling: ``avg``, ``max`` or ``lse``.
        sharpness: r of ``lse``.

    Returns:
        (B, K), of the type of the map.

    >>> pool_map(torch.tensor([[[[1.0, 3.0]]]]), "avg"), pool_map(torch.tensor([[[[1.0, 3.0]]]]), "max")
    (tensor([[2.]]), tensor([[3.]]))
    """
    if pooling == "max":
        return features.amax((2, 3))  # of equal cells each has its share of the gradient
    if pooling == "lse":
        cells = widen(features).flatten(2)
        mean = torch.logsumexp(sharpness * cells, dim=2) - log(cells.shape[2])
        return (mean / sharpness).to(features.dtype)
    return features.mean((2, 3))


def attend(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    norm: Callable[[torch.Tensor], torch.Tensor] | None = None,
    *,
    hold: bool = False,
) -> torch.Tensor:
    """Pool a feature map once for each output, by probabilistic class activation maps (PCAM).

    Ye et al. 2020, arxiv.org/abs/2005.14480: the classifier reads every cell, and the sigmoid of an output there, over
    its sum of all cells, is the weight of the cell in the vector that this output is computed from.

    Args:
        features: (B, K, h, w).
        weight: of the classifier, (C, K).
        bias: likewise, (C,).
        norm: of vectors (B, N, K) before the classifier reads them.
        hold: let no gradient through the weights of the cells: then the pooled vector is linear in the map.

    Returns:
        (B, C, K).
    """
    cells = features.flatten(2).transpose(1, 2)
    logits = widen(linear(norm(cells) if norm else cells, weight, bias))
    attention = logsigmoid(logits).softmax(dim=1)  # sigmoid / sum of sigmoids, where all of them are nearly 0 too
    attention = attention.detach() if hold else attention
    return attention.to(cells.dtype).transpose(1, 2) @ cells


def classify_vectors(classifier: torch.nn.Linear, vectors: torch.Tensor) -> torch.Tensor:
    """Apply a classifier of K features and C outputs to (B, K), or each output to its own vector of (B, C, K)."""
    if vectors.ndim == 2:
        return classifier(vectors)
    return (vectors * classifier.weight).sum(2) + classifier.bias


def widen(values: torch.Tensor) -> torch.Tensor:
    """Return half-precision values in float32, others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
