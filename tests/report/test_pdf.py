from __future__ import annotations

import builtins
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from builders.crowded_view import crowded_view
from builders.pdf_pages import FilledPage, chapter_pages, filled_pages
from builders.synthetic_run import Plan, build_run
from PIL import Image

from auditor.errors import MissingDependencyError
from auditor.report.pdf_document import fetcher as make_fetcher
from auditor.report.pdf_document import write_pdf
from auditor.report.renderers.pdf import PdfReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

pikepdf = pytest.importorskip("pikepdf")


def _elements(node: Any) -> Iterator[Any]:
    """The structure elements of a tagged PDF, in reading order."""
    kids = node.get("/K", [])
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from _elements(kid)


@pytest.fixture(scope="module")
def printed(run_folder: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document of a usual run, with all defaults; other tests overwrite the one in the run."""
    path = PdfReport().render(build_view(run_folder), run_folder.path)
    return Path(shutil.copy(path, tmp_path_factory.mktemp("printed")))


def test_document_is_tagged_for_screen_readers(run_folder: RunFolder, printed: Path) -> None:
    view = build_view(run_folder)
    with pikepdf.open(printed) as document:
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
    assert printed.stat().st_size < 5_000_000


def _main_part(path: Path) -> int:
    """Pages before the first appendix."""
    with pikepdf.open(path) as document:
        pages = chapter_pages(document)
    return min(page for title, page in pages.items() if title.startswith("Appendix"))


def _short_pages(path: Path) -> list[FilledPage]:
    """Pages under a third full on which no chapter ends."""
    return [one for one in filled_pages(path) if one.share < 1 / 3 and not one.ends_chapter]


@pytest.mark.slow
def test_main_part_has_at_most_12_pages_for_any_audit(
    run_folder: RunFolder, hostile_run: RunFolder
) -> None:
    hostile = PdfReport(failures=0).render(build_view(hostile_run), hostile_run.path)
    assert _main_part(hostile) <= 12
    assert _short_pages(hostile) == []
    crowded = crowded_view(build_view(run_folder))
    path = PdfReport(failures=0).render(crowded, run_folder.path)
    assert _main_part(path) <= 12
    assert _short_pages(path) == []


def test_pages_are_a_third_full_except_at_the_end_of_a_chapter(printed: Path) -> None:
    assert len(filled_pages(printed)) > 20
    assert _short_pages(printed) == []


def test_pages_of_a_run_with_many_slices_are_a_third_full(tmp_path: Path) -> None:
    levels = tuple(f"site {k}" for k in range(20)), tuple(f"camera {k}" for k in range(8))
    plan = Plan(samples=500, side=32, attributes=("site", "camera"), levels=levels, drawn=20)
    run = build_run(tmp_path / "run", plan)
    assert _short_pages(PdfReport(failures=4).render(build_view(run), run.path)) == []


def test_share_of_a_page_is_measured_to_its_lowest_text_or_image(tmp_path: Path) -> None:
    # The page body of A4 is 297 - 24 - 22 = 251 mm high: half of it is 125.5 mm.
    style = "@page { size: A4; margin: 24mm 20mm 22mm; @bottom-left { content: 'running foot' } }"
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs="
    page = f"""<html lang="en"><title>t</title><style>{style} body {{ margin: 0; font-size: 10pt }}
        h2 {{ break-before: page; margin: 0 }} img {{ display: block; width: 50mm }}</style>
        <h2>One</h2><h2>Two</h2><p style="margin: 118.5mm 0 0">low</p>
        <h2 style="height: 100mm">Three</h2><img alt="grey" style="height: 88.25mm" src="{pixel}">"""
    write_pdf(page, tmp_path / "pages.pdf", "pages")
    one, two, three = filled_pages(tmp_path / "pages.pdf")
    assert one.share < 0.05
    assert two.share == pytest.approx(0.5, abs=0.03)
    assert three.share == pytest.approx(0.75, abs=0.01)
    assert all(page.ends_chapter for page in (one, two, three))


def test_fonts_are_embedded_and_the_first_comes_with_the_package(printed: Path) -> None:
    with pikepdf.open(printed) as document:
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


def test_fields_of_the_sign_off_are_named_and_tagged(printed: Path) -> None:
    with pikepdf.open(printed) as document:
        widgets = {
            str(one.T): one
            for page in document.pages
            for one in page.get("/Annots", [])
            if one.Subtype == "/Widget"
        }
        assert len(widgets) == len(document.Root.AcroForm.Fields)
        assert all(str(one.TU).strip() for one in widgets.values())
        kinds = {name: str(one.FT) for name, one in widgets.items()}
        tooltip = str(widgets["date-approver"].TU)
        # Every field belongs to an element of the structure tree, and that element to the field.
        parents = dict(zip(*[iter(document.Root.StructTreeRoot.ParentTree.Nums)] * 2, strict=True))
        for one in widgets.values():
            element = parents[one.StructParent]
            assert element.S == "/Form"
            assert element.K[0].Obj.objgen == one.objgen
        assert {page.Tabs for page in document.pages if "/Annots" in page} == {"/S"}
        with document.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
    signatures = {name for name, kind in kinds.items() if kind == "/Sig"}
    assert signatures == {"signature-reviewer", "signature-owner", "signature-approver"}
    assert tooltip == "Approved by: date"
    assert {"seal", "conditions", "decision-1", "owner-1", "date-1", "name-reviewer"} <= set(kinds)


# WeasyPrint 70 leaves the file of its colour profile to the collector.
@pytest.mark.filterwarnings("ignore:.*sRGB2014:pytest.PytestUnraisableExceptionWarning")
def test_archive_copy_has_the_result_attached(run_folder: RunFolder) -> None:
    path = PdfReport(failures=1, attach=True).render(build_view(run_folder), run_folder.path)
    with pikepdf.open(path) as document:
        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
        assert "/AcroForm" not in document.Root
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


def test_bytes_are_those_that_weasyprint_writes(tmp_path: Path) -> None:
    weasyprint = pytest.importorskip("weasyprint")
    page = "<html lang=en><title>Title</title><h1>Größe</h1><p>text " + "word " * 400
    write_pdf(page, tmp_path / "ours.pdf", "id")
    weasyprint.HTML(string=page).write_pdf(
        tmp_path / "theirs.pdf", pdf_variant="pdf/ua-1", pdf_identifier=b"id"
    )
    assert (tmp_path / "ours.pdf").read_bytes() == (tmp_path / "theirs.pdf").read_bytes()
