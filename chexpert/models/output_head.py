"""From the raw logits of a classifier to one logit for each observation."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import logsigmoid, softplus


class OutputHead(nn.Module):
    """What stands between a classifier's C + U raw logits and the C logits that everybody else sees. No weights.

    **Three classes** (U-MultiClass, Irvin et al. 2019): a softmax over (0, 1, uncertain) of which the logit of 0 is
    fixed at 0, p ~ (1, exp(z), exp(u)). Then p1 / (p0 + p1), by which the paper evaluates, is the sigmoid of z: the
    first C logits mean what they always do, and the U logits u of "uncertain" are simply dropped.

    **Conditional** (Pham et al. 2019): a raw logit is that of the finding given its parent finding. The probability
    of the finding is the product of the sigmoids from it to its root, and its own logit is put out.

    Args:
        outputs: number C of observations.
        uncertain: indices of the U three-class observations.
        parents: index of each observation's parent, -1 for a root; by default nothing is conditional.
    """

    def __init__(self, outputs: int, uncertain: Sequence[int] = (), parents: Sequence[int] | None = None) -> None:
        super().__init__()
        self.outputs, self.uncertain = outputs, list(uncertain)
        self.parents = None if parents is None else list(parents)
        self.width = outputs + len(self.uncertain)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """Convert raw logits (B, C + U) to the logits (B, C) of the observations."""
        logits = raw[:, : self.outputs]
        return logits if self.parents is None else multiply_down(logits.float(), self.parents)

    def ask(self, raw: torch.Tensor) -> torch.Tensor:
        """Convert raw logits (B, C + U) to as many logits of yes-or-no questions, of which any binary loss learns.

        First, for each observation, "is it there?", given its parent where that is conditional. Then, for each
        three-class one, "is it uncertain?", with the logit u - log(1 + exp(z)) of its class. Where it is certain, the
        binary cross entropies of both add up to the cross entropy of the softmax; where it is uncertain, the
        second alone is it, and the first is to be masked.
        """
        if not self.uncertain:
            return raw
        logits, unsure = raw.float().split([self.outputs, len(self.uncertain)], dim=1)
        return torch.cat([logits, unsure - softplus(logits[:, self.uncertain])], dim=1)


def multiply_down(logits: torch.Tensor, parents: Sequence[int]) -> torch.Tensor:
    """Convert logits given the parent finding to logits of the finding itself, (B, C) both; a root keeps its own.

    With a = log p and b = log(1 - p) of the parent and s of the child given it, p' = p s and
    1 - p' = (1 - p) + p (1 - s): sums of positive numbers only, so nothing cancels and nothing leaves the range of
    float32, whatever the logits.

    >>> multiply_down(torch.tensor([[0.0, 0.0]]), [-1, 0]).sigmoid()
    tensor([[0.5000, 0.2500]])
    """

    def logs(c: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log p and log(1 - p) of observation c."""
        yes, no = logsigmoid(logits[:, c]), logsigmoid(-logits[:, c])
        if parents[c] < 0:
            return yes, no
        above, not_above = logs(parents[c])
        return above + yes, torch.logaddexp(not_above, above + no)

    columns = [torch.sub(*logs(c)) if parent >= 0 else logits[:, c] for c, parent in enumerate(parents)]
    return torch.stack(columns, dim=1)
