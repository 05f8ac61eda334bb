"""Writes the documents of a comparison: JSON for programs; HTML, PDF and Markdown for people."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.comparison.headline import STATUS, STATUS_MEANING
from auditor.comparison.records import Comparison
from auditor.comparison.view import ComparisonView, build_view
from auditor.errors import ConfigError, MissingDependencyError, OutputExistsError
from auditor.file_system import require_writable
from auditor.progress import Progress, Silent
from auditor.report.markdown_text import markdown_environment, tidy
from auditor.report.pdf_document import font_files, write_pdf
from auditor.report.templating import environment
from auditor.run_folder import RunFolder

FILES: Mapping[str, str] = {
    "json": "comparison.json",
    "html": "comparison.html",
    "markdown": "comparison.md",
    "pdf": "comparison.pdf",
}
"""The file of each format, which is called as in ``auditor render``."""
DEFAULT = ("json", "html", "pdf")
"""The formats that are written unless others are asked for."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class ComparisonDocuments:
    """The documents of a comparison.

    Attributes:
        paths: the documents that were written.
        missing: why the PDF could not be written; None where it was.
    """

    paths: tuple[Path, ...]
    missing: MissingDependencyError | None


def write(
    comparison: Comparison,
    before: RunFolder,
    after: RunFolder,
    out: Path,
    formats: Sequence[str] = DEFAULT,
    progress: Progress | None = None,
) -> ComparisonDocuments:
    """Writes the documents of a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.
        out: a folder that is new, empty, or holds an earlier comparison, which is replaced.
        formats: among `FILES`.
        progress: display of the progress; None shows nothing.

    Returns:
        The documents; the PDF is left out where its libraries are not installed.

    Raises:
        OutputExistsError: the folder holds something else.
        DataError: a run lacks images that its result refers to.
    """
    check_place(out)
    progress = progress or Silent()
    view = build_view(comparison, before, after)
    identifier = f"{comparison.before.id} {comparison.after.id}"
    texts: dict[str, Callable[[], str]] = {
        "json": lambda: comparison.model_dump_json(indent=1),
        "html": lambda: page(view),
        "markdown": lambda: markdown(view),
    }
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    missing = None
    with progress.stage("write", len(formats)) as advance:
        for name in sorted(formats, key=list(FILES).index):
            progress.doing(FILES[name])
            aside = out / f"{FILES[name]}.partial"
            try:
                if name == "pdf":
                    write_pdf(page(view, "comparison/pdf.html"), aside, identifier, font_files())
                else:
                    aside.write_bytes(texts[name]().encode("utf-8", "backslashreplace"))
            except MissingDependencyError as error:
                missing = error
            else:
                aside.replace(out / FILES[name])
                paths.append(out / FILES[name])
            advance(1)
    for name in FILES.values():  # those of an earlier comparison would be misleading
        if out / name not in paths:
            (out / name).unlink(missing_ok=True)
    return ComparisonDocuments(tuple(paths), missing)


def checked_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Formats of a comparison; the default ones where none is given.

    Raises:
        ConfigError: there is no such format.
    """
    for name in names:
        if name not in FILES:
            near = difflib.get_close_matches(name, FILES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"--format: expected some of {', '.join(sorted(FILES))}; got {name!r}{hint}"
            )
    return tuple(names) or DEFAULT


def check_place(out: Path) -> None:
    """Makes sure that the place can be written, and that only an earlier comparison is overwritten.

    Raises:
        OutputExistsError: the place holds something else.
        FileSystemError: it can't be created or written.
    """
    require_writable(out)
    earlier = any((out / name).is_file() for name in FILES.values())
    if out.exists() and not earlier and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(
            f"{out}: expected a new folder or an earlier comparison; it holds something else, and was "
            "not changed: choose another folder with --out"
        )


def page(view: ComparisonView, template: str = "comparison/page.html") -> str:
    """The comparison as one page that opens from disk and makes no request to any server.

    Args:
        view: everything that is shown.
        template: for the screen, or ``comparison/pdf.html`` for the PDF.
    """
    return (
        environment()
        .get_template(template)
        .render(
            view=view,
            policy=_POLICY,
            status=STATUS,
            status_meaning=STATUS_MEANING,
        )
    )


def markdown(view: ComparisonView) -> str:
    """The comparison as Markdown, for a pull request or a wiki: what changed, without images.

    Args:
        view: everything that is shown.
    """
    template = markdown_environment().get_template("comparison/comparison.md")
    return tidy(template.render(view=view, status=STATUS))
