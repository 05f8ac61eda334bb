from __future__ import annotations

import builtins
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from auditor.errors import MissingDependencyError
from auditor.records import OutcomeReason
from auditor.report.pdf_document import fetcher as make_fetcher
from auditor.report.renderers.pdf import PdfReport
from auditor.report.view.report_view import ReportView, build_view
from auditor.report.view.untested import UntestedRow
from auditor.run_folder import RunFolder

pikepdf = pytest.importorskip("pikepdf")


def _elements(node: Any) -> Iterator[Any]:
    """The structure elements of a tagged PDF, in reading order."""
    kids = node.get("/K", [])
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from _elements(kid)


def test_document_is_tagged_for_screen_readers(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    path = PdfReport(failures=6).render(view, run_folder.path)
    with pikepdf.open(path) as document:
        assert str(document.Root.Lang) == "en"
        assert bool(document.Root.MarkInfo.Marked)
        assert bool(document.Root.ViewerPreferences.DisplayDocTitle)
        assert str(document.docinfo["/Title"]) == "Audit of solar-cells: Does not pass"
        with document.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
        with document.open_outline() as outline:
            marks = [item.title for item in outline.root]
        assert marks[:2] == ["What the verdict rests on", "Findings in brief"]
        assert marks[-1] == "Appendix: glossary"
        elements = list(_elements(document.Root.StructTreeRoot))
        figures = [str(one.get("/Alt", "")) for one in elements if one.S == "/Figure"]
    assert all(figures)
    cams = [one for one in figures if one.startswith("Grad-CAM for")]
    assert len(cams) >= 2 * 6 + len(view.findings)
    assert path.stat().st_size < 5_000_000


def _main_part(path: Path) -> int:
    """Pages before the first appendix."""
    with pikepdf.open(path) as document, document.open_outline() as outline:
        numbers = {page.obj.objgen: number for number, page in enumerate(document.pages)}
        return min(
            numbers[(one.destination or one.action.D)[0].objgen]
            for one in outline.root
            if one.title.startswith("Appendix")
        )


LONG = "שלום 世界 " + "very long " * 30


def _crowded(view: ReportView) -> ReportView:
    """A view with more of everything than a page holds, and long names."""
    finding, criterion, row = view.findings[0], view.criteria[0], view.slices[0]
    record = finding.record.model_copy(update={"title": LONG, "action": LONG})
    attributes = {LONG: LONG}
    # Details do not belong to the main part; without them the test is quick.
    short = replace(
        finding, cards=finding.cards[:1], contrasts=(), means=(), units=(), interventions=()
    )
    return replace(
        view,
        name=LONG,
        findings=tuple(
            replace(short, number=k, anchor=f"finding-{k}", record=record) for k in range(1, 16)
        ),
        criteria=tuple(
            criterion.model_copy(
                update={
                    "name": f"{k} {LONG}",
                    "criterion": None,
                    "statement": 3 * LONG,
                    "why": LONG,
                }
            )
            for k in range(60)
        ),
        slices=tuple(
            row.model_copy(update={"id": f"s{k}", "attributes": attributes}) for k in range(40)
        ),
        untested_rows=tuple(UntestedRow(LONG, "5", "any") for _ in range(40)),
        skipped=tuple((f"check-{k}", 3 * LONG) for k in range(60)),
        verdict=replace(
            view.verdict,
            reasons=tuple(
                OutcomeReason(kind="criterion", state="fails", text=3 * LONG) for _ in range(60)
            ),
        ),
    )


@pytest.mark.slow
def test_main_part_has_at_most_12_pages_for_any_audit(
    run_folder: RunFolder, hostile_run: RunFolder
) -> None:
    hostile = build_view(hostile_run)
    assert _main_part(PdfReport(failures=0).render(hostile, hostile_run.path)) <= 12
    crowded = _crowded(build_view(run_folder))
    assert _main_part(PdfReport(failures=0).render(crowded, run_folder.path)) <= 12


def test_fonts_are_embedded_and_the_first_comes_with_the_package(run_folder: RunFolder) -> None:
    path = PdfReport(failures=1).render(build_view(run_folder), run_folder.path)
    with pikepdf.open(path) as document:
        fonts = {
            str(font.BaseFont): font
            for page in document.pages
            for font in page.Resources.get("/Font", {}).values()
        }
        embedded = {
            name: any(key.startswith("/FontFile") for key in kid.FontDescriptor)
            for name, font in fonts.items()
            for kid in font.get("/DescendantFonts", [font])
        }
    assert embedded
    assert all(embedded.values())
    assert any("Report-Sans" in name for name in embedded)


# WeasyPrint 70 leaves the file of its colour profile to the collector.
@pytest.mark.filterwarnings("ignore:.*sRGB2014:pytest.PytestUnraisableExceptionWarning")
def test_archive_copy_has_the_result_attached(run_folder: RunFolder) -> None:
    path = PdfReport(failures=1, attach=True).render(build_view(run_folder), run_folder.path)
    with pikepdf.open(path) as document:
        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
        attached = {name: one.get_file().read_bytes() for name, one in document.attachments.items()}
    names = sorted(attached)
    assert names == ["audit.json", "manifest.json"]
    assert attached["audit.json"] == (run_folder.path / "audit.json").read_bytes()


def test_nothing_outside_of_the_run_is_fetched() -> None:
    weasyprint = pytest.importorskip("weasyprint")
    fetcher = make_fetcher(weasyprint, {"run:one": (b"jpeg", "image/jpeg")})
    assert fetcher.fetch("run:one").read() == b"jpeg"
    for url in ("file:///etc/passwd", "http://localhost/", "run:other"):
        with pytest.raises(ValueError, match="disallowed protocol"):
            fetcher.fetch(url)


def test_hostile_names_are_rendered(hostile_run: RunFolder) -> None:
    path = PdfReport(failures=2).render(build_view(hostile_run), hostile_run.path)
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    "error", [OSError("cannot load library 'libpango-1.0-0'"), ImportError("no weasyprint")]
)
def test_missing_library_is_one_message_that_tells_how_to_install_it(
    run_folder: RunFolder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "weasyprint":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match="apt install libpango") as raised:
        PdfReport().render(build_view(run_folder), run_folder.path)
    assert "brew install pango" in str(raised.value)


def test_truncated_image_is_refused_after_weasyprint_was_imported(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(stream, "PNG")
    (tmp_path / "cut.png").write_bytes(stream.getvalue()[:100])
    # In a process of its own: here, WeasyPrint may have been imported before.
    code = (
        "import sys; from pathlib import Path; "
        "from auditor.report.pdf_document import require_weasyprint; require_weasyprint();"
        "from auditor.imaging import open_image; open_image(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cut.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UnreadableImageError: truncated" in done.stderr
