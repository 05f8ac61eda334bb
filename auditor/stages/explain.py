"""Explain: compute the attribution maps of the selected samples, and draw and store them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.audited_model import AuditedModel
from auditor.autograd.precision import Accelerated, accelerate
from auditor.config import ExplainSection
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explainers.api import explain_batch, explain_or_grad_cam
from auditor.explainers.guided_grad_cam import GuidedGradCam
from auditor.explanation_files import SHARD_SAMPLES, MapWriter, MeanMaps, SampleMaps
from auditor.progress import Advance
from auditor.records import ExplanationsRecord, Job, Maps, PreflightRecord, SampleSelection
from auditor.records.predictions import SAMPLE

_NOTHING_EXPLAINED = PreflightRecord(status="undefined", reason="no sample was explained")


@dataclass(frozen=True)
class Explained:
    """Result of the explain stage.

    Attributes:
        record: what was explained, with references to the files.
        maps: the maps of the cells' samples, for the checks; None where there are no cells.
    """

    record: ExplanationsRecord
    maps: Maps | None


def explain_samples(
    samples: EvaluatedSamples,
    selection: SampleSelection,
    section: ExplainSection,
    folder: Path,
    advance: Advance,
) -> Explained:
    """Computes, draws and stores the maps of the selected samples.

    Args:
        samples: the evaluated samples, with the model.
        selection: what to explain.
        section: the explainer of the detail view, and the precision. Grad-CAM is always computed.
        folder: ``explanations/`` of the run.
        advance: called after each batch with its number of samples.

    Returns:
        What was explained, and the maps that the checks compare.
    """
    classes = samples.model.classes
    writer, means = MapWriter(folder, classes), MeanMaps(selection.cells)
    ids = samples.table[SAMPLE].to_numpy()
    maps_of = _BatchExplainer(samples.model, section)
    done = 0
    for images in samples.read(np.array([job.row for job in selection.jobs], dtype=np.int64)):
        jobs = selection.jobs[done : done + len(images)]
        done += len(images)
        cams, details = maps_of(images, jobs)
        views = images.permute(0, 2, 3, 1).numpy()
        start = 0
        for view, job in zip(views, jobs, strict=True):
            own = slice(start, start + len(job.targets))
            start = own.stop
            if job.kind != "mean":
                sample = str(ids[job.row])
                writer.add(job, SampleMaps(sample, view, cams[own], details[own], maps_of.method))
            for (_, code), cam in zip(job.targets, cams[own], strict=True):
                means.add(job.row, classes[code], cam, view)
        writer.flush(SHARD_SAMPLES)
        advance(len(jobs))
    writer.flush()
    record = ExplanationsRecord(
        explainer=maps_of.method,
        preflight=maps_of.preflight,
        failures=writer.failures,
        contrasts=writer.contrasts,
        means=means.write(folder),
    )
    return Explained(record, means.maps())


class _BatchExplainer:
    """Computes the maps of one batch after another.

    Attributes:
        method: the explainer that made the last detail views; ``none`` before the first batch.
        preflight: its verdict.
    """

    def __init__(self, model: AuditedModel, section: ExplainSection) -> None:
        self.method = "none"
        self.preflight = _NOTHING_EXPLAINED
        self._model = model
        self._section = section
        self._accelerated: Accelerated | None = None

    def __call__(
        self, images: Tensor, jobs: Sequence[Job]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Grad-CAMs (n, h, w) and detail views (n, 1 or 3, H, W) of all targets of the jobs."""
        layer = self._model.layer
        inputs = self._model.inputs(images)
        pairs = [(k, code) for k, job in enumerate(jobs) for _, code in job.targets]
        if self._accelerated is None:
            self._accelerated = accelerate(
                self._model.module, inputs, self._section.precision, layer
            )
        module = self._accelerated.module
        found = explain_batch(module, inputs, pairs, layer)
        verdict = self._accelerated.annotate(found.preflight)
        self.preflight = PreflightRecord(status=verdict.status, reason=verdict.reason)
        if self._section.explainer == GuidedGradCam.plugin_name:
            self.method = found.detail
            return found.cams.numpy(), found.maps.numpy()
        rows, targets = torch.tensor(pairs, device=inputs.device).T
        other = explain_or_grad_cam(module, inputs[rows], targets, self._section.explainer, layer)
        if other.explainer != self._section.explainer:
            # It is undefined for this network. Grad-CAM is shown beside the detail view anyway.
            self.method = found.detail
            return found.cams.numpy(), found.maps.numpy()
        self.method = other.explainer
        return found.cams.numpy(), other.maps.cpu().numpy()
