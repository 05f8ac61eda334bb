"""What a network returns, and its conversion to logits with one column per class.

Probabilities that are put through softmax again lose their meaning: a confidence of 0.999 becomes 0.731.
A head with one output has no column for its negative class. Both are converted here, so that everything
after it sees logits of all classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from auditor.autograd.shared_parts import SharedParts
from auditor.errors import ModelError

if TYPE_CHECKING:
    from auditor.config import OutputKind
    from auditor.records.decisions import TaskName

_TOLERANCE = 1e-3
"""Largest difference of the sum of probabilities from 1: half precision rounds to about this."""
_CONSTANT = 1e-6
"""Largest range of a constant output, as a share of the largest range of an output."""


class ClassLogits(SharedParts):
    """A network whose outputs are converted to logits of all classes.

    A single output z becomes z/2 for the positive class and -z/2 for the negative one: their softmax is
    the sigmoid of z, and the evidence for the negative class is the negated output.

    Where the logit of a class is the same for all images, such as that of a row of zeros in the head,
    its gradient is 0, and nothing would explain the class. Its probability still depends on the image,
    through the other logits. All logits are then taken minus their mean, which changes no probability.
    Of two classes, these are half the difference of both logits, with either sign.
    """

    def __init__(
        self,
        network: nn.Module,
        kind: OutputKind,
        task: TaskName,
        positive: int = 1,
        *,
        centred: bool = False,
    ) -> None:
        """Wraps a network, which stays as it is.

        Args:
            network: images (N, 3, H, W) → outputs.
            kind: what it returns.
            task: with ``multi-label``, each output is a label of its own.
            positive: column of the positive class, 0 or 1, for a binary network with one output.
            centred: whether to subtract the mean logit; for logits of two classes or more.
        """
        super().__init__(network)
        self._kind = kind
        self._task = task
        self._positive = positive
        self._centred = centred

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of the images (N, 3, H, W); of a multi-label network, (N, 2L)."""
        outputs = as_columns(self.audited_network(images))
        single = self._task == "binary" and outputs.shape[1] == 1
        if self._kind == "probabilities":
            _require_probabilities(outputs, whole=not single and self._task != "multi-label")
        if self._task == "multi-label":
            half = _log_odds(outputs, self._kind) / 2
            return torch.stack((half, -half), dim=2).flatten(1)
        if single:
            half = _log_odds(outputs, self._kind) / 2
            columns = (half, -half) if self._positive == 0 else (-half, half)
            return torch.cat(columns, dim=1)
        if self._kind == "probabilities":
            return (outputs + torch.finfo(outputs.dtype).tiny).log()
        return outputs - outputs.mean(1, keepdim=True) if self._centred else outputs


def as_columns(outputs: object) -> Tensor:
    """Outputs (N, K); those of shape (N,) as one column.

    Raises:
        ModelError: they are no tensor of floats of one of these shapes.
    """
    if not isinstance(outputs, Tensor):
        raise ModelError(
            f"model: expected a tensor (N, K) of outputs; the network returned "
            f"{type(outputs).__name__}: wrap it in a module whose forward returns only the logits"
        )
    if outputs.is_complex():
        raise ModelError(
            f"model: expected real outputs; got {outputs.dtype}: return their real part, or their "
            "absolute values"
        )
    if not outputs.is_floating_point():
        kind = str(outputs.dtype).removeprefix("torch.")
        raise ModelError(
            f"model: expected outputs of floating-point numbers; got {kind}: return the logits instead of "
            "the predicted classes"
        )
    if outputs.ndim == 1:
        return outputs[:, None]
    if outputs.ndim != 2:
        raise ModelError(
            f"model: expected outputs of shape (N, K); got {tuple(outputs.shape)}: the network must "
            "pool its maps and return one row per image"
        )
    return outputs


def recognise(outputs: Tensor, task: TaskName) -> OutputKind:
    """Recognises what a network returns.

    Args:
        outputs: (N, K) for several different images.
        task: of the network.

    Returns:
        ``probabilities`` if all rows are non-negative and sum to 1, or, for outputs that are
        independent of each other, if all are in 0…1 and differ; ``log-probabilities`` if their
        exponentials sum to 1; otherwise ``logits``.
    """
    values = outputs.detach().double()
    if not bool(torch.isfinite(values).all()) or values.numel() == 0:
        return "logits"
    within = bool((values >= 0).all()) and bool((values <= 1 + _TOLERANCE).all())
    if task == "multi-label" or values.shape[1] == 1:
        return "probabilities" if within and bool(values.std() > 0) else "logits"
    if within and _close_to_one(values.sum(1)):
        return "probabilities"
    if bool((values <= 0).all()) and _close_to_one(values.exp().sum(1)):
        return "log-probabilities"
    return "logits"


def constant_columns(outputs: Tensor) -> list[int]:
    """Columns that are the same for all images, up to rounding.

    Args:
        outputs: (n, K) for several different images.

    Returns:
        Their numbers, in ascending order; none if no column varies, or an output is not finite.
    """
    values = outputs.detach().double()
    if len(values) < 2 or not bool(torch.isfinite(values).all()):
        return []
    spread = values.amax(0) - values.amin(0)
    largest = float(spread.max())
    if largest == 0:
        return []
    return [int(k) for k in torch.nonzero(spread <= _CONSTANT * largest).flatten()]


def _close_to_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < _TOLERANCE).all())


def _log_odds(outputs: Tensor, kind: OutputKind) -> Tensor:
    """Log p - log(1 - p) of independent outputs."""
    if kind == "logits":
        return outputs
    # Keeps 0 out of the logarithms. A clamp would count as an activation of the network.
    tiny = torch.finfo(outputs.dtype).tiny
    if kind == "probabilities":
        return (outputs + tiny).log() - (1 - outputs + tiny).log()
    return outputs - torch.log(-torch.expm1(outputs - tiny))


def _require_probabilities(outputs: Tensor, *, whole: bool) -> None:
    values = outputs.detach().float()
    finite = values[torch.isfinite(values).all(1)]
    outside = bool(((finite < -_TOLERANCE) | (finite > 1 + _TOLERANCE)).any())
    if outside or (whole and not _close_to_one(finite.sum(1))):
        shown = ", ".join(f"{one:.3g}" for one in finite[0, :4].tolist())
        raise ModelError(
            "model.output: expected probabilities, in 0…1"
            + (" with a sum of 1 per image" if whole else "")
            + f"; the network returned {shown} …: state `output: logits`"
        )
