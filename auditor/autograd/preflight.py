"""Preflight: decides whether a method is defined for a model, before any map is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch.autograd.graph import Node

from auditor.autograd.graph import Rule, activation_name, node_kind, operation_name
from auditor.autograd.model_free import OcclusionDrops
from auditor.autograd.recording import Recording

Status = Literal["valid", "partial", "undefined"]

_OUTPUT_FUNCTIONS = frozenset({"Sigmoid", "Softmax", "LogSoftmax", "LogSigmoid", "Log"})
_LINEAR = frozenset({"Addmm", "Mm", "Bmm", "Convolution", "Linear"})
_MODEL_FREE = (
    "the model only predicts, it has neither layers nor gradients: what is called Grad-CAM here is an "
    "occlusion map"
)


@dataclass(frozen=True)
class Preflight:
    """The verdict on a method, with the activations of the forward pass.

    Attributes:
        status: ``"valid"``; ``"partial"``: the method's rule covers only some of the activations;
            ``"undefined"``: it covers none, and the map would be the plain gradient.
        reason: one sentence for the report.
        relu_like: number of ReLU-like activations in the forward pass, counted by operation, not by
            module.
        others: other activations, name → number.
    """

    status: Status
    reason: str
    relu_like: int
    others: dict[str, int] = field(default_factory=dict)

    @property
    def share_of_others(self) -> float:
        """Share of the activations that are not ReLU-like, 0 to 1; 0 without any activation."""
        n_others = sum(self.others.values())
        return n_others / max(1, self.relu_like + n_others)


def preflight(recording: Recording, rule: Rule) -> Preflight:
    """Checks whether a method is defined, from the recorded forward pass.

    Args:
        recording: open.
        rule: what the method does at ReLU-like activations; ``"plain"`` for a method without a
            rule, which is valid on every differentiable model.

    Returns:
        The verdict.
    """
    relu_like, others = _count_activations(recording)
    if rule == "plain":
        return Preflight("valid", "the method works with any activation", relu_like, others)
    if any(operation_name(node) == OcclusionDrops.__name__ for node in recording.nodes):
        return Preflight("undefined", _MODEL_FREE, 0, {})
    listed = ", ".join(f"{count} × {name}" for name, count in others.items())
    if not relu_like:
        found = f"only {listed}" if listed else "no activation at all"
        reason = (
            f"the forward pass has no ReLU-like activation ({found}): the method's rule would never "
            "apply, and its map would be the plain gradient"
        )
        return Preflight("undefined", reason, 0, others)
    total = relu_like + sum(others.values())
    if others:
        n_others = total - relu_like
        reason = (
            f"{n_others} of {total} activations ({n_others / total:.0%}) are not ReLU-like "
            f"({listed}): they pass the plain gradient on"
        )
        return Preflight("partial", reason, relu_like, others)
    return Preflight("valid", "every activation of the forward pass is ReLU-like", total)


def _count_activations(recording: Recording) -> tuple[int, dict[str, int]]:
    """Number of ReLU-like activations, and of the others by name, the most frequent first."""
    counts: Counter[str] = Counter()
    relu_like = 0
    at_output = _output_functions(recording.nodes)
    for node in recording.nodes:
        if node in at_output:
            continue
        match node_kind(node):
            case "relu-like":
                relu_like += 1
            case "activation":
                counts[activation_name(node)] += 1
    return relu_like, dict(counts.most_common())


def _output_functions(nodes: Sequence[Node]) -> set[Node]:
    """Sigmoid, softmax and logarithms between the last layer and the scores.

    They turn the score of the class into its probability or back, and are no activations between layers:
    with or without them, a method explains the same evidence.
    """
    found: set[Node] = set()
    inside = set(nodes)
    stack = list(nodes[-1:])
    while stack:
        node = stack.pop()
        name = operation_name(node)
        is_output = name in _OUTPUT_FUNCTIONS
        if node in found or name in _LINEAR or (node_kind(node) != "structure" and not is_output):
            continue
        if is_output:
            found.add(node)
        stack.extend(child for child, _ in node.next_functions if child in inside)
    return found
