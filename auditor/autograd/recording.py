"""Recording: one forward pass for logits, activations and the gradients of several targets.

The model is not changed: one forward hook, removed after the forward pass, reads the output of the
target layer, and the rules of guided backpropagation act on the recorded graph. Gradients of
parameters are never computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from auditor.autograd.arithmetic import arithmetic
from auditor.autograd.forward import as_leaf, device_of, forward, in_best_layout
from auditor.autograd.graph import (
    Rule,
    node_kind,
    nodes_between,
    operation_name,
    register_rule,
)
from auditor.autograd.low_memory import LowMemory
from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.target_layer import TargetLayer
from auditor.autograd.user_code import user_code
from auditor.autograd.watched_layer import watched
from auditor.errors import ModelError


class Recording:
    """A recorded forward pass, from which gradients can be computed.

    Attributes:
        model: the unwrapped module, in evaluation mode while the recording is open.
        images: (N, 3, H, W), the input.
        logits: (N, K), detached.
        layer: the target layer, or None.
        nodes: the recorded operations between images and logits.
    """

    def __init__(
        self,
        model: nn.Module,
        leaf: Tensor,
        logits: Tensor,
        layer: TargetLayer | None,
        activations: Tensor | None,
        edge: GradientEdge | None,
    ) -> None:
        self.model = model
        self.images = leaf.detach()
        self.logits = logits.detach()
        self.layer = layer
        self._activations = activations
        self._edge = edge
        self._leaf = leaf
        self._scores = logits
        source = get_gradient_edge(leaf).node
        self.nodes: list[Node] = nodes_between([get_gradient_edge(logits).node], source)
        self._relu_like = [node for node in self.nodes if node_kind(node) == "relu-like"]

    @property
    def activations(self) -> Tensor:
        """Output of the target layer as a map (N, C, h, w): a detached copy.

        Raises:
            ModelError: no target layer was recorded.
        """
        layer, _ = self._at_layer()
        assert self._activations is not None
        return layer.to_map(self._activations).to(self.images.dtype)

    def layer_gradient(self, targets: Tensor, rows: Tensor | None = None) -> Tensor:
        """Plain gradient of the targets' logits with respect to the target layer's output.

        Args:
            targets: (n,) int64, the class to explain in each row, 0 to K - 1.
            rows: (n,) int64, which images, each at most once; None for all.

        Returns:
            (n, C, h, w), like ``activations``.

        Raises:
            ModelError: no target layer was recorded.
        """
        layer, edge = self._at_layer()
        with user_code(self.model, self.images):  # hooks of the network on gradients
            (gradient,) = torch.autograd.grad(
                self._score(targets, rows), [edge], retain_graph=True, allow_unused=False
            )
        return layer.to_map(gradient if rows is None else gradient[rows]).to(self.images.dtype)

    def input_gradient(
        self, targets: Tensor, rule: Rule = "plain", rows: Tensor | None = None
    ) -> Tensor:
        """Signal of the targets' logits, propagated back to the images.

        Args:
            targets: (n,) int64, the class to explain in each row, 0 to K - 1.
            rule: what a ReLU-like activation does to the signal R: (f > 0) · R (``"plain"``),
                (f > 0) · (R > 0) · R (``"guided"``), or (R > 0) · R (``"deconvnet"``).
            rows: (n,) int64, which images, each at most once; None for all.

        Returns:
            (n, 3, H, W) in the images' dtype.

        Reference:
            Springenberg et al. 2015, "Striving for Simplicity", section 3.4 and figure 1.
        """
        return self._to_images(self._score(targets, rows), None, rule, rows)

    def unit_gradient(
        self, channel: int, rule: Rule = "guided", rows: Tensor | None = None
    ) -> Tensor:
        """Signal of one channel's strongest unit in the target layer, propagated back to the images.

        Args:
            channel: 0 to C - 1.
            rule: as in ``input_gradient``.
            rows: (n,) int64, which images, each at most once; None for all.

        Returns:
            (n, 3, H, W) in the images' dtype.

        Raises:
            ModelError: no target layer was recorded, or it has no such channel.
        """
        layer, edge = self._at_layer()
        if not 0 <= channel < layer.channels:
            raise ModelError(
                f"expected a channel of {layer.name!r} between 0 and {layer.channels - 1}; "
                f"got {channel}"
            )
        assert self._activations is not None
        with torch.enable_grad():
            raw = self._activations.detach().clone().requires_grad_()
            strongest = layer.to_map(raw)[:, channel].flatten(1).amax(1)
            (seed,) = torch.autograd.grad(strongest.sum(), raw)
        if rows is not None:
            chosen = torch.zeros(len(seed), dtype=torch.bool, device=seed.device)
            chosen[rows] = True
            seed = seed * chosen.view(-1, *[1] * (seed.ndim - 1))
        return self._to_images(edge, seed, rule, rows)

    def operations_after_layer(self) -> set[str]:
        """Names of the operations between the target layer's output and the logits.

        Raises:
            ModelError: no target layer was recorded.
        """
        _, edge = self._at_layer()
        top = get_gradient_edge(self._scores).node
        return {operation_name(node) for node in nodes_between([top], edge.node)}

    def close(self) -> None:
        """Releases the graph and everything that it stores."""
        self._scores = self.logits
        self._leaf = self.images
        self._edge = None
        self._activations = None
        self.nodes = []
        self._relu_like = []

    def _to_images(
        self, outputs: Tensor | GradientEdge, seed: Tensor | None, rule: Rule, rows: Tensor | None
    ) -> Tensor:
        handles = register_rule(self._relu_like, rule)
        try:
            with user_code(self.model, self.images):
                (gradient,) = torch.autograd.grad(
                    outputs,
                    [self._leaf],
                    grad_outputs=None if seed is None else [seed],
                    retain_graph=True,
                )
        finally:
            for handle in handles:
                handle.remove()
        return gradient if rows is None else gradient[rows]

    def _score(self, targets: Tensor, rows: Tensor | None) -> Tensor:
        with torch.enable_grad():
            scores = self._scores if rows is None else self._scores[rows]
            return scores.gather(1, targets[:, None]).sum()

    def _at_layer(self) -> tuple[TargetLayer, GradientEdge]:
        if self.layer is None or self._edge is None:
            raise ModelError(
                "expected an open recording with a target layer; this one has none: pass a "
                "TargetLayer to record(), and use the recording inside its `with`"
            )
        return self.layer, self._edge


def _run(module: nn.Module, images: Tensor, *, channels_last: bool) -> tuple[Tensor, Tensor]:
    def call(layout: torch.memory_format) -> tuple[Tensor, Tensor]:
        leaf = as_leaf(module, images, layout)
        return leaf, forward(module, leaf)

    if not channels_last:
        return call(torch.contiguous_format)
    return in_best_layout(module, device_of(module, images), call)


@contextmanager
def record(
    model: nn.Module,
    images: Tensor,
    layer: TargetLayer | None = None,
    *,
    channels_last: bool = True,
) -> Iterator[Recording]:
    """Runs one forward pass and keeps its graph inside the ``with``.

    The model is in evaluation mode inside, and restored afterwards, also after an exception. On CUDA,
    everything inside is computed without TF32.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K).
        images: (N, 3, H, W), floating, preprocessed; moved to the model's device.
        layer: what ``find_layer`` returned; needed for activations and Grad-CAM.
        channels_last: whether to use the channels-last layout on a CPU, where the model supports
            it: it is 1.2 to 2 times faster, and the last bits are rounded differently.

    Yields:
        The recording; it can't be used after the ``with``.

    Raises:
        ModelError: the images are not (N, 3, H, W) floats, the output is not an (N, K) tensor, or
            the logits can't be differentiated.
    """
    module = unwrap(model)
    with frozen_eval(module), arithmetic(device_of(module, images)):
        kept: list[tuple[Tensor, GradientEdge]] = []

        def keep(output: object) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                # A later in-place operation changes the values of the output, but not the edge.
                kept[:] = [(output.detach().clone(), get_gradient_edge(output))]

        recorded = nullcontext() if layer is None else watched(module, layer, keep)
        with recorded, LowMemory(), user_code(module, images):
            leaf, logits = _run(module, images, channels_last=channels_last)
        if layer is not None and not kept:
            raise ModelError(
                f"expected the target layer {layer.name!r} to return a differentiable tensor in "
                "every forward pass; it did not run, or ran without gradient: choose another layer"
            )
        activations, edge = kept[0] if kept else (None, None)
        recording = Recording(module, leaf, logits, layer, activations, edge)
        kept.clear()
        del logits, edge, activations, leaf
        try:
            yield recording
        finally:
            recording.close()
