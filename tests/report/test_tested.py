from __future__ import annotations

from io import StringIO

from rich.console import Console

from auditor import records
from auditor.records import Effect, SliceKey
from auditor.report.view.report_view import build_view
from auditor.report.view.tested import count_tested, describe_tested, view_of_tested
from auditor.run_folder import RunFolder
from auditor.terminal import print_result


def test_reasons_follow_the_direction_of_the_effect(run_folder: RunFolder) -> None:
    reasons = [one.reason for one in build_view(run_folder).tested[:4]]
    assert reasons == ["no excess", "no limit applies", "within the limit", "may be chance"]


def test_tested_hypotheses_keep_their_order(run_folder: RunFolder) -> None:
    titles = [one.title for one in run_folder.read_result().tested]
    assert [one.title for one in build_view(run_folder).tested] == titles


def test_ratio_below_one_is_no_excess() -> None:
    record = records.TestedRecord(
        check="performance-gap",
        title="site = A fails half as often",
        slice=SliceKey(attributes={"site": "A"}),
        effect=Effect(name="ratio of error rates", value=0.5, low=0.4, high=0.6, unit="ratio"),
        limit=2.0,
        p_value=0.001,
        q_value=0.01,
        level=0.002,
        support=100,
        reason="within the limit",
    )
    assert view_of_tested(record).reason == "no excess"


def test_tested_text_counts_what_is_significant(run_folder: RunFolder) -> None:
    tested = run_folder.read_result().tested
    text = describe_tested(tested, 0.05)
    assert text.startswith(
        "63 hypotheses were tested without becoming a finding. A q-value above 0.05 "
    )
    assert " 3 are significant, but " in text
    assert "significant" not in describe_tested(tested[3:], 0.05)
    assert describe_tested([], 0.05) == ""


def test_tested_count_of_one_is_singular() -> None:
    assert count_tested(1) == "1 hypothesis was tested without becoming a finding."


def test_terminal_states_how_many_were_tested_in_one_line(run_folder: RunFolder) -> None:
    stream = StringIO()
    print_result(Console(file=stream), run_folder.read_result(), run_folder.path, "seal")
    lines = [one.strip() for one in stream.getvalue().splitlines()]
    assert lines.count("63 hypotheses were tested without becoming a finding.") == 1
