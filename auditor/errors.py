"""Everything that can go wrong, as one tree.

::

    AuditorError
    ├── UsageError                  the caller's mistake: exit code 2
    │   ├── ConfigError             the configuration: unknown key, wrong value, missing file
    │   ├── DataError               the data set: missing column, label that is no class, nothing in it
    │   ├── ModelError              the classifier: checkpoint, output, classes, target layer
    │   ├── OutputExistsError       the run folder already holds a finished run
    │   └── MissingDependencyError  an optional library, or a system library, is not there
    ├── UnreadableImageError        one image; becomes a row's `status`, never the end of a run
    └── AuditAbortedError              the audit stopped half way: exit code 3

A message says what was expected, what came, and the mend.
"""

from __future__ import annotations


class AuditorError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(AuditorError):
    """The caller's mistake; the command line prints it without a traceback and exits with 2."""


class ConfigError(UsageError):
    """The configuration has an unknown key, a value out of range, or names a file that is not there."""


class DataError(UsageError):
    """The data set can't be audited as it is."""


class ModelError(UsageError):
    """The classifier can't be loaded, or does not do what the configuration says."""


class OutputExistsError(UsageError):
    """The run folder already holds a finished run, and nobody said to overwrite it."""


class MissingDependencyError(UsageError):
    """A library that this configuration needs is not installed."""


class UnreadableImageError(AuditorError):
    """One image can't be decoded.

    Attributes:
        reason: a short word for `status`: ``missing``, ``empty``, ``truncated``, ``not-an-image``,
            ``too-large`` or ``unreadable``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class AuditAbortedError(AuditorError):
    """The audit stopped half way; the run folder says so and keeps every finished shard."""
