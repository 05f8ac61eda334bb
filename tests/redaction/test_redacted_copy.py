"""A redacted copy contains no id, path, group, small value or original image, in any of its files."""

from __future__ import annotations

import base64
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pikepdf
import pyarrow.parquet as pq
import pytest
from builders.synthetic_run import Plan, build_run
from PIL import Image

from auditor.config import RedactSection
from auditor.errors import UsageError
from auditor.manifest import write_manifest
from auditor.records import (
    AuditResult,
    Contingency,
    SampleGroup,
    SampleGroups,
    SampleRef,
    Skipped,
    SliceKey,
)
from auditor.redaction.copy import write_redacted
from auditor.report import documents
from auditor.run_folder import RunFolder
from auditor.verification import verify

KEY = bytes(range(32))
FORMATS = ("html", "pdf", "markdown", "csv", "json", "sarif", "junit")
RARE = "raretoken42"
"""A value of a sensitive attribute that four samples have."""
TOKENS = (
    *("idtoken", "pathtoken", "patienttoken", "usertoken", "hosttoken", "moduletoken", "NetToken"),
    *(RARE, "secretcolumn", "freetext"),
)


@dataclass(frozen=True)
class Case:
    """A run with known tokens, and its redacted copy."""

    run: RunFolder
    copy: RunFolder
    tokens: tuple[str, ...]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("redacted")
    run, tokens = _tokenised(folder / "inside")
    documents.write(run, ["csv"])
    write_manifest(run.path)
    made = write_redacted(run, folder / "outside", RedactSection(), KEY, formats=FORMATS)
    return Case(run, made.run, tokens)


def _tokenised(folder: Path) -> tuple[RunFolder, tuple[str, ...]]:
    """A run whose ids, paths, groups and one sensitive value are unique tokens."""
    run = build_run(
        folder, Plan(samples=240, side=96, drawn=12, levels=(("mono", "poly"), ("A", "B")))
    )
    table = pd.read_parquet(run.path / "predictions.parquet")
    ids = {one: f"idtoken{k:04d}x" for k, one in enumerate(table["sample"])}
    table["path"] = [f"/home/usertoken7/wards/pathtoken{k:04d}y.png" for k in range(len(table))]
    table["data.group"] = [f"patienttoken{k % 50:03d}z" for k in range(len(table))]
    table["sample"] = table["sample"].map(ids)
    second = "line"
    rare = table.index[table["status"] == "ok"][:4]
    table.loc[rare, second] = RARE
    table["secretcolumn"] = [f"freetext{k:04d}" for k in range(len(table))]
    table.to_parquet(run.path / "predictions.parquet", index=False)
    text = (run.path / "audit.json").read_text(encoding="utf-8")
    text = re.sub(r'"(cells/\d{5}\.png)"', lambda found: f'"{ids[found[1]]}"', text)
    result = AuditResult.model_validate_json(text)
    first = next(iter(ids.values()))
    run.write_result(_with_quotes(result, first, rare=table.loc[rare, "sample"].tolist()))
    _rename_rows(run.explanations, ids)
    (run.path / "traceback.txt").write_text("File /home/usertoken7/model.py", encoding="utf-8")
    write_manifest(run.path)
    return run, TOKENS


def _rename_rows(folder: Path, ids: dict[str, str]) -> None:
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        if "sample" in table.column_names:
            rows = table.to_pylist()
            for row in rows:
                row["sample"] = ids.get(row["sample"], row["sample"])
            pq.write_table(type(table).from_pylist(rows, table.schema), path)


