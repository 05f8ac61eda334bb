from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import auditor
from auditor.errors import DataError, UsageError
from auditor.records.predictions import GROUP, WEIGHT
from auditor.run_folder import RunFolder
from auditor.selftest import of_run


def test_audit_writes_the_run_and_leaves_the_model_unchanged(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = np.random.default_rng(0)
    images = [
        (random.integers(0, 255, (16, 16, 3), np.uint8), ["cat", "dog"][k % 2]) for k in range(80)
    ]
    result = auditor.audit(
        model,
        images,
        classes=["cat", "dog"],
        preprocess={},
        attributes=pd.DataFrame({"site": ["a", "b", "a", "a"] * 20}),
        out=tmp_path / "run",
        name="from Python",
    )
    assert result.summary.n_evaluated == 80
    assert (tmp_path / "run" / "report.html").is_file()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(not part._forward_hooks and not part._backward_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(part.training for part in model.modules())


@pytest.mark.parametrize("name", ["label", "loss", "phash", "image.hue", "p:cat"])
def test_audit_with_an_attribute_named_like_a_column_raises(tmp_path: Path, name: str) -> None:
    images = [(np.zeros((8, 8, 3), np.uint8), "cat")] * 2
    with pytest.raises(DataError, match=f"attributes: attribute '{name}': the audit writes"):
        auditor.audit(
            torch.nn.Flatten(),
            images,
            classes=["cat", "dog"],
            preprocess={},
            attributes=pd.DataFrame({name: ["a", "b"]}),
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_audit_groups_reach_every_document_and_the_self_test(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    random = np.random.default_rng(0)
    images = [
        (random.integers(0, 255, (16, 16, 3), np.uint8), ["cat", "dog"][k % 2]) for k in range(240)
    ]
    owner = [f"owner {k // 6}" if k < 234 else None for k in range(240)]
    result = auditor.audit(
        model,
        images,
        classes=["cat", "dog"],
        preprocess={},
        attributes=pd.DataFrame({"site": random.choice(["a", "b"], 240)}),
        groups=pd.Series(owner, name="owner"),
        out=tmp_path / "run",
    )
    assert result.clusters is not None
    assert (result.clusters.name, result.clusters.n_clusters) == ("owner", 39 + 6)
    assert (result.clusters.largest, result.clusters.n_missing) == (6, 6)
    run = RunFolder.open(tmp_path / "run")
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert table[GROUP].tolist()[:234] == owner[:234]
    assert table[GROUP].isna().tolist() == [one is None for one in owner]
    sentence = "Samples are clustered by owner: 45 clusters"
    assert sentence in (run.path / "report.html").read_text(encoding="utf-8")
    assert "owner" not in {name for one in result.slices for name in one.attributes}
    tables = of_run(run)
    assert tables.clusters is not None
    assert tables.clusters.number == 45
    assert not [one for one in result.skipped if "does not support clusters" in one.reason]


def test_audit_with_groups_of_another_length_raises(tmp_path: Path) -> None:
    images = [(np.zeros((8, 8, 3), np.uint8), "cat")] * 2
    with pytest.raises(DataError, match="groups: expected one value per sample, 2; got 3"):
        auditor.audit(
            torch.nn.Flatten(),
            images,
            classes=["cat", "dog"],
            preprocess={},
            groups=pd.Series([1, 2, 3]),
            out=tmp_path / "run",
        )


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )


def _images(n: int) -> list[tuple[np.ndarray, str]]:
    random = np.random.default_rng(0)
    return [
        (random.integers(0, 255, (16, 16, 3), np.uint8), ["cat", "dog"][k % 2]) for k in range(n)
    ]


def test_audit_weights_pooled_rates_and_curves_reach_the_report(tmp_path: Path) -> None:
    weights = pd.Series([1.0, 3.0] * 40, name="w")
    out = tmp_path / "run"
    result = auditor.audit(
        _network(),
        _images(80),
        classes=["cat", "dog"],
        preprocess={},
        attributes=pd.DataFrame({"site": list("abcc") * 20, "age": np.arange(80)}),
        weights=weights,
        out=out,
    )
    table = pd.read_parquet(out / "predictions.parquet")
    assert table[WEIGHT].tolist() == weights.tolist()
    correct = (table["label"] == table["predicted"]).to_numpy()
    assert result.population is not None
    assert result.population.accuracy is not None
    expected = np.average(correct, weights=weights)
    assert result.population.accuracy.value == pytest.approx(expected)
    assert sum(one.pooled_rate is not None for one in result.slices) == 3 + 4  # sites, bands of age
    assert [one.x_name for one in result.error_curves] == ["age"]
    report = (out / "report.html").read_text(encoding="utf-8")
    for text in (
        "The accuracy in the target population is",
        "in the target population <b>",
        "Pooled estimate",
        "Error rate along numeric attributes",
    ):
        assert text in report


def test_audit_population_is_not_estimated_for_a_value_without_samples(tmp_path: Path) -> None:
    result = auditor.audit(
        _network(),
        _images(80),
        classes=["cat", "dog"],
        preprocess={},
        attributes=pd.DataFrame({"site": ["a", "b"] * 40}),
        attribute_types={"site": ["a", "b", "c"]},
        population={"site": {"a": 0.3, "b": 0.3, "c": 0.4}},
        out=tmp_path / "run",
    )
    assert result.population is not None
    assert result.population.accuracy is None
    sentence = "The accuracy in the target population cannot be estimated: no evaluated sample has"
    assert sentence in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("weights", "population", "message"),
    [
        ([1, 2, 3], None, "weights: expected one number per sample, 2; got 3"),
        ([1, -2], None, r"weights: expected a finite number .* row 2 \(-2\)"),
        (None, {"site": {"a": 0.5}}, "population: site: expected shares with the sum 1"),
        (
            None,
            {"place": {"a": 1.0}},
            "population: expected one of the attributes site; got 'place'",
        ),
        (
            [1, 1],
            {"site": {"a": 1.0}},
            "population: expected either shares .* or weights; got both",
        ),
    ],
)
def test_audit_with_a_bad_population_raises_before_predicting(
    tmp_path: Path,
    weights: list[float] | None,
    population: dict[str, dict[str, float]] | None,
    message: str,
) -> None:
    with pytest.raises(UsageError, match=message):
        auditor.audit(
            torch.nn.Flatten(),
            [(np.zeros((8, 8, 3), np.uint8), "cat")] * 2,
            classes=["cat", "dog"],
            preprocess={},
            attributes=pd.DataFrame({"site": ["a", "a"]}),
            weights=None if weights is None else pd.Series(weights),
            population=population,
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()
