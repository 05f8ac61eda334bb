from __future__ import annotations

import pytest

from auditor.errors import ConfigError
from auditor.report import compliance
from auditor.store import RunFolder


def test_every_clause_asks_for_evidence_that_there_is_a_kind_of() -> None:
    for rule in compliance.rules():
        assert rule.source
        assert rule.url.startswith("https://")
        for clause in rule.clauses:
            for name in clause.answers:
                kind, _, argument = name.partition(":")
                assert kind in compliance._KINDS or kind == "check" or argument in compliance.ABOUT


def test_what_the_audit_did_not_do_is_not_covered(run_folder: RunFolder) -> None:
    result = run_folder.read_result()
    anchors = {one.id: f"finding-{one.id}" for one in result.findings}
    by_title = {one.title: one for one in compliance.mapped(result, anchors)}
    answers = {one.clause: one for one in by_title["EU AI Act"].answers}
    bias = answers["Art. 10(2)(f)"]
    assert any(
        one.text.startswith("check label-association: 1 finding")
        and one.anchor == "finding-label-association-1"
        for one in bias.evidence
    )
    # The check was skipped, so it is no evidence.
    assert not any("representation" in one.text for one in bias.evidence)
    assert any("line 6" in one.text for one in bias.evidence)
    assert answers["Annex IV 4"].evidence == ()
    assert answers["Annex IV 4"].missing == ("Acceptance criteria, and why",)


def test_an_unknown_rule_is_named(run_folder: RunFolder) -> None:
    with pytest.raises(ConfigError, match="eu-ai-act"):
        compliance.rules(["gdpr"])