def _with_quotes(result: AuditResult, sample: str, rare: list[str]) -> AuditResult:
    """A result that quotes a sample, a path, a group and a small cell wherever sentences are."""
    first = result.findings[0]
    quotes = (
        f"Images such as {sample} and pathtoken0003y.png, and all of patienttoken004z, differ. Of 4 samples "
        f"with line = {RARE}, 3 fail."
    )
    copies = SampleGroups(
        title="Copies",
        groups=(
            SampleGroup(
                members=(
                    SampleRef(sample=sample, label="functional"),
                    SampleRef(sample="pathtoken_of_training.png", label=None, source="reference"),
                ),
                note=f"{sample} is mirrored",
            ),
        ),
    )
    counts = Contingency(
        source="audited",
        attribute="line",
        labels=("functional",),
        values=("A", RARE),
        counts=((90, 4),),
    )
    small = first.model_copy(
        update={
            "id": "F9",
            "title": f"75 % of samples with line = {RARE} are misclassified",
            "slice": SliceKey(attributes={"line": RARE}),
            "support": 4,
            "samples": rare,
            "supporting": [],
            "evidence": [],
            "statement": [f"Of 4 samples with line = {RARE}, 75 % are misclassified."],
        }
    )
    quoting = first.model_copy(
        update={
            "statement": [*first.statement, quotes],
            "action": f"Look at {sample}.",
            "evidence": [*first.evidence, copies, counts],
        }
    )
    slices = [
        *result.slices,
        result.slices[0].model_copy(
            update={"attributes": {"line": RARE}, "label": None, "support": 4, "n_failures": 3}
        ),
    ]
    reasons = [
        *result.outcome.reasons,
        result.outcome.reasons[0].model_copy(update={"text": small.title, "reference": "F9"}),
    ]
    provenance = result.provenance
    config = provenance.config | {
        "about": {"sensitive": ["line"], "selected": "functional", "purpose": f"Not for {sample}."},
        "model": {
            "adapter": "python",
            "factory": "moduletoken:build",
            "checkpoint": "/home/usertoken7/weights.pt",
        },
        "data": {"adapter": "folder", "path": "/home/usertoken7/wards"},
        "report": {"formats": ["html"], "templates": "/home/usertoken7/templates"},
        "population": {"line": {"A": 0.6, RARE: 0.01}},
    }
    return result.model_copy(
        update={
            "findings": [quoting, *result.findings[1:], small],
            "slices": slices,
            "outcome": result.outcome.model_copy(update={"reasons": reasons}),
            "skipped": [
                *result.skipped,
                Skipped(
                    check="data",
                    reason="1 row matches no image, such as a/pathtoken9.png; left out",
                ),
                Skipped(
                    check="x",
                    reason="could not be done: KeyError: 'patienttoken999z' (moduletoken.py)",
                ),
                Skipped(check="y", reason="could not be done: moduletoken:build raised ValueError"),
                Skipped(check="slices", reason=f"line = {RARE} has 4 samples"),
            ],
            "unusable": [
                one.model_copy(update={"path": "/home/usertoken7/pathtoken1.png"})
                for one in result.unusable
            ],
            "provenance": provenance.model_copy(
                update={
                    "config": config,
                    "environment": {
                        **provenance.environment,
                        "platform": "Linux-6.1-hosttoken-x86",
                    },
                    "model": provenance.model.model_copy(
                        update={
                            "description": "NetToken of moduletoken:build, weights from pathtoken.pt"
                        }
                    ),
                }
            ),
        }
    )


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All bytes of a run, those in compressed files and base64 too, and the names of its files."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        yield name, name.encode()
        data = path.read_bytes()
        yield name, data
        for coded in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
            yield f"{name} (base64)", base64.b64decode(coded)
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            yield f"{name} (schema)", f"{table.schema} {table.schema.metadata}".encode()
            for column in table.columns:
                for cell in column.to_pylist():
                    yield name, cell if isinstance(cell, bytes) else str(cell).encode()
        if path.suffix == ".pdf":
            yield from _pdf(path, name)


