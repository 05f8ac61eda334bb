"""Run folders and images from strangers: nothing in them is executed."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.small_runs import predictions, small_run
from PIL import Image
from typer.testing import CliRunner, Result

from auditor import cli
from auditor.errors import UnreadableImageError
from auditor.imaging import open_image
from auditor.imaging.raster_formats import raster_formats
from auditor.manifest import write_manifest
from auditor.report.templating import environment
from auditor.run_folder import RunFolder

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called like Ghostscript that leaves a file when it is started."""
    started, folder = tmp_path / "started", tmp_path / "bin"
    folder.mkdir()
    for name in ("gs", "gswin64c"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return started


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


def _hostile_run(folder: Path) -> RunFolder:
    """A run whose result names a folder of templates inside of it, with code in the template."""
    run = small_run(folder / "run", predictions(60, range(4)))
    (run.path / "t" / "html").mkdir(parents=True)
    (run.path / "t" / "html" / "report.html").write_text(
        "{{ cycler.__init__.__globals__.os.system('touch " + str(folder / "owned") + "') }}"
    )
    path = run.path / "audit.json"
    result = json.loads(path.read_text())
    result["provenance"]["config"].setdefault("report", {})["templates"] = str(run.path / "t")
    path.write_text(json.dumps(result))
    write_manifest(run.path)
    return run


def test_render_ignores_the_templates_that_a_result_names(tmp_path: Path) -> None:
    run = _hostile_run(tmp_path)
    done = _invoke("render", run.path, "--format", "html")
    assert done.exit_code == 0, done.output
    assert "Grad-CAM" in (run.path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "owned").exists()


def test_templates_of_the_caller_run_in_a_sandbox(tmp_path: Path) -> None:
    run = _hostile_run(tmp_path)
    done = _invoke("render", run.path, "--format", "html", "--templates", run.path / "t")
    assert done.exit_code != 0
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "expression",
    [
        "cycler.__init__.__globals__",
        "''.__class__.__mro__",
        "joiner.__init__.__globals__.os.popen('id').read()",
        "[].append(1)",
    ],
)
def test_expression_that_leaves_the_template_is_refused(expression: str) -> None:
    with pytest.raises((jinja2.exceptions.SecurityError, jinja2.UndefinedError)):
        environment().from_string("{{ " + expression + " }}").render()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("report.compliance=[no-such-rule]", "report.compliance: expected names out of"),
        ("report.templates=nowhere", "report.templates: expected a folder of templates"),
        ("report.templates=broken", "html/report.html, line 2: Expected an expression"),
    ],
)
def test_settings_of_the_report_are_tried_before_anything_is_computed(
    setting: str, message: str, tmp_path: Path, planted_inputs: Path
) -> None:
    (tmp_path / "broken" / "html").mkdir(parents=True)
    (tmp_path / "broken" / "html" / "report.html").write_text("\n{% if %}")
    setting = setting.replace("=nowhere", f"={tmp_path / 'nowhere'}")
    setting = setting.replace("=broken", f"={tmp_path / 'broken'}")
    for command in (("check",), ("run", "--out", tmp_path / "out")):
        done = _invoke(command[0], planted_inputs, "--set", setting, *command[1:])
        assert done.exit_code == 2
        assert message in " ".join(done.stderr.split())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["broken"]


@pytest.mark.parametrize("name", ["x.png", "x.eps", "x.jpg"])
def test_image_that_is_a_program_is_not_started(
    name: str, tmp_path: Path, ghostscript: Path
) -> None:
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(UnreadableImageError, match="not-an-image"):
        open_image(tmp_path / name)
    assert not ghostscript.exists()


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_stored_image_that_is_a_program_is_not_started(
    kind: str, tmp_path: Path, ghostscript: Path
) -> None:
    run = small_run(tmp_path / "run", predictions(60, range(4)))
    for path in (run.path / "explanations").glob("*.parquet"):
        table = pq.read_table(path)
        for name in {"image", "overlay", "guided", "gradient"} & set(table.column_names):
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array([EPS] * len(table)))
        pq.write_table(table, path)
    write_manifest(run.path)
    done = _invoke("render", run.path, "--format", kind)
    assert done.exit_code == 2
    assert "expected a JPEG" in " ".join(done.stderr.split())
    assert not ghostscript.exists()


def test_formats_that_are_programs_or_drawings_are_not_decoded() -> None:
    known = set(raster_formats())
    assert {"JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"} <= known
    assert not {"EPS", "WMF", "HDF5", "GRIB", "BUFR", "ICNS", "FITS"} & known
    assert known <= set(Image.OPEN)
