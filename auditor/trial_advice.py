"""What a dry run says of the accuracy: a better preprocessing, and a loss against the published accuracy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom

from auditor.audited_model import AuditedModel
from auditor.classifiers.preprocessing import better_preprocessing
from auditor.phrasing import interval, percents
from auditor.preparation import Prepared
from auditor.preprocessing_trials import affordable, try_preprocessing
from auditor.statistics import proportion

_LEVEL = 0.05


def accuracy_advice(
    prepared: Prepared, model: AuditedModel, seconds_per_image: float
) -> Iterator[str]:
    """Tries other preprocessings on some images, and compares the accuracy with the published one.

    Args:
        prepared: the audit, of a task with one class per sample.
        model: its model.
        seconds_per_image: time to read and predict an image, which determines how many are used.

    Yields:
        One sentence for each difference that these images show.
    """
    total = len(prepared.dataset)
    number = min(total, affordable(seconds_per_image))
    rows = np.unique(np.linspace(0, total - 1, number).astype(np.int64))
    trials = try_preprocessing(
        model, prepared.dataset.images, rows, prepared.codes.reshape(total, -1)[rows, 0]
    )
    if not trials:
        return
    better = better_preprocessing(trials)
    if better is not None:
        yield better
    expected = prepared.config.model.expected.accuracy
    used = trials[0]
    if expected is None:
        return
    n_correct = int(used.correct.sum())
    if float(binom.cdf(n_correct, used.n, expected)) <= _LEVEL:
        measured = proportion(n_correct, used.n)[()]
        own, published = percents(measured.value, expected)
        yield (
            f"{own} of {used.n} images are classified correctly ({interval(measured)}); the published "
            f"accuracy (model.expected) is {published}: check preprocessing, image format and the order "
            "of the classes"
        )
