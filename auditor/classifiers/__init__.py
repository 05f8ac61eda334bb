"""Classifiers: module, preprocessing, class names. One adapter a file.

An adapter is an options model registered as ``@plugin("classifier", name)`` that can ``load()``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from auditor.config import Preprocess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Classifier:
    """A network that is ready to be asked.

    Attributes:
        module: maps float32 images (N, 3, H, W) to logits (N, K); in evaluation mode, on the CPU.
        adapter: name of the plug-in that made it.
        description: one line for the report: architecture and where the weights come from.
        classes: the class names that the weights carry, in index order, or None.
        preprocess: the transforms that the weights carry, or None.
    """

    module: nn.Module
    adapter: str
    description: str
    classes: tuple[str, ...] | None = None
    preprocess: Preprocess | None = None


@runtime_checkable
class ClassifierAdapter(Protocol):
    """What a classifier plug-in does."""

    def load(self) -> Classifier:
        """Builds the network and loads its weights.

        Raises:
            ModelError: it can't be built, or the weights do not fit.
            MissingDependencyError: an optional library is not installed.
        """
        ...
