"""Two cases with a known fault, ready to be audited.

``solar`` (real photographs, shipped weights) is the main job of this package; ``digits`` needs
nothing but scikit-learn and trains its network on the spot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

Case = Literal["solar", "digits"]

CASES: tuple[Case, ...] = get_args(Case)
"""Names of the cases; the first is the default."""


def _silent(_line: str) -> None:
    """Says nothing."""


def prepare(case: Case, folder: Path, say: Callable[[str], None] = _silent) -> Path:
    """Writes everything that the audit of a case needs.

    Args:
        case: one of `CASES`.
        folder: where to write; it is made if it is not there, files of the same names are replaced.
        say: called with a line of text whenever a step begins.

    Returns:
        The path of the configuration, which ``auditor run`` takes as it is.

    Raises:
        MissingDependencyError: the case's images are not installed.
    """
    if case == "solar":
        from auditor.demo import solar

        return solar.prepare(folder, say)
    from auditor.demo import digits

    return digits.prepare(folder, say=say)
