"""Outputs of networks: recognised, and converted to logits of all classes."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from auditor.autograd.target_layer import find_layer
from auditor.classifiers.fingerprint import sha256_of
from auditor.classifiers.outputs import ClassLogits, as_columns, recognise
from auditor.config import OutputKind
from auditor.errors import ModelError
from auditor.explainers import explain_batch
from auditor.records.decisions import TaskName


class Network(nn.Module):
    """A small network whose outputs are converted by a function."""

    def __init__(self, n_outputs: int, convert: Any = None) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, n_outputs)
        self.register_buffer("shift", torch.zeros(1))
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.convert = convert
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        outputs = self.head(self.features(images).mean((2, 3))) + self.shift
        return cast("Tensor", outputs if self.convert is None else self.convert(outputs))


def images() -> Tensor:
    return torch.rand((6, 3, 8, 8), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("n_outputs", "convert", "task", "kind"),
    [
        (3, None, "single-label", "logits"),
        (3, lambda z: z.softmax(1), "single-label", "probabilities"),
        (3, lambda z: z.softmax(1).half().float(), "single-label", "probabilities"),
        (3, lambda z: z.log_softmax(1), "single-label", "log-probabilities"),
        (3, torch.sigmoid, "single-label", "logits"),  # independent scores do not sum to 1
        (3, torch.sigmoid, "multi-label", "probabilities"),
        (3, None, "multi-label", "logits"),
        (1, torch.sigmoid, "binary", "probabilities"),
        (1, None, "binary", "logits"),
        (2, lambda z: z.softmax(1), "binary", "probabilities"),
        (1, lambda z: z * 0 + 0.5, "binary", "logits"),  # a constant says nothing
        (3, lambda z: z * float("nan"), "single-label", "logits"),
    ],
)
def test_outputs_are_recognised(
    n_outputs: int, convert: Any, task: TaskName, kind: OutputKind
) -> None:
    with torch.no_grad():
        assert recognise(Network(n_outputs, convert)(images()), task) == kind


@pytest.mark.parametrize(
    ("convert", "kind"),
    [
        (None, "logits"),
        (torch.sigmoid, "probabilities"),
        (nn.functional.logsigmoid, "log-probabilities"),
        (lambda z: z[:, 0].sigmoid(), "probabilities"),  # one dimension
    ],
)
@pytest.mark.parametrize("positive", [0, 1])
def test_single_output_becomes_half_a_logit_of_each_class(
    convert: Any, kind: OutputKind, positive: int
) -> None:
    wrapped = ClassLogits(Network(1, convert), kind, "binary", positive)
    z = Network(1)(images())[:, 0]
    logits = wrapped(images())
    # 1 - p in single precision loses digits close to 1.
    assert logits[:, positive].tolist() == pytest.approx((z / 2).tolist(), abs=1e-4, rel=1e-3)
    assert logits.softmax(1)[:, positive].tolist() == pytest.approx(z.sigmoid().tolist(), abs=1e-5)


@pytest.mark.parametrize(("convert", "kind"), [(None, "logits"), (torch.sigmoid, "probabilities")])
def test_multi_label_outputs_become_pairs(convert: Any, kind: OutputKind) -> None:
    logits = ClassLogits(Network(3, convert), kind, "multi-label")(images())
    assert logits.shape == (6, 6)
    shares = logits.reshape(6, 3, 2).softmax(2)[:, :, 0]
    assert shares.flatten().tolist() == pytest.approx(
        Network(3)(images()).sigmoid().flatten().tolist(), abs=1e-5
    )


def test_probabilities_are_not_put_through_softmax_twice() -> None:
    network = Network(3, lambda z: z.softmax(1))
    again = ClassLogits(network, "probabilities", "single-label")(images()).softmax(1)
    assert again.flatten().tolist() == pytest.approx(network(images()).flatten().tolist(), abs=1e-6)


def test_probabilities_of_zero_and_one_have_finite_logits() -> None:
    network = Network(1, lambda z: (z > z.median()).float())
    assert torch.isfinite(ClassLogits(network, "probabilities", "binary")(images())).all()


@pytest.mark.parametrize(
    ("n_outputs", "convert", "task"),
    [(3, torch.sigmoid, "single-label"), (3, None, "multi-label"), (1, None, "binary")],
)
def test_outputs_that_are_no_probabilities_are_refused(
    n_outputs: int, convert: Any, task: TaskName
) -> None:
    with pytest.raises(ModelError, match=r"model\.output: expected probabilities"):
        ClassLogits(Network(n_outputs, convert), "probabilities", task)(images())


@pytest.mark.parametrize(
    ("output", "message"),
    [({"logits": 1}, "returned dict"), (torch.zeros(2, 3, 4, 4), r"got \(2, 3, 4, 4\)")],
)
def test_outputs_of_other_forms_are_refused(output: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        as_columns(output)


def test_wrapper_keeps_layer_names_weights_and_modes_of_the_network() -> None:
    network = Network(1)
    wrapped = ClassLogits(network, "logits", "binary")
    assert [name for name, _ in wrapped.named_parameters()] == [
        name for name, _ in network.named_parameters()
    ]
    assert sha256_of(wrapped) == sha256_of(network)
    assert find_layer(wrapped, images()).name == find_layer(Network(2), images()).name
    modes = []
    for mode in (True, False):
        wrapped.train(mode)
        modes.append(network.training)
    assert modes == [True, False]
    wrapped.to(torch.float64)
    assert network.shift.dtype == torch.float64


def test_negative_class_is_explained_by_the_negated_output() -> None:
    """Grad-CAM (Selvaraju et al., equations 1 and 2), written out for both signs of the output."""
    network = Network(1)
    wrapped = ClassLogits(network, "logits", "binary", positive=1)
    layer = find_layer(wrapped, images())
    cams = explain_batch(wrapped, images(), [(0, 0), (0, 1)], layer).cams
    activations = network.features(images()[:1])
    for row, sign in ((0, -1.0), (1, 1.0)):
        # The mean over h × w places makes every gradient head / (h · w), so does the weight.
        weights = sign * network.head.weight[0] / activations[0, 0].numel() / 2
        expected = (weights[:, None, None] * activations[0]).sum(0).clamp(min=0)
        assert cams[row].flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=1e-6)
