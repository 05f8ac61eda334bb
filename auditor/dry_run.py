"""Everything short of the audit: what ``auditor check`` says before an hour is spent on a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.classifiers.fingerprint import n_parameters
from auditor.classifiers.preprocessing import compare_preprocessing, suspicion
from auditor.config import AuditConfig
from auditor.explainers.api import explain_batch
from auditor.input_pipeline import normalised
from auditor.preparation import Prepared, find_target_layer, prepare, sample_images

_TRIED = 32
"""Images in the trial."""


@dataclass(frozen=True)
class DryRun:
    """What was tried.

    Attributes:
        lines: (what, what came of it), in order.
        warnings: what deserves a look before the audit.
    """

    lines: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Trial:
    """One batch through the network."""

    images: NDArray[np.uint8]
    codes: NDArray[np.int64]
    unreadable: int
    failing: float
    read_seconds: float
    predict_seconds: float
    explain_seconds: float


def dry_run(config: AuditConfig) -> DryRun:
    """Opens everything, runs one batch, and estimates the rest.

    Raises:
        UsageError: the caller's mistake, as the audit itself would meet it.
    """
    prepared = prepare(config)
    start = time.perf_counter()
    images, codes, unreadable = sample_images(prepared, _TRIED)
    read_seconds = (time.perf_counter() - start) / len(images)
    inputs = normalised(torch.from_numpy(images), prepared.preprocess, prepared.device)
    layer = find_target_layer(prepared)
    start = time.perf_counter()
    with torch.inference_mode():
        predicted = prepared.classifier.module(inputs).argmax(1).cpu().numpy()
    predict_seconds = (time.perf_counter() - start) / len(images)
    start = time.perf_counter()
    maps = explain_batch(
        prepared.classifier.module, inputs, [(k, int(c)) for k, c in enumerate(codes)], layer
    )
    trial = _Trial(
        images,
        codes,
        unreadable,
        failing=float((predicted != codes).mean()),
        read_seconds=read_seconds,
        predict_seconds=predict_seconds,
        explain_seconds=(time.perf_counter() - start) / len(images),
    )
    lines = (
        *_data(prepared),
        (
            "model",
            f"{prepared.classifier.description}, {n_parameters(prepared.classifier.module):,} parameters",
        ),
        ("preprocess", prepared.preprocess_note),
        ("input", " × ".join(str(side) for side in inputs.shape[1:]) + f" on {prepared.device}"),
        ("output", f"{len(prepared.classes)} logits, one a class"),
        (
            "target layer",
            f"{layer.name}, {layer.channels} × {layer.height} × {layer.width}: {layer.why}",
        ),
        ("guided rule", f"{maps.preflight.status}: {maps.preflight.reason}"),
        ("trial", f"{1 - trial.failing:.0%} of {len(codes)} images right"),
        ("estimate", _estimate(prepared, trial)),
    )
    return DryRun(lines, tuple(_warnings(prepared, trial)))


def _data(prepared: Prepared) -> Iterator[tuple[str, str]]:
    dataset = prepared.dataset
    yield "data", f"{len(dataset):,} samples ({dataset.adapter})"
    if dataset.reference is not None:
        yield "reference", f"{len(dataset.reference):,} samples"
    counts = np.bincount(prepared.codes, minlength=len(prepared.classes))
    largest = np.argsort(-counts, kind="stable")[:8]
    more = f", … {len(counts) - 8} more" if len(counts) > 8 else ""
    shown = ", ".join(f"{prepared.classes[k]} {counts[k]:,}" for k in largest)
    yield "classes", f"{len(counts)}: {shown}{more}"
    for name in dataset.attributes:
        column = dataset.samples[name]
        values = column.nunique()
        missing = int(column.isna().sum())
        yield "attribute", f"{name}: {values} values" + (f", {missing} missing" if missing else "")


def _estimate(prepared: Prepared, trial: _Trial) -> str:
    total = len(prepared.dataset)
    # Failures have two targets, and each has a contrast of one: three maps for one failure.
    explained = total * trial.failing * (3 if prepared.config.explain.contrast else 2)
    seconds = total * (trial.read_seconds + trial.predict_seconds) + explained * (
        trial.read_seconds + trial.explain_seconds
    )
    batch = prepared.config.batch_size * trial.images[0].size * 4 / 2**20
    return (
        f"about {_duration(seconds)} ({total:,} predictions, {explained:,.0f} maps); one batch of "
        f"{prepared.config.batch_size} inputs takes {batch:.0f} MiB"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _warnings(prepared: Prepared, trial: _Trial) -> Iterator[str]:
    if trial.unreadable:
        yield f"{trial.unreadable} of the images tried could not be read; the audit lists them"
    counts = np.bincount(prepared.codes, minlength=len(prepared.classes))
    empty = [name for name, count in zip(prepared.classes, counts, strict=True) if not count]
    if empty:
        yield f"{len(empty)} of {len(counts)} classes have no sample, such as {empty[0]!r}"
    better = suspicion(
        compare_preprocessing(
            prepared.classifier.module, trial.images, trial.codes, prepared.preprocess
        )
    )
    if better is not None:
        yield better
