"""Two examples with a known bias, ready to be audited.

``solar`` uses real photographs and shipped weights; ``digits`` needs only scikit-learn and trains its
network within seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

Case = Literal["solar", "digits"]

CASES: tuple[Case, ...] = get_args(Case)
"""Names of the examples; the first is the default."""


def prepare(case: Case, folder: Path, log: Callable[[str], None]) -> Path:
    """Writes everything that the audit of an example needs.

    Args:
        case: one of `CASES`.
        folder: where to write; created if necessary, existing files are overwritten.
        log: called with a line of text at the start of each step.

    Returns:
        The path of the configuration file.

    Raises:
        MissingDependencyError: the images of the example are not installed.
    """
    if case == "solar":
        from auditor.demo import solar

        return solar.prepare(folder, log)
    from auditor.demo import digits

    return digits.prepare(folder, log=log)
