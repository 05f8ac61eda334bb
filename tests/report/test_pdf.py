from __future__ import annotations

import builtins
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from auditor.errors import MissingDependencyError
from auditor.report.pdf_document import fetcher as make_fetcher
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


def test_document_is_tagged_for_screen_readers(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    path = PdfReport(failures=6).render(view, run_folder.path)
    with pikepdf.open(path) as document:
        assert str(document.Root.Lang) == "en"
        assert bool(document.Root.MarkInfo.Marked)
        assert bool(document.Root.ViewerPreferences.DisplayDocTitle)
        assert str(document.docinfo["/Title"]) == "Audit of solar-cells: Does not pass the gate"
        with document.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
        with document.open_outline() as outline:
            marks = [item.title for item in outline.root]
        assert marks[0] == "Contents"
        assert marks[-1] == "Sign-off"
        elements = list(_elements(document.Root.StructTreeRoot))
        figures = [str(one.get("/Alt", "")) for one in elements if one.S == "/Figure"]
    assert all(figures)
    cams = [one for one in figures if one.startswith("Grad-CAM for")]
    shown = [card for finding in view.findings for card in finding.cards[:4]]
    assert len(cams) >= 2 * (6 + len(shown))
    assert path.stat().st_size < 5_000_000


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
