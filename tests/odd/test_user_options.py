"""Options, tables and models from Python: one message that names the argument and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from builders.python_audits import network, pairs, prepare, refused
from torch import Tensor, nn
from torchvision.transforms import Compose, ToTensor

from auditor import api, runner
from auditor.config import DecisionSection, Preprocess
from auditor.errors import UsageError
from auditor.records.predictions import GROUP, WEIGHT

N = 4
SITES = pd.DataFrame({"site": ["a", "b", "a", "b"]})

REFUSED_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no preprocessing": (
        {"preprocess": None},
        r"preprocess: expected .*comes without it: pass .*`preprocess=\{\}` to only divide by 255",
    ),
    "preprocessing by name": (
        {"preprocess": "imagenet"},
        "preprocess: expected a mapping with keys among .*'imagenet'",
    ),
    "a transform": (
        {"preprocess": Compose([ToTensor()])},
        r"preprocess: expected a mapping .*got Compose\( ToTensor\(\) \)",
    ),
    "unknown key": (
        {"preprocess": {"size": 8}},
        "preprocess.size: unknown key; did you mean 'resize'",
    ),
    "size as text": (
        {"preprocess": {"resize": "big"}},
        "preprocess.resize: expected a whole number or a list.*'big'",
    ),
    "mean of values to 255": (
        {"preprocess": {"mean": [123, 116, 103], "std": [58, 57, 57]}},
        "preprocess.mean: expected means of values from 0 to 1: divide mean and std by 255",
    ),
    "std of 0": (
        {"preprocess": {"std": [0]}},
        "preprocess.std: expected standard deviations above 0",
    ),
    "seed as text": ({"seed": "a"}, "seed: expected a whole number; got 'a'"),
    "negative seed": ({"seed": -1}, "seed: expected a number of at least 0; got -1"),
    "empty name": ({"name": ""}, "name: expected text of at least 1 character; got ''"),
    "name as a number": ({"name": 5}, "name: expected text; got 5: put it in quotes"),
    "unknown task": ({"task": "multiclass"}, "task: expected 'single-label', 'binary' or"),
    "unknown output": ({"output": "logit"}, "output: expected 'logits', 'prob.*got 'logit'"),
    "layer as a module": (
        {"target_layer": nn.ReLU()},
        r"target_layer: expected text; got ReLU\(\)",
    ),
    "unknown layer": ({"target_layer": "layer4"}, "there is no 'layer4'; similar names: 0, 1, 2"),
    "decision as a number": (
        {"decision": 0.5},
        "decision: expected a mapping with keys among .*got 0.5",
    ),
    "decision of a wrong key": (
        {"decision": {"positiv": "dog"}, "task": "binary"},
        "decision.positiv: unknown key; did you mean 'positive'",
    ),
    "decision of another task": ({"decision": {"positive": "dog"}}, "decision: expected only with"),
    "folder as a number": ({"out": 5}, "out: expected the path of a folder; got 5"),
    "no folder": ({"out": None}, "out: expected the path of a folder; got None"),
    "overwrite as text": ({"overwrite": "no"}, "overwrite: expected True or False; got 'no'"),
    "population as a list": (
        {"population": ["sex"]},
        "population: expected attributes with shares",
    ),
    "share as text": ({"population": {"sex": {"f": "half"}}}, "population: sex: f: .*not 'half'"),
    "classes as one word": ({"classes": "cat"}, "classes: .*got 'cat': pass a list"),
    "number of classes": ({"classes": 2}, "classes: .*got 2: pass a list"),
    "no classes": ({"classes": None}, "classes: .*got None: pass a list"),
    "classes as a dict": ({"classes": {"cat": 0, "dog": 1}}, "classes: .*sorted.class_to_idx"),
    "classes as a set": ({"classes": {"cat", "dog"}}, "classes: .*got a set, without order"),
    "fractions": ({"classes": [0.5, 1.5]}, "classes: .*got 0.5 .float.: convert the names"),
    "missing class": ({"classes": ["cat", None]}, "classes: .*got None .NoneType."),
    "classes as bytes": ({"classes": [b"cat", b"dog"]}, "classes: .*got b'cat' .bytes."),
    "equal as text": ({"classes": [1, "1"]}, "classes: expected distinct names .*'1' is repeated"),
    "empty list": ({"classes": []}, "classes: expected distinct names"),
    "not UTF-8": ({"classes": ["\ud800", "dog"]}, "classes: .*can't be written as UTF-8"),
    "too many classes": ({"classes": list("abc")}, "expected 3 outputs.*returns 2"),
    "types as a list": ({"attribute_types": ["site"]}, "attribute_types: expected a dict"),
    "type as a number": ({"attribute_types": {"site": 5}}, "attribute_types: 'site': .*got 5"),
    "unknown type": (
        {"attributes": SITES, "attribute_types": {"site": "nominal"}},
        "attribute 'site': expected the type categorical, ordinal, numeric.*got 'nominal'",
    ),
    "type of no attribute": ({"attribute_types": {"site": "ordinal"}}, "attribute 'site'"),
    "group by its name": ({"groups": "patient"}, r"groups: .*got 'patient': pass one column"),
    "group as a table": ({"groups": SITES}, "groups: expected one value .*, 4; got DataFrame"),
    "group as a matrix": ({"groups": np.zeros((N, 2))}, "groups: .*got ndarray"),
    "group as a dict": ({"groups": {"a": 1}}, "groups: .*got dict"),
    "group of another length": (
        {"groups": [1, 2]},
        "groups: expected one value per sample, 4; got 2",
    ),
    "weights as text": ({"weights": list("abcd")}, "weights: expected a finite number .*'a'"),
    "complex weights": ({"weights": [1j] * N}, r"weights: expected a finite number .*row 1 \(1j\)"),
    "weights missing": ({"weights": [1, 2, 3, None]}, "weights: expected a finite number .*row 4"),
    "weights of another length": ({"weights": torch.ones(2)}, "weights: .*per sample, 4; got 2"),
}


@pytest.mark.parametrize(
    ("options", "message"), REFUSED_OPTIONS.values(), ids=REFUSED_OPTIONS.keys()
)
def test_option_of_a_wrong_type_is_refused(options: dict[str, Any], message: str) -> None:
    text = refused(**options)
    assert re.search(message, text), text


def _table(name: Any) -> pd.DataFrame:
    return pd.DataFrame({name: ["a", "b", "a", "b"]})


RESERVED = [
    *("label", "path", "confidence", "sample", "predicted", "loss", "status", "failure", "sha256"),
    *("p:x", "image.hue", "data.group", "data.weight", "data.sample", "box", "mask"),
]


@pytest.mark.parametrize("name", RESERVED)
def test_attribute_with_a_name_of_the_audit_is_refused(name: str) -> None:
    assert refused(attributes=_table(name)).startswith(
        f"attributes: attribute '{name}': the audit writes a column of that name: rename it"
    )


REFUSED_TABLES: dict[str, tuple[Any, str]] = {
    "two columns of a name": (
        pd.DataFrame([["a", "b"]] * N, columns=["site", "site"]),
        "attributes: expected distinct names of columns; 2 columns are called 'site'",
    ),
    "equal as text": (pd.DataFrame([["a", "b"]] * N, columns=[0, "0"]), "2 columns are called '0'"),
    "no name": (_table(""), "expected a printable name for every column; got ''"),
    "blank name": (_table(" "), "expected a printable name for every column; got ' '"),
    "name not UTF-8": (
        pd.DataFrame([["a"]] * N, columns=pd.Index(["\ud800"], dtype=object)),
        "expected a printable name",
    ),
    "too few rows": (SITES[:2], "attributes: expected one row per sample, 4; got 2"),
    "dict": ({"site": list("abab")}, "attributes: expected a pandas DataFrame.*got dict"),
    "series": (SITES["site"], "attributes: expected a pandas DataFrame.*got Series"),
    "lists": (pd.DataFrame({"a": [[1]] * N}), "attribute 'a': .*got list in row 1"),
    "dicts": (pd.DataFrame({"a": [1, {"b": 2}, 3, 4]}), "attribute 'a': .*got dict in row 2"),
    "arrays": (pd.DataFrame({"a": [np.ones(2)] * N}), "attribute 'a': .*got ndarray"),
    "lists of Arrow": (
        pd.DataFrame({"a": pd.Series([[1]] * N, dtype=pd.ArrowDtype(pa.list_(pa.int8())))}),
        "attribute 'a': .*got list in row 1",
    ),
    "bytes": (pd.DataFrame({"a": [b"x"] * N}), "attribute 'a': .*got bytes"),
    "text not UTF-8": (
        pd.DataFrame({"a": pd.Series(["\ud800"] * N, dtype=object)}),
        "attribute 'a': expected text; .*can't be written as UTF-8",
    ),
}


@pytest.mark.parametrize(("table", "message"), REFUSED_TABLES.values(), ids=REFUSED_TABLES.keys())
def test_table_of_attributes_that_cannot_be_used_is_refused(table: Any, message: str) -> None:
    text = refused(attributes=table)
    assert re.search(message, text), text


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (_table(0), ["0"]),
        (_table(("clinic", "site")), ["clinic site"]),
        (_table("group"), ["group"]),
        (_table("index"), ["index"]),
        (_table("Label"), ["Label"]),
        (SITES.rename_axis("label"), ["site"]),
        (SITES.set_axis(list("wxyz")), ["site"]),
        (pd.DataFrame({"a": [torch.tensor(k) for k in range(N)]}), ["a"]),
        (pd.DataFrame({"a": [Decimal("1.5"), 2, None, "x"]}), ["a"]),
        (pd.DataFrame({"a": pd.date_range("2020", periods=N)}), ["a"]),
        (pd.DataFrame({"a": pd.array([True, None, False, True], dtype="boolean")}), ["a"]),
        (pd.DataFrame(index=range(N)), []),
        (None, []),
    ],
)
def test_table_of_attributes_is_read(table: Any, names: list[str]) -> None:
    found = prepare(attributes=table).dataset
    assert list(found.attributes) == names
    assert len(found) == N


def test_tables_with_contradicting_orders_are_refused() -> None:
    attributes = pd.DataFrame({"site": ["A", "A", "B", "B"]}, index=["a", "b", "c", "d"])
    message = refused(attributes=attributes, groups=pd.Series([1, 1, 2, 2], index=list("abdc")))
    assert "attributes, groups: expected rows in the order of the data set" in message
    assert "first in row 3, 'c' and 'd'" in message


@pytest.mark.parametrize("index", [list("abcd"), range(4), list("wxyz"), [7, 3, 5, 9]])
def test_tables_without_contradicting_orders_are_read(index: Any) -> None:
    attributes = pd.DataFrame({"site": ["A", "A", "B", "B"]}, index=["a", "b", "c", "d"])
    found = prepare(attributes=attributes, groups=pd.Series([1, 1, 2, 2], index=index))
    assert found.dataset.samples[GROUP].tolist() == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([3, 1, 2, 3], name=0),
        [3, 1, 2, 3],
        (3, 1, 2, 3),
        np.array([3, 1, 2, 3]),
        torch.tensor([3, 1, 2, 3]),
        pd.Index([3, 1, 2, 3]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_groups_and_weights_may_be_any_sequence(values: Any) -> None:
    found = prepare(groups=values, weights=values).dataset
    assert found.samples[GROUP].tolist() == ["3", "1", "2", "3"]
    assert found.samples[WEIGHT].tolist() == [3, 1, 2, 3]
    name = "0" if isinstance(values, pd.Series) else None
    assert (found.group, found.weight) == (name or "groups", name or "weights")


def test_options_may_be_mappings_or_objects() -> None:
    for preprocess, decision in (
        ({"resize": 16}, {"positive": "cat"}),
        (Preprocess(resize=16), DecisionSection(positive="cat")),
    ):
        found = prepare(
            preprocess=preprocess, decision=decision, task="binary", seed=np.int64(3), out=Path("x")
        )
        assert found.preprocess == Preprocess(resize=16)
        assert found.rule.labels == ("cat",)
        assert found.config.seed == 3


REFERENCES: dict[str, tuple[Any, str]] = {
    "no label": (SITES, "reference: expected the column 'label' .*columns are 'site'"),
    "label in another case": (_table("Label"), "the columns are 'Label': rename"),
    "two labels": (
        pd.DataFrame([[0, 1]], columns=["label", "label"]),
        "2 columns are called 'label'",
    ),
    "no rows": (pd.DataFrame({"label": []}), "reference: .*no rows: leave it out"),
    "list": ([0, 1], "reference: expected a pandas DataFrame .*got list"),
    "data set": (pairs(), "reference: expected a pandas DataFrame .*got list"),
    "series": (pd.Series([0, 1], name="label"), "reference: .*got Series"),
    "dict as label": (
        pd.DataFrame({"label": [0, {"a": 1}]}),
        "reference: row 2: label: expected a class name.*got dict",
    ),
    "lists as attribute": (
        pd.DataFrame({"label": [0], "site": [["a"]]}),
        "reference: attribute 'site': expected one value",
    ),
}


@pytest.mark.parametrize(("reference", "message"), REFERENCES.values(), ids=REFERENCES.keys())
def test_reference_that_cannot_be_used_is_refused(reference: Any, message: str) -> None:
    text = refused(reference=reference)
    assert re.search(message, text), text


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog"],
        [0, 1],
        [np.int64(0), np.int64(1)],
        [torch.tensor(0), torch.tensor(1)],
        [np.eye(2)[0], np.eye(2)[1]],
        [False, True],
    ],
    ids=repr,
)
def test_reference_labels_have_the_forms_of_audited_labels(labels: list[Any]) -> None:
    table = pd.DataFrame({"label": pd.Series(labels, dtype=object), "path": ["x", "y"], 0: [1, 2]})
    found = prepare(reference=table).dataset.reference
    assert found is not None
    names = [{"0": "cat", "1": "dog"}.get(str(one), str(one)) for one in found["label"]]
    assert names == ["cat", "dog"]
    assert "0" in found.columns


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "class": (lambda: nn.ReLU, r"model: .*got the class ReLU: create it"),
    "function": (lambda: lambda images: images, "model: .*got function: wrap it"),
    "weights": (lambda: network().state_dict(), "model: .*got OrderedDict: load its weights"),
    "name": (lambda: "resnet18", "model: .*got str: load it first"),
    "None": (lambda: None, "model: .*got NoneType"),
    "meta": (lambda: network().to("meta"), "model: .*device 'meta'"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(2, 3)), "model: .*gets its shape from the first"),
}


@pytest.mark.parametrize(("build", "message"), MODELS.values(), ids=MODELS.keys())
def test_model_that_cannot_be_audited_is_refused(build: Callable[[], Any], message: str) -> None:
    text = refused(model=build())
    assert re.search(message, text), text


class Counting(nn.Module):
    """Changes a buffer in every forward pass, and raises after some of them."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(network()[0], nn.BatchNorm2d(4), *list(network())[1:])
        self.register_buffer("calls", torch.zeros(()))
        self.calls: Tensor
        self.limit = limit

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > self.limit:
            raise LookupError("enough")
        logits: Tensor = self.inner(images)
        return logits


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [len(module._forward_hooks) for module in model.modules()],
        "parameters": [
            (
                one.data_ptr(),
                one.dtype,
                one.device,
                one.requires_grad,
                one.tolist(),
                one.grad is None,
            )
            for one in model.parameters()
        ],
        "buffers": [(id(one), one.tolist()) for one in model.buffers()],
    }


@pytest.mark.parametrize("limit", [0, 1, 3, 10**9], ids=["first", "second", "fourth", "none"])
def test_audit_leaves_the_model_as_it_was(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Counting(limit).train()
    model.inner[1].eval()
    parameter = next(model.parameters())
    parameter.requires_grad_(False)
    parameter.grad = torch.zeros_like(parameter)
    before = _state(model)

    def stop(*_: object, **__: object) -> None:
        for _forward in range(4):
            model(torch.rand(2, 3, 8, 8))
        raise LookupError("stopped")

    # The stages are replaced by four passes; whether they end or raise, the model is restored.
    monkeypatch.setattr(runner, "audit", stop)
    with pytest.raises((LookupError, UsageError)):
        api.audit(model, pairs(), classes=["cat", "dog"], preprocess={})
    assert _state(model) == before
