"""Explain: compute the attribution maps of the selected samples, and draw and store them.

An image that can no longer be read, or whose maps can't be computed or are not finite, is left out and
counted; the others are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from auditor.judging.broken_parts import BrokenPart, BrokenParts, result_of
from auditor.phrasing import count, plural
from auditor.progress import Advance
from auditor.records import ExplanationsRecord, Job, Maps, PreflightRecord, SampleSelection, Skipped
from auditor.records.predictions import OK, SAMPLE

NAME = "explain"
"""Of the stage, in the list of what could not be done."""
NOTHING_EXPLAINED = ExplanationsRecord(
    explainer="none",
    preflight=PreflightRecord(status="undefined", reason="no sample was explained"),
)
"""The record of an audit without maps."""


_GIVE_UP = 100
"""If the maps of so many images could not be computed, and those of no other, no more are tried."""


@dataclass(frozen=True)
class Explained:
    """Result of the explain stage.

    Attributes:
        record: what was explained, with references to the files.
        maps: the maps of the cells' samples, for the checks; None where there are no cells.
        n_explained: number of failures and contrasts with maps.
        skipped: images without maps, counted.
    """

    record: ExplanationsRecord = NOTHING_EXPLAINED
    maps: Maps | None = None
    n_explained: int = 0
    skipped: tuple[Skipped, ...] = ()


def explain_samples(
    samples: EvaluatedSamples,
    selection: SampleSelection,
    section: ExplainSection,
    folder: Path,
    advance: Advance,
    broken: BrokenParts,
) -> Explained:
    """Computes, draws and stores the maps of the selected samples.

    Args:
        samples: the evaluated samples, with the model.
        selection: what to explain.
        section: the explainer of the detail view, and the precision. Grad-CAM is always computed.
        folder: ``explanations/`` of the run.
        advance: called after each batch with its number of samples.
        broken: collects why the maps of some images could not be computed.

    Returns:
        What was explained, and the maps that the checks compare.
    """
    classes = samples.model.classes
    writer, means = MapWriter(folder, classes), MeanMaps(selection.cells)
    ids = samples.table[SAMPLE].to_numpy()
    maps_of = _BatchExplainer(samples.model, section)
    left_out = _LeftOut(len(selection.jobs))
    done = n_explained = 0
    rows = np.array([job.row for job in selection.jobs], dtype=np.int64)
    for images, status in samples.read_present(rows):
        asked = selection.jobs[done : done + len(status)]
        done += len(status)
        jobs = left_out.present(asked, status, ids)
        views = images.permute(0, 2, 3, 1).numpy()
        for view, job, found in zip(views, jobs, maps_of.each(images, jobs), strict=True):
            sample = str(ids[job.row])
            arrays = left_out.usable(sample, found)
            if arrays is None:
                continue
            cams, details = arrays
            if job.kind != "mean":
                n_explained += 1
                writer.add(job, SampleMaps(sample, view, cams, details, maps_of.method))
            for (_, code), cam in zip(job.targets, cams, strict=True):
                means.add(job.row, classes[code], cam, view)
        writer.flush(SHARD_SAMPLES)
        advance(len(asked))
        if len(left_out.raised) == done >= _GIVE_UP:
            break
    writer.flush()
    broken.parts += left_out.broken(done)
    record = ExplanationsRecord(
        explainer=maps_of.method,
        preflight=maps_of.preflight,
        failures=writer.failures,
        contrasts=writer.contrasts,
        means=means.write(folder),
    )
    return Explained(record, means.maps(), n_explained, tuple(left_out.skipped()))


_SampleArrays = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Grad-CAMs (t, h, w) and detail views (t, 1 or 3, H, W) of the targets of one sample."""


