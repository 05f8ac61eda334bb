"""What an audit depends on, as a fingerprint in its unfinished folder, and what has changed since.

Blocks that were computed before an interruption may be used only with the same configuration, model, data
and libraries; otherwise the result would be that of no single audit.

States are read and compared without torch, by `auditor.engines.merge`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import JsonValue

from auditor import __version__, blocks
from auditor.blocks import read_block, write_block
from auditor.manifest import PREDICTIONS, RESUME_STATE
from auditor.phrasing import count, plural
from auditor.records import AuditResult, Record
from auditor.records.predictions import GROUP, LABEL, PATH, SAMPLE, WEIGHT, attribute_columns
from auditor.run_files import is_regular
from auditor.run_folder import RunFolder
from auditor.stages.predicted_blocks import blocks_of

if TYPE_CHECKING:
    import torch

    from auditor.model_opening import OpenedModel
    from auditor.preparation import Prepared

_WITHOUT_EFFECT = frozenset({"device", "workers", "report", "model.allow_download"})
"""Options that change no number: sections, and single keys."""
_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "pyarrow")
"""Packages whose versions may change what blocks contain."""
_LISTED = 5
"""Changed options that a message lists."""
_CHUNK = 65_536
"""Rows of a table that are converted to text at once."""

_ROWS = pa.schema([("row", pa.uint64())])
"""The table of the file of a state."""

Hashes = NDArray[np.uint64]


class ResumeState(Record):
    """What an audit depends on, apart from the rows of its data."""

    config: dict[str, JsonValue]
    """Every option that may change a number, by its dotted name."""
    weights: str
    """SHA-256 of the network's weights."""
    found: dict[str, str]
    """What was recognised of model and preprocessing, by what it is."""
    packages: dict[str, str]
    reference: str | None
    """SHA-256 of the table of the training data; None where there is none, or it is unknown."""
    code: dict[str, str] = {}
    """SHA-256 of each module of the user's code that made model and data, by its name; empty of a finished
    audit, which does not record it."""
    arithmetic: dict[str, str] = {}
    """On what the last bits of numbers can depend, such as the number of threads; empty of a finished
    audit."""
    block_sizes: tuple[int, int] | None
    """Of predictions and explanations; None of a finished audit, which has no blocks any more."""


def state_of(prepared: Prepared, opened: OpenedModel) -> ResumeState:
    """What an audit that is about to begin depends on."""
    from auditor.classifiers.fingerprint import sha256_of
    from auditor.provenance import package_versions

    return ResumeState(
        config=dict(_options(prepared.config.effective())),
        weights=sha256_of(prepared.classifier.module),
        found={
            "target layer": str(opened.model.layer.name),
            "output": opened.description,
            "preprocessing": _text(prepared.preprocess.model_dump(mode="json")),
            "decision rule": _text(opened.decision.model_dump(mode="json")),
        },
        packages=_packages(package_versions(_PACKAGES), __version__),
        reference=_table_hash(prepared.dataset.reference),
        arithmetic=_arithmetic(prepared.device),
        code={**prepared.dataset.code, **prepared.classifier.code},
        block_sizes=(blocks.PREDICTED_SAMPLES, blocks.EXPLAINED_SAMPLES),
    )


def state_of_finished(result: AuditResult) -> ResumeState:
    """What a finished audit depended on, as far as its result says so."""
    provenance = result.provenance
    preprocess = {key: value for key, value in provenance.preprocess.items() if key != "source"}
    return ResumeState(
        config=dict(_options(provenance.config)),
        weights=provenance.model.sha256,
        found={
            "target layer": str(provenance.model.target_layer),
            "output": provenance.model.output,
            "preprocessing": _text(preprocess),
            "decision rule": _text(result.decision.model_dump(mode="json")),
        },
        packages=_packages(provenance.environment, result.run.auditor_version),
        reference=None,
        block_sizes=None,
    )


def row_hashes(prepared: Prepared, opened: OpenedModel) -> Hashes:
    """(N,) a hash of what is known of each sample: id, path, label, cluster, weight and attributes."""
    from auditor.stages.prediction_rows import PredictionRows

    rows = PredictionRows(prepared.dataset, prepared.codes, opened.model.rule)
    cut = blocks_of(len(prepared.dataset))
    return _joined(_hashes(rows.known(cut.rows(number))) for number in range(len(cut)))


def row_hashes_of_finished(folder: Path) -> Hashes:
    """(N,) the same of the samples of a finished audit."""
    with pq.ParquetFile(folder / PREDICTIONS) as file:
        names = file.schema_arrow.names
        known = [SAMPLE, PATH, LABEL, *(name for name in (GROUP, WEIGHT) if name in names)]
        columns = [*known, *attribute_columns(names)]
        parts = (
            file.read_row_group(k, columns).select(columns) for k in range(file.num_row_groups)
        )
        return _joined(map(_hashes, parts))


def write_state(state: ResumeState, rows: Hashes, folder: RunFolder) -> None:
    """Writes the file that `read_state` reads."""
    write_block(pa.table({"row": rows}), state, folder.path / RESUME_STATE)


