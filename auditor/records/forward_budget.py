"""The budget of forward passes that checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.errors import BudgetExhaustedError

MAP_PASSES = 3
"""Forward passes that a map costs, about."""


@dataclass
class ForwardBudget:
    """How many images checks may still run through the model beyond predicting and explaining.

    What fits is decided from numbers of images, before they are run, so that it never depends on time.

    Attributes:
        limit: number of images in all; None for no limit.
        used: number of images so far; a map counts as `MAP_PASSES`.
    """

    limit: int | None = None
    used: int = 0
    _reserved: int = 0

    def spend(self, images: int) -> None:
        """Counts images that are about to be run.

        Raises:
            BudgetExhaustedError: so many are not left for the current check.
        """
        if not self.allows(images):
            raise BudgetExhaustedError(self.missing(images))
        self.used += images

    def reserve_for(self, later: Sequence[float]) -> None:
        """Leaves a fair share to the checks that come later.

        A check that needs less than an equal part leaves the rest to the others. The current check may
        use what none of the later ones can need.

        Args:
            later: the largest number of images of each check that comes later.
        """
        if self.limit is None:
            return
        left = max(self.limit - self.used, 0)
        self._reserved = 0
        # The current check counts as one that takes everything.
        for done, need in enumerate(sorted(later)):
            part = (left - self._reserved) // (len(later) - done + 1)
            self._reserved += min(int(need), part)

    def lift(self) -> None:
        """Ends the limit: what is run from now on belongs to no check."""
        self.limit, self._reserved = None, 0

    def allows(self, images: float) -> bool:
        """Whether the current check may run so many images."""
        return self.limit is None or self.used + images <= self.limit - self._reserved

    def missing(self, images: float) -> str:
        """Why so many images are not run, as the end of a sentence."""
        left = 0 if self.limit is None else max(self.limit - self._reserved - self.used, 0)
        return (
            f"the next step takes {round(images):,} forward passes, and {left:,} of {self.limit:,} are left "
            "for it (checks.budget.forwards)"
        )