class _LeftOut:
    """Counts the images without maps.

    Attributes:
        raised: samples for which an exception was raised, in order, with the exception.
    """

    def __init__(self, total: int) -> None:
        self.raised: list[tuple[str, BrokenPart]] = []
        self._total = total
        self._lost: dict[str, list[str]] = {}
        self._not_finite: list[str] = []
        self._without_detail: list[str] = []

    def present(
        self, jobs: Sequence[Job], status: Sequence[str], ids: NDArray[np.object_]
    ) -> list[Job]:
        """The jobs whose images could be read, although all could when they were predicted."""
        for job, word in zip(jobs, status, strict=True):
            if word != OK:
                self._lost.setdefault(word, []).append(str(ids[job.row]))
        return [job for job, word in zip(jobs, status, strict=True) if word == OK]

    def usable(self, sample: str, found: _SampleArrays | BrokenPart) -> _SampleArrays | None:
        """The maps of a sample; None where they can't be used."""
        if isinstance(found, BrokenPart):
            self.raised.append((sample, found))
            return None
        cams, details = found
        if not np.isfinite(cams).all():
            self._not_finite.append(sample)
            return None
        if not np.isfinite(details).all():
            self._without_detail.append(sample)
            details = np.zeros_like(details)
        return cams, details

    def broken(self, n_tried: int) -> Iterator[BrokenPart]:
        """Why maps could not be computed, with the first traceback; nothing where all could be."""
        if not self.raised:
            return
        sample, first = self.raised[0]
        which = f"no maps of {self._share(len(self.raised), n_tried)}, such as {sample}"
        yield replace(first, reason=f"{which}: {first.reason}")

    def skipped(self) -> Iterator[Skipped]:
        """Images that can no longer be read, and maps that are not finite."""
        for word, samples in self._lost.items():
            share = f"{self._share(len(samples), self._total)}, such as {samples[0]}"
            reason = f"no maps of {share}: readable when they were predicted, and then {word}"
            yield Skipped(check=NAME, reason=reason)
        for samples, what in (
            (self._not_finite, "no maps of {}: their Grad-CAM is not finite (NaN or infinity)"),
            (self._without_detail, "the detail view of {} is empty: it is not finite"),
        ):
            if samples:
                share = f"{self._share(len(samples), self._total)}, such as {samples[0]}"
                yield Skipped(check=NAME, reason=what.format(share))

    @staticmethod
    def _share(n: int, total: int) -> str:
        return f"{count(n)} of {plural(total, 'image')}"


class _BatchExplainer:
    """Computes the maps of one batch after another.

    Attributes:
        method: the explainer that made the last detail views; ``none`` before the first batch.
        preflight: its verdict.
    """

    def __init__(self, model: AuditedModel, section: ExplainSection) -> None:
        self.method = NOTHING_EXPLAINED.explainer
        self.preflight = NOTHING_EXPLAINED.preflight
        self._model = model
        self._section = section
        self._accelerated: Accelerated | None = None

    def each(self, images: Tensor, jobs: Sequence[Job]) -> list[_SampleArrays | BrokenPart]:
        """The maps of each image; where the batch raises an exception, of its halves, down to one."""
        if not jobs:
            return []
        found = result_of(NAME, "map", partial(self._maps, images, jobs))
        if not isinstance(found, BrokenPart):
            return list(found)
        if len(jobs) == 1:
            return [found]
        half = len(jobs) // 2
        return [*self.each(images[:half], jobs[:half]), *self.each(images[half:], jobs[half:])]

    def _maps(self, images: Tensor, jobs: Sequence[Job]) -> list[_SampleArrays]:
        layer = self._model.layer
        inputs = self._model.inputs(images)
        pairs = [(k, code) for k, job in enumerate(jobs) for _, code in job.targets]
        if self._accelerated is None:
            self._accelerated = accelerate(
                self._model.module, inputs, self._section.precision, layer
            )
        module = self._accelerated.module
        found = explain_batch(module, inputs, pairs, layer)
        details, method = found.maps, found.detail
        if self._section.explainer != GuidedGradCam.plugin_name:
            rows, targets = torch.tensor(pairs, device=inputs.device).T
            other = explain_or_grad_cam(
                module, inputs[rows], targets, self._section.explainer, layer
            )
            # Where it is undefined for this network, Grad-CAM is shown beside the detail view anyway.
            if other.explainer == self._section.explainer:
                details, method = other.maps.cpu(), other.explainer
        verdict = self._accelerated.annotate(found.preflight)
        self.preflight = PreflightRecord(status=verdict.status, reason=verdict.reason)
        self.method = method
        ends = np.cumsum([len(job.targets) for job in jobs])
        return list(
            zip(
                np.split(found.cams.numpy(), ends[:-1]),
                np.split(details.numpy(), ends[:-1]),
                strict=True,
            )
        )
