"""``auditor render RUN --redact``."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.synthetic_run import Plan, build_run
from typer.testing import CliRunner

from auditor.cli import app
from auditor.manifest import MANIFEST
from auditor.run_folder import RunFolder
from auditor.verification import verify
from benchmarks.kill import write_inputs


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return build_run(tmp_path / "run", Plan(samples=60, side=16, drawn=2))


def _call(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(one) for one in arguments])
    return found.exit_code, " ".join(found.output.split())


def test_render_redact_writes_a_copy_and_a_key_beside_the_run(run: RunFolder) -> None:
    before = (run.path / MANIFEST).read_bytes()
    code, output = _call("render", run.path, "--redact", "blur", "--format", "json")
    place = run.path.with_name("run-redacted")
    assert code == 0
    assert f"{place}.key (keep it, and do not send it with the copy)" in output.replace("\n", "")
    assert verify(place).ok
    assert (run.path / MANIFEST).read_bytes() == before
    assert not list(place.rglob("*.key"))


def test_render_redact_with_the_same_key_gives_the_same_pseudonyms(
    run: RunFolder, tmp_path: Path
) -> None:
    key, common = tmp_path / "own.key", ("render", run.path, "--redact", "drop", "--format", "json")
    for name in ("one", "two"):
        assert _call(*common, "--out", tmp_path / name, "--key", key)[0] == 0
    one, two = (RunFolder.open(tmp_path / name).read_result() for name in ("one", "two"))
    assert one.explanations.failures == two.explanations.failures
    other = _call(*common, "--out", tmp_path / "three")
    assert other[0] == 0
    three = RunFolder.open(tmp_path / "three").read_result()
    assert three.explanations.failures != one.explanations.failures


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "run/copy"), "--out: expected a folder outside of the run"),
        (("--key", "run/copy.key"), "--key: expected a file outside of the run"),
        (("--key", "run-redacted/copy.key"), "--key: expected a file outside of the copy"),
    ],
)
def test_render_redact_place_inside_of_run_or_copy_is_refused(
    options: tuple[str, str], message: str, run: RunFolder
) -> None:
    name, place = options
    before = sorted(run.path.parent.rglob("*"))
    code, output = _call("render", run.path, "--redact", "drop", name, run.path.parent / place)
    assert code == 2
    assert message in output
    assert sorted(run.path.parent.rglob("*")) == before


def test_render_redact_of_a_copy_is_refused_and_leaves_no_key(run: RunFolder) -> None:
    assert _call("render", run.path, "--redact", "drop", "--format", "json")[0] == 0
    before = sorted(run.path.parent.rglob("*"))
    code, output = _call("render", run.path.with_name("run-redacted"), "--redact", "drop")
    assert code == 2
    assert "it is a redacted copy already" in output
    assert sorted(run.path.parent.rglob("*")) == before


def test_render_redact_existing_copy_needs_overwrite(run: RunFolder) -> None:
    common = ("render", run.path, "--redact", "blur", "--format", "json")
    assert _call(*common)[0] == 0
    code, output = _call(*common)
    assert code == 2
    assert "--overwrite" in output
    assert _call(*common, "--overwrite")[0] == 0


def test_render_options_of_the_copy_without_redact_are_refused(
    run: RunFolder, tmp_path: Path
) -> None:
    code, output = _call("render", run.path, "--out", tmp_path / "x")
    assert code == 2
    assert "expected --redact beside them" in output


def test_render_redact_with_statements_is_refused(run: RunFolder, tmp_path: Path) -> None:
    code, output = _call("render", run.path, "--redact", "blur", "--about", tmp_path / "about.yaml")
    assert code == 2
    assert "expected neither --about nor --previous beside it" in output


def test_compare_of_a_run_with_a_copy_says_why_no_ids_are_shared(run: RunFolder) -> None:
    assert _call("render", run.path, "--redact", "drop", "--format", "json")[0] == 0
    code, output = _call("compare", run.path, run.path.with_name("run-redacted"))
    assert code == 2
    assert "because a redacted copy has pseudonyms: compare two runs, or two copies" in output


def test_run_with_redact_writes_a_copy_beside_the_run(tmp_path: Path) -> None:
    config = write_inputs(tmp_path)
    out = tmp_path / "audit"
    quick = ("explain={trust_samples: 0, units: 0}", "report.formats=[html]", "workers=0")
    settings = [part for one in quick for part in ("--set", one)]
    code, _ = _call("run", config, "--out", out, *settings, "--set", "report.redact={images: drop}")
    assert code in {0, 1, 4}  # the outcome of the audit
    copy = RunFolder.open(tmp_path / "audit-redacted")
    assert verify(copy.path).ok
    inside, outside = RunFolder.open(out).read_result(), copy.read_result()
    assert outside.redaction is not None
    assert inside.redaction is None
    assert outside.outcome.state == inside.outcome.state
    names = {one.sample for one in inside.explanations.failures}
    assert names
    page = (copy.path / "report.html").read_text()
    assert not [one for one in names if one in page]
