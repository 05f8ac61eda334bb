"""Results do not depend on the size of the blocks in which large tables are converted."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from auditor.statistics import blocks
from auditor.statistics.blocks import row_blocks
from auditor.statistics.confident_learning import confident_learning
from auditor.statistics.label_noise import label_noise
from auditor.statistics.metrics import ClassCases, measure


def test_blocks_cover_all_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_NUMBERS", 10)
    # 10 numbers are 3 rows of 3 columns; the last block holds the seventh row.
    assert [list(range(7)[block]) for block in row_blocks(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [list(range(2)[block]) for block in row_blocks(2, 99)] == [[0], [1]]
    assert list(row_blocks(0, 3)) == []


@pytest.mark.parametrize("n_classes", [2, 7])
def test_results_are_the_same_in_blocks_of_any_size(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(n_classes)
    label = random.integers(0, n_classes, 900)
    logits = random.normal(0, 1, (900, n_classes))
    logits[np.arange(900), label] += 3
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probabilities = shares.astype(np.float32)
    label[:40] = (label[:40] + 1) % n_classes
    predicted = probabilities.argmax(1)
    confidence = probabilities.max(1).astype(np.float64)
    cases = ClassCases(label, predicted, n_classes, probabilities, confidence)
    found = []
    for size in (10**9, 100):
        monkeypatch.setattr(blocks, "_NUMBERS", size)
        found.append(
            (
                confident_learning(label, probabilities).suggested,
                label_noise(label, probabilities).wrong,
                measure("brier", cases, np.arange(900)).influence,
            )
        )
    for whole, in_blocks in zip(*found, strict=True):
        np.testing.assert_array_equal(whole, in_blocks)


def test_probabilities_of_many_classes_are_not_copied_as_a_whole() -> None:
    n, n_classes = 20_000, 100
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(n_classes), n).astype(np.float32)
    label = random.integers(0, n_classes, n)
    tracemalloc.start()
    confident_learning(label, probabilities)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A block of a million numbers takes 8 MB as float64, at most three of them exist at a time, and each
    # row has some numbers of its own; a float64 copy of the table alone is 16 MB, and two are 32 MB.
    assert peak < 28e6
