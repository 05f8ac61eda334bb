"""Writes the documents of a finished run with the renderers that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from auditor import registry
from auditor.config import loading
from auditor.errors import ConfigError, MissingDependencyError
from auditor.garbage_collection import paused_collection
from auditor.records import AuditResult
from auditor.report import NamesOfData, NotingRenderer, Renderer
from auditor.report.view.report_view import build_view
from auditor.run_files import remove_empty_parents
from auditor.run_folder import RunFolder


@dataclass(frozen=True)
class _ReadRun(RunFolder):
    """A run whose ``audit.json`` was read: parsing and checking it takes seconds for many failures."""

    result: AuditResult = field(kw_only=True)

    def read_result(self) -> AuditResult:
        return self.result


@dataclass(frozen=True)
class RenderedDocuments:
    """The documents of a run.

    Attributes:
        paths: the documents that were written.
        missing: one error for each document whose libraries are not installed.
        notes: what users should know about the documents, such as missing fonts.
    """

    paths: tuple[Path, ...]
    missing: tuple[MissingDependencyError, ...]
    notes: tuple[str, ...] = ()


def write(
    store: RunFolder, formats: Sequence[str], templates: Path | None = None
) -> RenderedDocuments:
    """Renders a run.

    A document whose library is missing does not keep the others from being written.

    Args:
        store: a run folder with its ``audit.json``.
        formats: names of renderer plug-ins.
        templates: folder of the caller's own templates. That of the run's configuration is never used:
            templates are code, and a run folder may come from a stranger.

    Raises:
        ConfigError: there is no renderer of that name, or no such folder.
    """
    with paused_collection():
        return _write(store, formats, templates)


def _write(store: RunFolder, formats: Sequence[str], templates: Path | None) -> RenderedDocuments:
    run = _ReadRun(store.path, store.final, result=store.read_result())
    stated = run.result.provenance.stated.report.options
    renderers = [_renderer(name, stated.get(name, {})) for name in formats]
    views = {
        names_of_data: replace(build_view(run, names_of_data=names_of_data), templates=templates)
        for names_of_data in {isinstance(one, NamesOfData) for one in renderers}
    }
    paths: list[Path] = []
    missing: list[MissingDependencyError] = []
    notes: list[str] = []
    for renderer in renderers:
        view, note = views[isinstance(renderer, NamesOfData)], ""
        try:
            if isinstance(renderer, NotingRenderer):
                path, note = renderer.render_noting(view, store.path)
            else:
                path = renderer.render(view, store.path)
            paths.append(path)
            notes += [f"{path.name}: {note}"] if note else []
        except MissingDependencyError as error:
            missing.append(error)
    return RenderedDocuments(tuple(paths), tuple(missing), tuple(notes))


def remove(folder: Path) -> None:
    """Removes the documents that an interrupted audit has written, of which others may be asked for now."""
    for renderer in registry.all_of("renderer").values():
        for pattern in getattr(renderer, "files", ()):
            for path in folder.glob(pattern):
                path.unlink()
                remove_empty_parents(path, folder)


def configured(store: RunFolder) -> list[str]:
    """The formats that the run's own configuration asks for.

    Raises:
        ConfigError: it asks for none.
    """
    formats = store.read_result().provenance.stated.report.formats
    if not formats:
        raise ConfigError(
            f"{store.path}: expected formats in the run's configuration (report.formats); it has none: "
            "name them, such as `--format html,pdf`"
        )
    return list(formats)


def _renderer(name: str, stated: Mapping[str, Any]) -> Renderer:
    options = loading.validate(
        registry.get("renderer", name), stated, None, f"provenance.config.report.options.{name}."
    )
    if not isinstance(options, Renderer):
        raise ConfigError(
            f"renderer {name!r}: expected a plug-in with `render(view, folder)`; "
            f"{type(options).__qualname__} has none"
        )
    return options
