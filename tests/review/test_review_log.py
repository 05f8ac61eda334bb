from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run

from auditor.errors import ConfigError, DataError
from auditor.manifest import read_manifest, write_manifest
from auditor.review_log import DECISIONS, add_decision, read_log
from auditor.run_folder import RunFolder
from auditor.verification import verify


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return small_run(tmp_path / "run", predictions(60, range(4)))


def _decide(run: RunFolder, choice: str = "accept", finding: str = "F1") -> None:
    add_decision(run.path, finding, choice, reason="seen", reviewer="A. Muster", role="QA")


def _change(run: RunFolder, **changes: object) -> None:
    path = run.path / DECISIONS
    content = json.loads(path.read_text())
    content["decisions"][0] |= changes
    path.write_text(json.dumps(content))
    write_manifest(run.path)  # as somebody would who hides the change


def test_decision_is_stored_with_the_seal_of_the_results(run: RunFolder) -> None:
    _decide(run)
    log = read_log(run.path)
    assert log is not None
    assert log.seal == read_manifest(run.path).seal
    [made] = log.decisions
    assert (made.finding, made.choice, made.reviewer, made.role) == (
        "F1",
        "accept",
        "A. Muster",
        "QA",
    )


def test_digest_is_a_hash_over_the_seal_and_the_decision(run: RunFolder) -> None:
    _decide(run)
    raw = json.loads((run.path / DECISIONS).read_text())
    content = {key: value for key, value in raw["decisions"][0].items() if key != "digest"}
    text = json.dumps([raw["seal"], content], sort_keys=True)
    assert raw["decisions"][0]["digest"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "character", ["\0", "\x1b", "\udcff", "\u202e"], ids=["NUL", "escape", "surrogate", "override"]
)
@pytest.mark.parametrize("field", ["reason", "reviewer", "role"])
def test_invisible_character_is_refused(run: RunFolder, field: str, character: str) -> None:
    texts = {"reason": "seen", "reviewer": "A. Muster", "role": "QA"} | {field: f"a{character}b"}
    with pytest.raises(
        ConfigError, match=rf"{field}: .*character U\+{ord(character):04X}: remove it"
    ):
        add_decision(run.path, "F1", "accept", **texts)
    assert read_log(run.path) is None


def test_reason_in_any_script_is_stored_as_it_is(run: RunFolder) -> None:
    reason = "<b>ja</b> 🦊 नमस्ते مرحبا\nsecond line"
    add_decision(run.path, "F1", "accept", reason=reason, reviewer="Ünal", role="")
    log = read_log(run.path)
    assert log is not None
    assert log.decisions[0].reason == reason


def test_later_decision_replaces_an_earlier_one_and_keeps_it(run: RunFolder) -> None:
    _decide(run, "accept")
    _decide(run, "mitigate")
    _decide(run, "reject", "F2")
    log = read_log(run.path)
    assert log is not None
    assert [one.choice for one in log.decisions] == ["accept", "mitigate", "reject"]
    assert {key: one.choice for key, one in log.current.items()} == {
        "F1": "mitigate",
        "F2": "reject",
    }


def test_unchanged_decisions_verify(run: RunFolder) -> None:
    _decide(run)
    _decide(run, "reject")
    write_manifest(run.path)
    assert verify(run.path).ok


@pytest.mark.parametrize(
    "changes",
    [
        {"choice": "reject"},
        {"reason": "something else"},
        {"reviewer": "B. Muster"},
        {"decided_at": "2020-01-01T00:00:00Z"},
        {"finding": "F2"},
        {"digest": "0" * 64},
    ],
)
def test_changed_decision_is_detected_even_with_a_new_manifest(
    run: RunFolder, changes: dict[str, object]
) -> None:
    _decide(run)
    _decide(run, "mitigate", "F3")
    _change(run, **changes)
    [found] = verify(run.path).contradictions
    assert "decision 1" in found
    assert "was changed after it was made" in found
    with pytest.raises(DataError, match="was changed after it was made"):
        _decide(run)


def test_decisions_on_other_results_are_detected(run: RunFolder) -> None:
    _decide(run)
    path = run.path / "audit.json"
    path.write_text(path.read_text() + "\n")
    write_manifest(run.path)
    assert "they were made on" in verify(run.path).contradictions[0]


def test_removed_decision_is_detected(run: RunFolder) -> None:
    _decide(run)
    _decide(run, "reject")
    path = run.path / DECISIONS
    content = json.loads(path.read_text())
    content["decisions"] = content["decisions"][1:]
    path.write_text(json.dumps(content))
    assert any("was changed" in one for one in verify(run.path).contradictions)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reason": "  "}, "reason: expected a text; it is empty"),
        ({"reviewer": ""}, "reviewer: expected a text"),
        ({"reason": "x" * 4001}, "reason: expected at most 4000 characters; got 4001"),
        ({"choice": "maybe"}, "expected one of accept, mitigate, reject; got 'maybe'"),
    ],
)
def test_incomplete_decision_is_refused_and_not_stored(
    run: RunFolder, given: dict[str, str], message: str
) -> None:
    fields = {"choice": "accept", "reason": "seen", "reviewer": "A"} | given
    with pytest.raises(ConfigError, match=message):
        add_decision(
            run.path, "F1", fields["choice"], reason=fields["reason"], reviewer=fields["reviewer"]
        )
    assert read_log(run.path) is None


def test_damaged_decisions_are_said(run: RunFolder) -> None:
    (run.path / DECISIONS).write_text("[]")
    with pytest.raises(DataError, match="expected the decisions that"):
        read_log(run.path)
    assert "can't be read" in " ".join(verify(run.path).contradictions)
