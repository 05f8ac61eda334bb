"""Classifiers: network, preprocessing and class names. One adapter per file.

An adapter is an options model, registered as ``@plugin("classifier", name)``, that can ``load()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from auditor.config import OutputKind, Preprocess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Classifier:
    """A loaded network.

    Attributes:
        module: maps float32 images (N, 3, H, W) to logits (N, K); in evaluation mode, on the CPU.
        adapter: name of the plug-in that loaded it.
        description: architecture and source of the weights, in one line for the report.
        classes: the class names that come with the weights, in index order, or None.
        preprocess: the preprocessing that comes with the weights, or None.
        output: what the network returns, where its library defines it; None: to be recognised.
        code: SHA-256 of each module of the user's code that made it, by the module's name.
    """

    module: nn.Module
    adapter: str
    description: str
    classes: tuple[str, ...] | None = None
    preprocess: Preprocess | None = None
    output: OutputKind | None = None
    code: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class ClassifierAdapter(Protocol):
    """What a classifier plug-in must provide."""

    def load(self) -> Classifier:
        """Builds the network and loads its weights.

        Raises:
            ModelError: the network can't be built, or the weights do not fit.
            MissingDependencyError: an optional library is not installed.
        """
        ...
