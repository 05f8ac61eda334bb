"""Dissect: which channels carry the evidence behind a finding, and what excites them in the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from auditor import imaging
from auditor.autograd.target_layer import TargetLayer
from auditor.config import ExplainSection, Preprocess
from auditor.errors import ModelError
from auditor.explainers.units import unit_detail, unit_evidence, unit_maps
from auditor.input_pipeline import normalised
from auditor.records import Finding, ModelAccess, UnitRecord
from auditor.run_folder import EXPLANATIONS, ShardWriter

_FINDINGS = 5
"""The gravest findings are dissected."""
_TOP = 6
"""Images that show what a unit responds to."""
_BATCH = 32


def dissect(
    findings: Sequence[Finding],
    model: ModelAccess,
    module: nn.Module,
    layer: TargetLayer,
    preprocess: Preprocess,
    predictions: pd.DataFrame,
    folder: Path,
    section: ExplainSection,
    *,
    device: torch.device,
    seed: int,
) -> list[UnitRecord]:
    """Finds the units behind the gravest findings.

    For the predicted classes of a finding's samples, the channels that add most to the evidence
    (``explainers.units``), and the images of the audited data that excite each most.

    Args:
        findings: gravest first.
        model: gives the images.
        module: the network, on ``device``.
        layer: the target layer.
        preprocess: how images become inputs.
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        folder: ``explanations/`` of the run; receives the images.
        section: how many units, and among how many samples their images are sought.
        device: where the network runs.
        seed: of the draw of those samples.

    Returns:
        The units, finding by finding, the strongest first.
    """
    place = {str(sample): row for row, sample in enumerate(predictions["sample"])}
    codes = np.asarray(predictions["predicted"].cat.codes, dtype=np.int64)
    chosen = [one for one in findings if one.samples and one.verdict != "untestable"][:_FINDINGS]
    if not section.units or not chosen:
        return []

    def inputs(rows: NDArray[np.int64]) -> torch.Tensor:
        return normalised(torch.from_numpy(model.images(rows)), preprocess, device)

    units: list[tuple[Finding, int, float]] = []
    for finding in chosen:
        rows = np.array([place[sample] for sample in finding.samples], dtype=np.int64)
        targets = torch.from_numpy(codes[rows])
        evidence = unit_evidence(module, inputs(rows), targets, layer).mean(0).double().numpy()
        positive = np.maximum(evidence, 0)
        if not positive.any():
            continue  # nothing in these images speaks for the predicted class
        strongest = np.argsort(-positive, kind="stable")[: section.units]
        units += [
            (finding, int(channel), float(positive[channel] / positive.sum()))
            for channel in strongest[positive[strongest] > 0]
        ]
    drawn = np.random.default_rng(seed).permutation(len(predictions))[: section.unit_samples]
    rows = np.sort(drawn).astype(np.int64)
    peaks = np.concatenate(
        [unit_maps(module, inputs(part), layer).amax((2, 3)).numpy() for part in _parts(rows)]
    )
    shards = ShardWriter(folder, "units")
    records: list[UnitRecord] = []
    table: list[dict[str, object]] = []
    shown: dict[int, list[str]] = {}
    for finding, channel, share in units:
        if channel not in shown:
            top = rows[np.argsort(-peaks[:, channel], kind="stable")[:_TOP]]
            first = len(table)
            table += _drawn(model, module, layer, inputs(top), predictions, top, channel)
            shown[channel] = [
                f"{EXPLANATIONS}/{shards.next_name}#{k}" for k in range(first, len(table))
            ]
        records.append(
            UnitRecord(finding=finding.id, channel=channel, share=share, images=shown[channel])
        )
    if table:
        shards.write(pa.Table.from_pylist(table))
    return records


def _parts(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _drawn(
    model: ModelAccess,
    module: nn.Module,
    layer: TargetLayer,
    inputs: torch.Tensor,
    predictions: pd.DataFrame,
    rows: NDArray[np.int64],
    channel: int,
) -> list[dict[str, object]]:
    maps = unit_maps(module, inputs, layer)[:, channel].clamp(min=0).numpy()
    views = model.images(rows).transpose(0, 2, 3, 1)
    try:
        details = unit_detail(module, inputs, layer, channel).numpy()
    except ModelError:  # guided backpropagation is undefined on this network; the preflight says so
        details = None
    samples, labels = (predictions[name].to_numpy()[rows] for name in ("sample", "label"))
    return [
        {
            "sample": str(samples[k]),
            "label": str(labels[k]),
            "channel": channel,
            "overlay": imaging.jpeg(imaging.overlay(np.ascontiguousarray(views[k]), maps[k])),
            "guided": None if details is None else imaging.jpeg(imaging.guided_view(details[k])),
        }
        for k in range(len(rows))
    ]
