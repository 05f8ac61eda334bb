from __future__ import annotations

import pytest

from auditor.errors import ConfigError
from auditor.records import AuditResult
from auditor.report.view import compliance
from auditor.report.view.compliance_evidence import KINDS, SELECTION_KINDS
from auditor.run_folder import RunFolder


def test_every_clause_asks_for_known_kinds_of_evidence() -> None:
    for rule in compliance.rules():
        assert rule.source
        assert rule.basis
        assert rule.url.startswith("https://")
        for clause in rule.clauses:
            for name in clause.answers:
                kind, _, argument = name.partition(":")
                known = {*KINDS, *SELECTION_KINDS, "check"}
                assert kind in known or argument in compliance.ABOUT


def test_check_that_was_skipped_covers_nothing(run_folder: RunFolder) -> None:
    result = run_folder.read_result()
    anchors = {one.id: f"finding-{one.id}" for one in result.findings}
    by_title = {one.title: one for one in compliance.answers(result, anchors)}
    answers = {one.clause: one for one in by_title["EU AI Act"].answers}
    bias = answers["Art. 10(2)(f)"]
    assert any(
        one.text.startswith("check label-association, 4 hypotheses: 1 finding")
        and one.anchor == "finding-label-association-1"
        for one in bias.evidence
    )
    # The check was skipped, so it is no evidence.
    assert not any("representation" in one.text for one in bias.evidence)
    assert any("line 6" in one.text for one in bias.evidence)
    assert answers["Annex IV 4"].evidence == ()
    assert answers["Annex IV 4"].missing == ("Acceptance criteria, and why",)


def test_unknown_rule_is_an_error_that_lists_the_known_ones(run_folder: RunFolder) -> None:
    with pytest.raises(ConfigError, match="eu-ai-act"):
        compliance.rules(["gdpr"])


def test_rule_that_was_not_checked_against_its_text_states_it(run_folder: RunFolder) -> None:
    for one, rule in zip(
        compliance.answers(run_folder.read_result(), _anchors(run_folder)),
        compliance.rules(),
        strict=True,
    ):
        assert rule.checked is None
        assert (
            "not yet checked against the official text: do so before you rely on it" in one.standing
        )


def test_missing_class_that_counts_as_selected_is_listed(run_folder: RunFolder) -> None:
    rule = next(
        one
        for one in compliance.answers(
            _without_about(run_folder.read_result()), _anchors(run_folder), None
        )
        if one.title == "New York City Local Law 144"
    )
    rates = rule.answers[0]
    assert rates.evidence == ()
    assert rates.missing == (
        "Class that counts as selected, where people are chosen",
        "Attributes that deserve special protection",
    )


def _anchors(run: RunFolder) -> dict[str, str]:
    return {one.id: f"finding-{one.id}" for one in run.read_result().findings}


def _without_about(result: AuditResult) -> AuditResult:
    config = {key: one for key, one in result.provenance.config.items() if key != "about"}
    return result.model_copy(
        update={"provenance": result.provenance.model_copy(update={"config": config})}
    )
