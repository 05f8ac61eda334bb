"""Statements about the model that people make after the audit, for its documents.

``auditor render RUN --about FILE`` stores them as ``about.json`` beside the result, which stays as it
was. Documents show them instead of those of the configuration, with their date; the manifest lists the
file and when it was written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from auditor.config import AboutSection, loading
from auditor.errors import ConfigError, DataError
from auditor.manifest import ABOUT
from auditor.phrasing import date, several
from auditor.records import AuditResult, Record
from auditor.records.expectations import first_fault
from auditor.run_files import read_regular


class LaterStatements(Record):
    """Content of ``about.json``."""

    stated_at: datetime
    about: dict[str, str]
    """Keys of the section ``about``, as far as they are stated."""


def store_statements(path: Path, folder: Path, result: AuditResult) -> None:
    """Stores the statements of a YAML file in a run folder.

    Args:
        path: of the file; its keys are those of the section ``about``.
        folder: of the run.
        result: of the run.

    Raises:
        ConfigError: the file is not of that form, states nothing, or changes ``about.sensitive``, which
            the audit needed to know.
    """
    raw = loading.read_yaml(path)
    if set(raw) == {"about"} and isinstance(raw["about"], dict):
        raw = raw["about"]
    stated = loading.validate(AboutSection, raw, None, f"{path}: about.")
    if stated.sensitive and stated.sensitive != result.provenance.stated.about.sensitive:
        raise ConfigError(
            f"{path}: about.sensitive: expected no other attributes than the audit was told of, because "
            "its findings depend on them: audit again with the changed configuration"
        )
    classes = [one.name for one in result.classes]
    if stated.selected is not None and stated.selected not in classes:
        raise ConfigError(
            f"{path}: about.selected: expected one of the classes {several(classes, 8)}; got "
            f"{stated.selected!r}"
        )
    about = stated.model_dump(exclude={"sensitive"}, exclude_none=True)
    if not about:
        raise ConfigError(
            f"{path}: expected statements such as `purpose: …` or `persons: …`; there are none"
        )
    later = LaterStatements(stated_at=datetime.now(UTC), about=about)
    (folder / ABOUT).write_text(later.model_dump_json(indent=1), encoding="utf-8")


def read_statements(folder: Path) -> LaterStatements | None:
    """The later statements of a run; None if there are none.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / ABOUT
    try:
        return LaterStatements.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error.strerror
        raise DataError(
            f"{path}: expected the statements that `auditor render --about` wrote; {reason}: write them "
            "again"
        ) from error


def with_statements(result: AuditResult, later: LaterStatements | None) -> AuditResult:
    """The result with later statements in place of those of the configuration."""
    if later is None:
        return result
    config = result.provenance.config
    before = config.get("about")
    about = {**(before if isinstance(before, dict) else {}), **later.about}
    about["stated_at"] = date(later.stated_at)
    provenance = result.provenance.model_copy(update={"config": {**config, "about": about}})
    provenance.__dict__.pop("stated", None)  # the cached reading of the former configuration
    return result.model_copy(update={"provenance": provenance})
