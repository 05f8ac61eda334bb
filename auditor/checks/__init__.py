"""Checks: questions to the evidence. One check a file.

A check is an options model registered as ``@plugin("check", name)`` that can ``examine()``. It
returns *every* hypothesis that it tested, not only those that came out: the judge corrects over all
of them. Checks never import torch; one that has to run the model again gets a callable.

A claim that compares the error rate of a slice with the rest puts ``gap`` (value, low, high) and
``detectable_gap`` into its evidence: the judge copies them into the record of that slice.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from auditor.records import AuditData, Examination


@runtime_checkable
class Check(Protocol):
    """What a check plug-in does."""

    def examine(self, audit: AuditData) -> Examination:
        """Tests its question on the evidence."""
        ...
