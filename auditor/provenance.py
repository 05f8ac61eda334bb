"""Provenance: everything that is needed to repeat an audit."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow.parquet as pq

from auditor.classifiers.fingerprint import n_parameters, sha256_of
from auditor.console import printable
from auditor.model_opening import OpenedModel
from auditor.preparation import Prepared
from auditor.records import DataProvenance, Dataset, ModelProvenance, Provenance
from auditor.records.predictions import GROUP, LABEL, SAMPLE, SHA256, WEIGHT

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "pillow",
)
"""Packages whose versions affect the numbers."""


def provenance_of(
    prepared: Prepared, opened: OpenedModel, predictions: Path, seconds: dict[str, float]
) -> Provenance:
    """Model, data, configuration and environment of an audit.

    Args:
        prepared: the audit.
        opened: the model, with its target layer.
        predictions: ``predictions.parquet`` of the run.
        seconds: wall time of each stage.
    """
    dataset, module = prepared.dataset, prepared.classifier.module
    layer = opened.model.layer
    return Provenance(
        model=ModelProvenance(
            adapter=prepared.classifier.adapter,
            sha256=sha256_of(module),
            target_layer=layer.name,
            target_layer_reason=layer.why,
            output=opened.description,
            n_parameters=n_parameters(module),
            description=printable(prepared.classifier.description),
        ),
        data=DataProvenance(
            adapter=dataset.adapter,
            sha256=_data_fingerprint(predictions, dataset),
            n_samples=len(dataset),
            n_reference=None if dataset.reference is None else len(dataset.reference),
        ),
        config=prepared.config.effective(),
        environment=_environment(str(prepared.device), opened.precision),
        seed=prepared.config.seed,
        preprocess={
            **prepared.preprocess.model_dump(mode="json"),
            "source": prepared.preprocess_note,
        },
        seconds=seconds,
    )


def _data_fingerprint(predictions: Path, dataset: Dataset) -> str:
    """SHA-256 over the ids, labels, clusters, weights, attributes and image fingerprints of all samples."""
    digest = hashlib.sha256()
    grouped = [] if dataset.group is None else [GROUP]
    weighted = [] if dataset.weight is None else [WEIGHT]
    columns = [SAMPLE, LABEL, SHA256, *grouped, *weighted, *dataset.attributes]
    with pq.ParquetFile(predictions) as file:
        for batch in file.iter_batches(columns=columns):
            digest.update(batch.to_pandas().to_csv(index=False, header=False).encode())
    return digest.hexdigest()


def _environment(device: str, precision: str) -> dict[str, str]:
    """Versions, machine and arithmetic, as far as they affect the numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "device": device}
    if precision:
        found["precision"] = precision
    return found | package_versions(_PACKAGES)


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of packages."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # another distribution provides the module
            found[name] = "unknown"
    return found
