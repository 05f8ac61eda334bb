"""A class whose logit is the same for all images is explained by the difference to the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from builders.odd_networks import with_head
from PIL import Image
from torch import nn

import auditor
from auditor.classifiers import Classifier
from auditor.config import AuditConfig, DataSection, DecisionSection, ModelSection, Preprocess
from auditor.errors import ModelError
from auditor.explainers import explain
from auditor.model_opening import OpenedModel, open_model
from auditor.preparation import match
from auditor.records import Dataset, DecodedImage
from auditor.records.decisions import TaskName

ROW = [3.0, -2.0, 1.0, 2.0]
OTHER = [-1.0, 1.0, 2.0, 0.5]
ZEROS = [0.0] * 4


@dataclass(frozen=True)
class Noise:
    """Noise; with `alike`, all images are equal."""

    n: int
    alike: bool = False

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> DecodedImage:
        random = np.random.default_rng(0 if self.alike else index)
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return DecodedImage(Image.fromarray(pixels), str(index))


def _opened(
    weight: list[list[float]],
    *,
    task: TaskName = "single-label",
    n: int = 9,
    alike: bool = False,
    n_classes: int | None = None,
) -> OpenedModel:
    ids = pd.Index([f"s{k}" for k in range(n)], name="sample")
    network = with_head(weight, [0.5] + [0.0] * (len(weight) - 1), nn.Identity())
    names = tuple("abcdefghijkl"[: n_classes or len(weight)])
    labels = [["a"]] * n if task == "multi-label" else [names[k % len(names)] for k in range(n)]
    samples = pd.DataFrame({"path": ids, "label": labels}, index=ids)
    config = AuditConfig(
        name="test",
        task=task,
        model=ModelSection(adapter="test", classes=names),
        data=DataSection(adapter="test"),
        decision=DecisionSection(positive="b") if task == "binary" else DecisionSection(),
        preprocess=Preprocess(),
        device="cpu",
    )
    dataset = Dataset(samples, Noise(n, alike), (), "test")
    return open_model(match(config, dataset, Classifier(network, "test", "a network")))


@dataclass(frozen=True)
class Case:
    """A head, and what is said: constant outputs, negated classes, whether the mean is subtracted."""

    weight: list[list[float]]
    constant: tuple[str, ...]
    negated: list[str]
    centred: bool
    task: TaskName = "single-label"


CASES = {
    "zeros first": Case([ZEROS, ROW], ("a",), ["a"], centred=False),
    "zeros second": Case([ROW, ZEROS], ("b",), ["b"], centred=False),
    "binary": Case([ZEROS, ROW], ("a",), ["a"], False, "binary"),
    "nearly zeros": Case([[1e-12] * 4, ROW], ("a",), ["a"], centred=False),
    "one of three": Case([ROW, ZEROS, OTHER], ("b",), [], centred=True),
    "two of three": Case([ZEROS, ZEROS, ROW], ("a", "b"), [], centred=True),
    "none": Case([ROW, OTHER], (), [], centred=False),
    "one label of two": Case([ZEROS, ROW], ("a",), ["not a", "not b"], False, "multi-label"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n", "alike"), [(9, False), (1, False), (9, True)])
def test_constant_outputs_are_named_in_the_record(name: str, n: int, alike: bool) -> None:
    case = CASES[name]
    opened = _opened(case.weight, task=case.task, n=n, alike=alike)
    assert opened.constant == case.constant
    assert opened.decision.negated == case.negated
    assert opened.decision.centred == case.centred
    assert not opened.same_for_all
    if case.constant:
        assert "is the same for all images" in opened.description


@pytest.mark.parametrize("name", ["zeros first", "zeros second", "binary"])
def test_two_classes_are_explained_by_half_the_difference_of_their_logits(name: str) -> None:
    case = CASES[name]
    module = _opened(case.weight, task=case.task).model.module
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = with_head(case.weight, [0.5, 0.0], nn.Identity())
    # The slow way: a head whose rows are (w0 - w1) / 2 and (w1 - w0) / 2.
    half = (np.array(case.weight[0]) - np.array(case.weight[1])) / 2
    rewritten = with_head([half.tolist(), (-half).tolist()], [0.25, -0.25], nn.Identity())
    torch.testing.assert_close(module(images), rewritten(images))
    torch.testing.assert_close(module(images).softmax(1), plain(images).softmax(1))
    for target in (0, 1):
        for method in ("grad-cam", "hirescam", "cam", "gradient"):
            found = explain(module, images, target, method).maps
            torch.testing.assert_close(found, explain(rewritten, images, target, method).maps)
    negated = "ab".index(case.negated[0])
    assert float(explain(module, images, negated, "hirescam").maps.abs().max()) > 0


@pytest.mark.parametrize(
    "weight", [[ROW, ROW], [ZEROS, ZEROS], [ZEROS, ZEROS, ZEROS]], ids=["equal", "two", "three"]
)
def test_probabilities_that_are_the_same_for_all_images_are_said(weight: list[list[float]]) -> None:
    opened = _opened(weight)
    assert opened.doubt is not None
    assert "the same probabilities for all images tried" in opened.doubt


@pytest.mark.parametrize(
    ("n_outputs", "n_classes", "words"),
    [
        (10, 2, ("expected 2 outputs, one per class; the network returns 10", "all 10 of them")),
        (1, 2, ("`task: binary`", "returns one per image")),
        (1, 3, ("expected 3 outputs", "name both in model.classes")),
        (2, 3, ("expected 3 outputs, one per class; the network returns 2", "all 2 of them")),
    ],
)
def test_outputs_that_do_not_fit_the_classes_are_refused_before_anything_is_predicted(
    n_outputs: int, n_classes: int, words: tuple[str, ...]
) -> None:
    with pytest.raises(ModelError) as caught:
        _opened([ROW] * n_outputs, n_classes=n_classes)
    assert all(one in str(caught.value) for one in words)
    assert "all 1 " not in str(caught.value)


def test_target_of_a_network_with_one_output_names_the_way_to_two_classes() -> None:
    network = with_head([ROW], [0.0], nn.Identity())
    with pytest.raises(ModelError) as caught:
        explain(network, torch.rand(2, 3, 8, 8), 1)
    assert "expected target 0, the only output of the network; got 1" in str(caught.value)
    assert "torch.cat((-z / 2, z / 2), dim=1)" in str(caught.value)
    assert "between 0 and 0" not in str(caught.value)


def test_explanations_differ_from_those_of_the_plain_head() -> None:
    plain = with_head([ZEROS, ROW], [0.5, 0.0], nn.Identity())
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not explain(plain, images, 0, "hirescam").maps.any()


@pytest.mark.slow
def test_audit_of_a_head_with_a_row_of_zeros_says_what_is_explained(tmp_path: Path) -> None:
    network = with_head([ZEROS, ROW], [0.5, 0.0], nn.Identity())
    random = np.random.default_rng(0)
    images = [(random.integers(0, 255, (8, 8, 3), np.uint8), "ab"[k % 2]) for k in range(40)]
    result = auditor.audit(network, images, classes=["a", "b"], preprocess={}, out=tmp_path / "run")
    assert not (tmp_path / "run" / "traceback.txt").exists()
    assert result.decision.negated == ["a"]
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "negated output" in text
