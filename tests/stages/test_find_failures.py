"""Failures, confusions and class rates of a small predictions file, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reference import rate_limits

from auditor.errors import DataError
from auditor.stages.find_failures import find_failures


def _predictions(folder: Path, rows: list[tuple[str, str, str, float, float, str]]) -> Path:
    frame = pd.DataFrame(
        rows, columns=["sample", "label", "predicted", "confidence", "loss", "status"]
    )
    frame["path"] = frame["sample"] + ".png"
    frame["p:cat"] = 0.5
    frame["side"] = ["left", None] * (len(frame) // 2) + ["left"] * (len(frame) % 2)
    path = folder / "predictions.parquet"
    frame.to_parquet(path)
    return path


def test_failures_are_ranked_by_loss_then_confidence_then_order(tmp_path: Path) -> None:
    path = _predictions(
        tmp_path,
        [
            ("a", "cat", "dog", 0.6, 1.0, "ok"),
            ("b", "cat", "cat", 0.9, 0.1, "ok"),
            ("broken", "cat", None, np.nan, np.nan, "truncated"),  # type: ignore[list-item]
            ("c", "dog", "cat", 0.8, 2.0, "ok"),
            ("d", "cat", "dog", 0.7, 1.0, "ok"),
            ("e", "dog", "cat", 0.7, 1.0, "ok"),
        ],
    )
    analysis = find_failures(path, ("cat", "dog", "eel"), ("side",))
    assert analysis.usable["sample"].tolist() == ["a", "b", "c", "d", "e"]
    assert analysis.usable["sample"].iloc[analysis.failures].tolist() == ["c", "d", "e", "a"]
    assert analysis.usable["failure"].tolist() == [True, False, True, True, True]
    assert [(p.label, p.predicted, p.count) for p in analysis.confusion] == [
        ("cat", "dog", 2),
        ("dog", "cat", 2),
        ("cat", "cat", 1),
    ]
    assert [(one.sample, one.path, one.reason) for one in analysis.unusable] == [
        ("broken", "broken.png", "truncated")
    ]
    assert analysis.summary.n_samples == 6
    assert analysis.summary.n_failures == 4
    assert analysis.summary.unusable == {"truncated": 1}
    assert analysis.summary.accuracy is not None
    assert analysis.summary.accuracy.value == pytest.approx(1 / 5)


def test_class_rates_have_intervals(tmp_path: Path) -> None:
    rows = [
        (f"s{k}", label, predicted, 0.9, 0.5, "ok")
        for k, (label, predicted) in enumerate(
            [("cat", "cat")] * 7 + [("cat", "dog")] * 3 + [("dog", "dog")] * 5
        )
    ]
    cat, dog, eel = find_failures(_predictions(tmp_path, rows), ("cat", "dog", "eel"), ()).classes
    assert cat.recall is not None
    assert dog.precision is not None
    assert (cat.support, dog.support, eel.support) == (10, 5, 0)
    assert (cat.recall.low, cat.recall.high) == pytest.approx(rate_limits(7, 10))
    assert (dog.precision.low, dog.precision.high) == pytest.approx(rate_limits(5, 8))
    assert eel.recall is None
    assert eel.precision is None


def test_predictions_without_usable_samples_give_an_empty_analysis(tmp_path: Path) -> None:
    path = _predictions(tmp_path, [("a", "cat", None, np.nan, np.nan, "empty")])  # type: ignore[list-item]
    analysis = find_failures(path, ("cat", "dog"), ("side",))
    assert analysis.summary.accuracy is None
    assert len(analysis.failures) == 0
    assert analysis.confusion == []


def test_attribute_with_the_name_of_a_column_raises(tmp_path: Path) -> None:
    path = _predictions(tmp_path, [("a", "cat", "cat", 0.9, 0.1, "ok")])
    with pytest.raises(DataError, match="rename"):
        find_failures(path, ("cat", "dog"), ("loss",))


def test_probabilities_are_read_only_if_every_class_has_them(tmp_path: Path) -> None:
    frame = pd.read_parquet(
        _predictions(
            tmp_path,
            [("a", "cat", "dog", 0.6, 1.0, "ok"), ("b", "dog", "dog", 0.9, 0.1, "ok")],
        )
    )
    partial = tmp_path / "partial.parquet"
    frame.to_parquet(partial)
    assert find_failures(partial, ("cat", "dog"), ()).probabilities is None  # p:dog is missing
    complete = tmp_path / "complete.parquet"
    more = pd.DataFrame({"p:dog": [0.5, 0.25], "phash": ["ff", None], "image.hue": ["grey"] * 2})
    frame.join(more).to_parquet(complete)
    analysis = find_failures(complete, ("cat", "dog"), (), ("image.hue",))
    assert analysis.probabilities is not None
    assert analysis.probabilities.tolist() == [[0.5, 0.5], [0.5, 0.25]]
    assert analysis.usable["phash"].isna().tolist() == [False, True]
    assert analysis.usable["image.hue"].tolist() == ["grey", "grey"]
    assert "p:dog" not in analysis.usable


def test_attribute_with_the_name_of_a_property_raises(tmp_path: Path) -> None:
    path = _predictions(tmp_path, [("a", "cat", "dog", 0.6, 1.0, "ok")])
    with pytest.raises(DataError, match=r"attribute 'image\.hue': expected a name other than"):
        find_failures(path, ("cat", "dog"), ("image.hue",))