def read_state(folder: RunFolder) -> tuple[ResumeState, Hashes] | None:
    """What an unfinished audit depended on, and the hashes of its samples; None where the file is damaged."""
    path = folder.path / RESUME_STATE
    state = read_block(path, ResumeState) if is_regular(path) else None
    if state is None:
        return None
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    if table.schema.remove_metadata() != _ROWS or table["row"].null_count:
        return None
    return state, table["row"].to_numpy()


def changes(before: ResumeState, now: ResumeState) -> Iterator[str]:
    """What has changed, in words; nothing where everything is the same."""
    options = [
        f"{key}: {_shown(before.config, key)} → {_shown(now.config, key)}"
        for key in sorted({*before.config, *now.config})
        if not _is_same(before.config.get(key, _MISSING), now.config.get(key, _MISSING))
    ]
    yield from options[:_LISTED]
    if len(options) > _LISTED:
        yield f"{plural(len(options) - _LISTED, 'more option')} of the configuration"
    yield from _changed_code(before.code, now.code)
    if before.weights != now.weights:
        yield f"the weights of the model (SHA-256 {before.weights[:12]}… → {now.weights[:12]}…)"
    if not options:  # from which the rest follows
        for what, old, new in _differing(before.found, now.found):
            yield f"{what}: {old} → {new}"
    for name, old, new in _differing(before.packages, now.packages):
        yield f"{name} {old} → {new}"
    if None not in (before.reference, now.reference) and before.reference != now.reference:
        yield "the table of the training data"
    if before.block_sizes is not None and before.block_sizes != now.block_sizes:
        yield f"the sizes of blocks: {before.block_sizes} → {now.block_sizes}"


def different_arithmetic(before: ResumeState, now: ResumeState) -> str | None:
    """A warning if blocks were computed in another way, on which the last bits of numbers can depend."""
    names = sorted(before.arithmetic.keys() & now.arithmetic.keys())
    found = [(name, before.arithmetic[name], now.arithmetic[name]) for name in names]
    different = "; ".join(f"{name}: {old} → {new}" for name, old, new in found if old != new)
    if not different:
        return None
    return f"{different}: the last bits of numbers may differ from those of a single process"


def _changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name, old in before.items():
        if now.get(name, old) != old:
            yield f"the code of {name} (SHA-256 {old[:12]}… → {now[name][:12]}…)"


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Names whose texts differ, with the former and the present one; a finished audit does not know all."""
    for name, old in before.items():
        new = now.get(name, "unknown")
        if old != new:
            yield name, old, new


def changed_rows(before: Hashes, now: Hashes, ids: Iterable[str]) -> Iterator[str]:
    """What has changed of the samples, in words.

    Args:
        before: (N,) hashes.
        now: (M,) hashes.
        ids: M ids of the samples.
    """
    if len(before) != len(now):
        yield f"the number of samples: {count(len(before))} → {count(len(now))}"
        return
    rows = np.flatnonzero(before != now)
    if len(rows):
        first = list(ids)[int(rows[0])]
        yield (
            f"path, label or attributes of {count(len(rows))} of {plural(len(now), 'sample')}, such as "
            f"{first}"
        )


_MISSING = object()


def _is_same(before: object, now: object) -> bool:
    """Whether an option is unchanged.

    Paths are stored relative to the working directory where they lie below it. So the same path may be
    ``test.csv`` before, and ``/data/test.csv`` or ``data/test.csv`` now. What the files contain is compared
    by itself.
    """
    if isinstance(before, str) and isinstance(now, str) and "" not in (before, now):
        return before == now or f"/{now}".endswith(f"/{before}") or f"/{before}".endswith(f"/{now}")
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return all(map(_is_same, before, now))
    return before == now


def _options(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """The options of a configuration by dotted name, without those that change no number."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in _WITHOUT_EFFECT:
            continue
        if isinstance(value, Mapping) and value:
            yield from _options(value, f"{name}.")
        else:
            yield name, json.loads(_text(value))


def _shown(config: Mapping[str, JsonValue], key: str) -> str:
    return json.dumps(config[key], ensure_ascii=False) if key in config else "not set"


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _arithmetic(device: torch.device) -> dict[str, str]:
    import torch

    found = {
        "device": "CPU" if device.type == "cpu" else device.type,
        "instructions of the CPU": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    return found


def _packages(versions: Mapping[str, str], own: str) -> dict[str, str]:
    known = {name: versions[name] for name in _PACKAGES if name in versions}
    return {"auditor": own} | known


def _table_hash(table: pd.DataFrame | None) -> str | None:
    if table is None:
        return None
    digest = hashlib.sha256(repr(list(table.columns)).encode("utf-8", "replace"))
    for start in range(0, len(table), _CHUNK):
        text = table.iloc[start : start + _CHUNK].to_csv(index=False, header=False)
        digest.update(text.encode("utf-8", "replace"))
    return digest.hexdigest()


def _hashes(known: pa.Table) -> Hashes:
    text = known.cast(pa.schema([(name, pa.string()) for name in known.schema.names]))
    return np.asarray(pd.util.hash_pandas_object(text.to_pandas(), index=False), dtype=np.uint64)


def _joined(parts: Iterable[Hashes]) -> Hashes:
    return np.concatenate([np.empty(0, dtype=np.uint64), *parts])
