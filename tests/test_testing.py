from __future__ import annotations

from pathlib import Path

import pytest
from builders.coded_images import write_audit
from builders.synthetic_run import build_run

from auditor import runner
from auditor.config import AuditConfig
from auditor.errors import ConfigError, DataError
from auditor.records import AuditResult
from auditor.testing import assert_audit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture(scope="module")
def result(folder: Path) -> AuditResult:
    return AuditResult.model_validate_json((folder / "audit.json").read_text())


def _ids(result: AuditResult, *severities: str) -> list[str]:
    return [one.id for one in result.findings if one.severity in severities]


def test_alerts_fail_and_are_named(result: AuditResult) -> None:
    alerts, warnings = _ids(result, "alert"), _ids(result, "warning")
    assert alerts
    assert warnings
    with pytest.raises(AssertionError) as caught:
        assert_audit(result, undecided=True)
    assert all(f"alert {one}: " in str(caught.value) for one in alerts)
    assert "warning " not in str(caught.value)


def test_lower_severity_fails_too_where_it_is_asked_for(result: AuditResult) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_audit(result, severity="warning", undecided=True)
    assert str(caught.value).count("\n  ") == min(11, len(_ids(result, "alert", "warning")))


def test_allowed_findings_do_not_fail(result: AuditResult) -> None:
    assert_audit(result, allow=_ids(result, "alert"), undecided=True)


def test_folder_is_read_as_its_result(folder: Path, result: AuditResult) -> None:
    assert_audit(folder, allow=_ids(result, "alert"), undecided=True)
    with pytest.raises(AssertionError, match="reason"):
        assert_audit(str(folder), undecided=True)
    with pytest.raises(DataError):
        assert_audit(folder / "nothing")


def test_finding_that_no_longer_occurs_can_not_be_allowed(result: AuditResult) -> None:
    with pytest.raises(ConfigError, match="expected ids of findings, out of"):
        assert_audit(result, allow=["F999"])


def test_single_id_instead_of_a_list_is_refused_with_the_fix(result: AuditResult) -> None:
    with pytest.raises(ConfigError, match=r"allow: .* got 'F1': pass \['F1'\]"):
        assert_audit(result, allow="F1")


def test_unknown_severity_is_refused(result: AuditResult) -> None:
    with pytest.raises(ConfigError, match="expected one of note, warning, alert; got 'grave'"):
        assert_audit(result, severity="grave")  # type: ignore[arg-type]


@pytest.mark.slow
def test_audit_that_can_not_be_judged_fails_unless_that_is_accepted(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "good", n=1)
    settings = AuditConfig.load(config, ["report.formats=[]"])
    run = runner.run(settings, tmp_path / "run")
    with pytest.raises(AssertionError, match="cannot be judged: "):
        assert_audit(run.path, severity="alert")
    assert_audit(run.path, severity="alert", undecided=True)


@pytest.mark.slow
def test_good_audit_does_not_fail(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "good", n=300)
    run = runner.run(AuditConfig.load(config, ["report.formats=[]"]), tmp_path / "run")
    assert_audit(run.path, severity="warning")