def _pdf(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with pikepdf.open(path) as document:
        yield f"{name} (information)", str(dict(document.docinfo.items())).encode()
        for entry in document.objects:
            if isinstance(entry, pikepdf.Stream):
                try:
                    yield f"{name} (stream)", entry.read_bytes()
                except pikepdf.PdfError:  # an image, whose filter is not undone
                    yield f"{name} (stream)", entry.read_raw_bytes()
            yield f"{name} (object)", repr(entry).encode()
    text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout
    yield f"{name} (text)", text


def test_original_run_contains_every_token(case: Case) -> None:
    """Otherwise the search below would prove nothing."""
    everything = b"\n".join(data for _, data in _contents(case.run.path))
    assert [one for one in case.tokens if one.encode() not in everything] == []


def test_redacted_copy_contains_no_token_in_any_byte(case: Case) -> None:
    found = {
        (name, token)
        for name, data in _contents(case.copy.path)
        for token in case.tokens
        if token.encode() in data
    }
    assert found == set()


def test_redacted_copy_contains_no_original_image(case: Case) -> None:
    originals = set(_images(case.run.path))
    assert originals
    assert originals.isdisjoint(_images(case.copy.path))


def _images(folder: Path) -> Iterator[bytes]:
    for path in sorted((folder / "explanations").glob("*.parquet")):
        for column in ("image", "overlay", "guided", "edges"):
            if column in pq.read_schema(path).names:
                yield from (
                    one for one in pq.read_table(path, columns=[column])[column].to_pylist() if one
                )


def _fine_energy(jpeg: bytes) -> float:
    """Share of the variance above 1/8 of the highest frequency, by the Fourier transform."""
    with Image.open(io.BytesIO(jpeg)) as image:
        grey = np.asarray(image.convert("L"), dtype=np.float64)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    rows, columns = (np.fft.fftfreq(n)[:, None] for n in grey.shape)
    fine = np.hypot(rows, columns.T) > 0.5 / 4
    return float(power[fine].sum())


def test_blurred_images_keep_under_two_percent_of_the_fine_detail(case: Case) -> None:
    for name in ("images-failure-00000.parquet", "images-contrast-00000.parquet"):
        before, after = (
            pq.read_table(one.explanations / name, columns=["image"])["image"].to_pylist()
            for one in (case.run, case.copy)
        )
        for sharp, blurred in zip(before, after, strict=True):
            assert _fine_energy(blurred) < 0.02 * _fine_energy(sharp)


def test_verify_redacted_copy_is_intact(case: Case) -> None:
    assert verify(case.copy.path).ok


def test_redacted_copy_keeps_outcome_counts_and_names_its_original(case: Case) -> None:
    inside, outside = case.run.read_result(), case.copy.read_result()
    assert outside.outcome.state == inside.outcome.state
    assert [one.severity for one in outside.findings] == [one.severity for one in inside.findings]
    assert outside.summary.n_failures == inside.summary.n_failures
    assert outside.redaction is not None
    assert outside.redaction.of_seal == verify(case.run.path).full_seal


def test_render_redacted_copy_again_stays_redacted(case: Case) -> None:
    before = (case.copy.path / "report.json").read_bytes()
    documents.write(case.copy, ["json", "html"])
    assert (case.copy.path / "report.json").read_bytes() == before
    html = (case.copy.path / "report.html").read_text(encoding="utf-8")
    assert not [one for one in case.tokens if one in html]


def test_redacted_copy_of_a_redacted_copy_is_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a redacted copy already"):
        write_redacted(case.copy, tmp_path / "again", RedactSection(), KEY, formats=["json"])


def test_dropped_images_are_grey(case: Case, tmp_path: Path) -> None:
    made = write_redacted(
        case.run, tmp_path / "grey", RedactSection(images="drop"), KEY, formats=["json"]
    )
    table = pq.read_table(made.run.explanations / "images-failure-00000.parquet")
    with Image.open(io.BytesIO(table["image"][0].as_py())) as image:
        assert image.convert("RGB").getextrema() == ((128, 128),) * 3
