"""Checks: each asks one question about the audited model or its data. One check a file.

A check is a frozen options model, registered as ``@plugin("check", name)``, that can ``examine()``. It
returns *every* hypothesis that it tested, not only the significant ones: the judge corrects over all
of them. Checks never import torch; a check that runs the model again gets it as
``AuditData.model``, with numpy arrays in and out.

A claim that compares the error rate of a slice with the rest adds a ``SliceComparison`` to its
evidence: the judge copies it into the record of that slice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from auditor.records import AuditData, AuditSize, ClaimKind, Examination, FaultLabels, Passes
from auditor.records.decisions import ALL_TASKS, TaskName
from auditor.registry import Options

Need = Literal["model", "maps", "images", "reference"]
"""What a check needs beside predictions and attributes."""


class Check(Options, ABC):
    """What every check plug-in derives from: its fields are its options.

    Attributes:
        kind: what its claims speak of.
        needs: without these it can only be skipped; the self-test leaves such checks out.
        handles_clusters: whether its tests and intervals are right for samples that come in clusters
            (``AuditData.clusters``). Otherwise it is skipped where they do.
        compares_attributes: whether it compares values of annotated attributes and nothing else. It is
            skipped where the data has none.
        tasks: the tasks that it examines; it is skipped for others.
        fault_labels: what it calls failures that may be the data's fault, if it finds such failures.
    """

    kind: ClassVar[ClaimKind] = "outcome"
    needs: ClassVar[frozenset[Need]] = frozenset()
    handles_clusters: ClassVar[bool] = False
    compares_attributes: ClassVar[bool] = False
    tasks: ClassVar[frozenset[TaskName]] = ALL_TASKS
    fault_labels: ClassVar[FaultLabels | None] = None

    def passes(self, size: AuditSize) -> Passes:  # noqa: ARG002 - for those that run the model
        """How many images it runs through the model; by default none.

        A dry run estimates the cost from it, and the checks that run before leave it a fair share of the
        budget.
        """
        return Passes()

    @abstractmethod
    def examine(self, audit: AuditData) -> Examination:
        """Tests its question on the audited predictions."""
