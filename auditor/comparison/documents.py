"""Writes the documents of a comparison: JSON for programs, HTML and PDF for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.comparison.headline import STATUS, STATUS_MEANING
from auditor.comparison.records import Comparison
from auditor.comparison.view import ComparisonView, build_view
from auditor.errors import MissingDependencyError, OutputExistsError
from auditor.file_system import require_writable
from auditor.progress import Progress, Silent
from auditor.report.pdf_document import write_pdf
from auditor.report.templating import environment
from auditor.run_folder import RunFolder

JSON, HTML, PDF = "comparison.json", "comparison.html", "comparison.pdf"

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
    progress: Progress | None = None,
) -> ComparisonDocuments:
    """Writes the documents of a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.
        out: a folder that is new, empty, or holds an earlier comparison, which is replaced.
        progress: display of the progress; None shows nothing.

    Returns:
        The documents; the PDF is left out where its libraries are not installed.

    Raises:
        OutputExistsError: the folder holds something else.
        DataError: a run lacks images that its result refers to.
    """
    check_place(out)
    progress = progress or Silent()
    with progress.stage("write", 3) as advance:
        progress.doing(HTML)
        view = build_view(comparison, before, after)
        out.mkdir(parents=True, exist_ok=True)
        texts = {JSON: comparison.model_dump_json(indent=1), HTML: page(view)}
        for name, text in texts.items():
            aside = out / f"{name}.partial"
            aside.write_bytes(text.encode("utf-8", "backslashreplace"))
            aside.replace(out / name)
            advance(1)
        paths = [out / name for name in texts]
        progress.doing(PDF)
        try:
            identifier = f"{comparison.before.id} {comparison.after.id}"
            write_pdf(page(view, "comparison/pdf.html"), out / PDF, identifier)
        except MissingDependencyError as error:
            (out / PDF).unlink(
                missing_ok=True
            )  # one from an earlier comparison would be misleading
            return ComparisonDocuments(tuple(paths), error)
        advance(1)
    return ComparisonDocuments((*paths, out / PDF), None)


def check_place(out: Path) -> None:
    """Makes sure that the place can be written, and that only an earlier comparison is overwritten.

    Raises:
        OutputExistsError: the place holds something else.
        FileSystemError: it can't be created or written.
    """
    require_writable(out)
    if out.exists() and not (out / JSON).is_file() and (not out.is_dir() or any(out.iterdir())):
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
