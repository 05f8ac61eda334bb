"""Occlusion: how far the logit falls when a part of the image is covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "occlusion")
class Occlusion(Options):
    """Fall of the logit with a square covered; slow, needs no gradient: the yardstick of the rest.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.2
        and figure 6. Departure: a pixel's value is the mean over the squares that cover it.
    """

    window: float = Field(default=0.25, gt=0, le=1)
    """Side of the square, as a share of the image's shorter side."""

    stride: float = Field(default=0.5, gt=0, le=1)
    """How far the square moves, as a share of its own side."""

    value: float = 0.0
    """What covers: a value of preprocessed images; 0 is the mean colour where those are centred."""

    batch_size: int = Field(default=64, ge=1)
    """Images in one forward."""

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), signed: logit − logit with the square covered; see ``Explainer``."""
        import torch

        images, logits = recording.images, recording.logits
        if rows is not None:
            images, logits = images[rows], logits[rows]
        n, _, height, width = images.shape
        squares = self.squares(height, width)
        falls = images.new_zeros((n, 1, height, width))
        covers = images.new_zeros((1, 1, height, width))
        for top, bottom, left, right in squares:
            covers[:, :, top:bottom, left:right] += 1
        jobs = [(row, square) for row in range(n) for square in squares]
        with torch.no_grad():
            for start in range(0, len(jobs), self.batch_size):
                part = jobs[start : start + self.batch_size]
                covered = images[[row for row, _ in part]]
                for k, (_, (top, bottom, left, right)) in enumerate(part):
                    covered[k, :, top:bottom, left:right] = self.value
                scores = recording.model(covered)
                for k, (row, (top, bottom, left, right)) in enumerate(part):
                    fall = logits[row, targets[row]] - scores[k, targets[row]]
                    falls[row, :, top:bottom, left:right] += fall
        return falls / covers

    def squares(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Every position of the square as (top, bottom, left, right); together they cover all."""
        side = max(1, round(self.window * min(height, width)))
        step = max(1, round(self.stride * side))

        def starts(length: int) -> list[int]:
            return sorted({*range(0, length - side, step), length - side})

        return [
            (top, top + side, left, left + side) for top in starts(height) for left in starts(width)
        ]
