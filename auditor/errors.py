"""All errors that this package raises on purpose, as one tree.

::

    AuditorError
    ├── UsageError                  usage error; exit code 2
    │   ├── ConfigError             configuration: unknown key, wrong value, missing file
    │   ├── DataError               data set: missing column, unknown label, no samples
    │   │   └── LostImageError      an image that was predicted can no longer be read, or was changed
    │   ├── ModelError              classifier: checkpoint, output, classes, target layer
    │   ├── OutputExistsError       the output folder is not empty
    │   ├── FileSystemError         a file or folder can't be read or written
    │   └── MissingDependencyError  an optional or a system library is not installed
    ├── BudgetExhaustedError        a check may not run more images; listed as not tested
    ├── UnreadableImageError        one image can't be decoded; recorded in its row's `status`
    └── AuditAbortedError           the audit stopped before it was finished; exit code 3

A message says what was expected, what was found, and how to fix it.
"""

from __future__ import annotations


class AuditorError(Exception):
    """Base class of all errors that this package raises on purpose."""


class UsageError(AuditorError):
    """Usage error; one message says where it is and how to fix it.

    The command line prints the message without a traceback and exits with code 2.
    """


class ConfigError(UsageError):
    """The configuration has an unknown key, a value out of range, or names a missing file."""


class DataError(UsageError):
    """The data set, or a run folder, can't be used as it is."""


class LostImageError(DataError):
    """An image that was readable when it was predicted can no longer be read."""


class ModelError(UsageError):
    """The classifier can't be loaded, or does not match the configuration."""


class OutputExistsError(UsageError):
    """The output folder already holds a finished run or other files."""


class FileSystemError(UsageError):
    """A file or folder can't be read or written: no permission, no space, a name that is too long."""


class MissingDependencyError(UsageError):
    """A library that the configuration needs is not installed."""


class UnreadableImageError(AuditorError):
    """One image can't be decoded; the audit records it and continues.

    Attributes:
        reason: value for the column `status`: ``missing``, ``empty``, ``truncated``,
            ``not-an-image``, ``too-large``, ``too-slow`` or ``unreadable``; ``changed``: it is another image
            than the one that was predicted.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    @property
    def sentence(self) -> str:
        """What is wrong with a file, and the fix."""
        known = {
            "missing": "the file does not exist: correct the path",
            "empty": "the file is empty: copy it again",
            "truncated": "the file is truncated: copy it again",
            "changed": "the file was changed since it was predicted: audit again",
            "not-an-image": "the file has another format: save it as PNG or JPEG",
        }
        detail = self.detail or "no reason is known"
        return known.get(self.reason, f"it can't be read ({detail}): correct or replace it")


class BudgetExhaustedError(AuditorError):
    """A check may run no more images through the model; what it did not finish is listed as not tested."""


class AuditAbortedError(AuditorError):
    """The audit stopped before it was finished.

    The run folder is marked as unfinished and keeps every shard that was written completely.
    """
