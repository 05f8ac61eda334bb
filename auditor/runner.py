"""One audit as one readable page."""

from __future__ import annotations

import hashlib
import platform
import re
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor import __version__, registry
from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import TargetLayer
from auditor.checks import Check
from auditor.classifiers.fingerprint import n_parameters, sha256_of
from auditor.config import AuditConfig
from auditor.errors import AuditAbortedError, ConfigError, UsageError
from auditor.preparation import Prepared, find_target_layer, prepare
from auditor.progress import Progress, Silent
from auditor.records import (
    AuditData,
    AuditResult,
    DataProvenance,
    DecodedImage,
    Images,
    ModelProvenance,
    Provenance,
    RunInfo,
    Skipped,
)
from auditor.records.predictions import LABEL, SAMPLE, SHA256
from auditor.report import documents
from auditor.run_folder import RunFolder
from auditor.stages.dissect import dissect
from auditor.stages.explain import explain
from auditor.stages.find_failures import find_failures
from auditor.stages.judge import judge
from auditor.stages.map_sanity import measure_map_sanity
from auditor.stages.predict import predict
from auditor.stages.select_samples import select_samples
from auditor.stages.slicing import slice_samples


def run(
    config: AuditConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Audits as the configuration says.

    Args:
        config: all settings.
        out: the folder that shall hold the finished run.
        overwrite: whether a finished run there may be replaced.
        progress: shows how far it is; None shows nothing.

    Returns:
        The finished run.

    Raises:
        UsageError: the caller's mistake; nothing is left behind.
        AuditAbortedError: it stopped half way; ``<out>.unfinished`` says so.
    """
    return audit(prepare(config), out, overwrite=overwrite, progress=progress)


def audit(
    prepared: Prepared,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Audits what is prepared already; see ``run``."""
    progress = progress or Silent()
    config, dataset = prepared.config, prepared.dataset
    layer = find_target_layer(prepared)
    checks, off = _checks(config)
    folder = RunFolder.begin(out, overwrite=overwrite)
    clock = _Clock()
    with _kept_or_discarded(folder):
        with clock.of("predict"), progress.stage("predict", len(dataset)) as advance:
            predict(
                dataset,
                prepared.codes,
                prepared.classifier.module,
                prepared.classes,
                prepared.preprocess,
                device=prepared.device,
                batch_size=config.batch_size,
                workers=config.workers,
                shards=folder.shards("predictions"),
                advance=advance,
            )
            predictions = folder.merge_predictions()
        with clock.of("mine"):
            computed = config.slices.computed
            analysis = find_failures(predictions, prepared.classes, dataset.attributes, computed)
        with clock.of("split"):
            cut = slice_samples(
                analysis.usable,
                dataset.reference,
                prepared.classes,
                dataset.attributes,
                config.slices,
                computed,
            )
        choice = select_samples(
            cut.predictions, analysis.failures, cut.attributes, config.explain, config.seed
        )
        with clock.of("explain"), progress.stage("explain", len(choice.jobs)) as advance:
            explained = explain(
                choice,
                cut.predictions,
                dataset,
                prepared.classifier,
                prepared.classes,
                prepared.preprocess,
                layer,
                folder.explanations,
                explainer=config.explain.explainer,
                precision=config.explain.precision,
                device=prepared.device,
                batch_size=config.batch_size,
                workers=config.workers,
                advance=advance,
            )
        model = AuditedModel(prepared, layer, cut.predictions)
        with clock.of("appraise"), progress.stage("appraise", 1) as advance:
            sanity, panels = measure_map_sanity(
                model,
                prepared.classifier.module,
                layer,
                prepared.preprocess,
                cut.predictions,
                folder.explanations,
                device=prepared.device,
                n_samples=config.explain.trust_samples,
                seed=config.seed,
            )
            advance(1)
        with clock.of("judge"), progress.stage("judge", len(checks)) as advance:
            evidence = AuditData(
                predictions=cut.predictions,
                classes=prepared.classes,
                attributes=cut.attributes,
                slices=cut.slices,
                reference=cut.reference,
                alpha=config.judge.alpha,
                min_support=config.slices.min_support,
                seed=config.seed,
                maps=explained.maps,
                model=model,
                computed=cut.computed,
                computed_slices=cut.computed_slices,
                probabilities=analysis.probabilities,
                images=_Evaluated(
                    dataset.images,
                    dataset.samples.index.get_indexer(pd.Index(cut.predictions["sample"])),
                ),
                reference_images=dataset.reference_images,
                reference_labels=None
                if dataset.reference is None
                else tuple(dataset.reference["label"].astype("str")),
            )
            judgement = judge(checks, evidence, advance)
        with clock.of("dissect"):
            units = dissect(
                judgement.findings,
                model,
                prepared.classifier.module,
                layer,
                prepared.preprocess,
                cut.predictions,
                folder.explanations,
                config.explain,
                device=prepared.device,
                seed=config.seed,
            )
        now = datetime.now(UTC).replace(microsecond=0)
        folder.write_result(
            AuditResult(
                run=RunInfo(
                    id=f"{folder_name(config.name)}-{now:%Y%m%dT%H%M%SZ}",
                    name=config.name,
                    created_at=now,
                    auditor_version=__version__,
                    status="complete",
                ),
                provenance=_provenance(prepared, layer, predictions, clock.seconds),
                summary=analysis.summary.model_copy(
                    update={"n_explained": sum(job.kind != "mean" for job in choice.jobs)}
                ),
                classes=analysis.classes,
                confusion=analysis.confusion,
                slices=judgement.slices,
                findings=judgement.findings,
                skipped=[*off, *cut.skipped, *choice.skipped, *judgement.skipped],
                unusable=analysis.unusable,
                explanations=explained.record.model_copy(
                    update={"sanity": sanity, "panels": panels, "units": units}
                ),
                gate=config.gate.severity,
                tests=judgement.tests,
                data_faults=judgement.data_faults,
            )
        )
        with progress.stage("report", len(config.report.formats)) as advance:
            written = documents.write(folder, config.report.formats)
            advance(len(config.report.formats))
        finished = folder.finish()
    for error in written.missing:
        progress.message(str(error))
    return finished


def folder_name(name: str) -> str:
    """A name as a folder's name: lower case, other signs than letters and digits as hyphens."""
    return re.sub(r"[^\w.]+", "-", name.lower()).strip("-.") or "audit"


@contextmanager
def _kept_or_discarded(folder: RunFolder) -> Iterator[None]:
    """A caller's mistake leaves nothing behind; anything else leaves the folder, marked."""
    try:
        yield
    except UsageError:
        folder.discard()
        raise
    except Exception as error:
        (folder.path / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise AuditAbortedError(
            f"{type(error).__name__}: {error}; what was done so far, and the traceback, lie in "
            f"{folder.path}"
        ) from error


@dataclass(frozen=True)
class _Evaluated:
    """The images of the evaluated samples alone."""

    images: Images
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> DecodedImage:
        return self.images[int(self.positions[index])]


class _Clock:
    """Wall time of each stage in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


def _checks(config: AuditConfig) -> tuple[Mapping[str, Check], list[Skipped]]:
    """The checks that run, and those that were switched off."""
    chosen: dict[str, Check] = {}
    off: list[Skipped] = []
    for name, plugin in registry.all_of("check").items():
        options = config.checks.get(name, plugin)
        if options is False:
            off.append(Skipped(check=name, reason="switched off in the configuration"))
            continue
        check = options if isinstance(options, registry.Options) else plugin()
        if not isinstance(check, Check):
            raise ConfigError(f"checks.{name}: the plug-in has no `examine(evidence)`")
        chosen[name] = check
    return chosen, off


def _provenance(
    prepared: Prepared, layer: TargetLayer, predictions: Path, seconds: dict[str, float]
) -> Provenance:
    dataset = prepared.dataset
    return Provenance(
        model=ModelProvenance(
            adapter=prepared.classifier.adapter,
            sha256=sha256_of(prepared.classifier.module),
            target_layer=layer.name,
            target_layer_reason=layer.why,
            n_parameters=n_parameters(prepared.classifier.module),
            description=prepared.classifier.description,
        ),
        data=DataProvenance(
            adapter=dataset.adapter,
            sha256=_data_fingerprint(predictions, dataset.attributes),
            n_samples=len(dataset),
            n_reference=None if dataset.reference is None else len(dataset.reference),
        ),
        config=prepared.config.effective(),
        environment=_environment(str(prepared.device)),
        seed=prepared.config.seed,
        preprocess={
            **prepared.preprocess.model_dump(mode="json"),
            "source": prepared.preprocess_note,
        },
        seconds=seconds,
    )


def _data_fingerprint(predictions: Path, attributes: tuple[str, ...]) -> str:
    """SHA-256 over ids, labels, attributes and the images' own fingerprints, batch by batch."""
    digest = hashlib.sha256()
    columns = [SAMPLE, LABEL, SHA256, *attributes]
    with pq.ParquetFile(predictions) as file:
        for batch in file.iter_batches(columns=columns):
            digest.update(batch.to_pandas().to_csv(index=False, header=False).encode())
    return digest.hexdigest()


def _environment(device: str) -> dict[str, str]:
    """Versions and machine, as far as they bear on the numbers."""
    packages = (
        "torch",
        "torchvision",
        "numpy",
        "pandas",
        "scipy",
        "scikit-learn",
        "statsmodels",
        "pillow",
    )
    found = {"python": platform.python_version(), "platform": platform.platform(), "device": device}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a distribution under another name provides the module
            found[name] = "unknown"
    return found
