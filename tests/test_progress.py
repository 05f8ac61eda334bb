from __future__ import annotations

import io

from rich.console import Console

from auditor.progress import Bars, Lines, Silent, display_for


def test_lines_reports_the_end_of_each_stage() -> None:
    stream = io.StringIO()
    display = Lines(stream)
    with display.stage("predict", 3) as advance:
        advance(1)
        advance(2)
    display.message("the PDF is left out")
    line, message = stream.getvalue().splitlines()
    assert line.startswith("predict: 3/3 (")
    assert message == "the PDF is left out"


def test_lines_without_interval_reports_every_step() -> None:
    stream = io.StringIO()
    with Lines(stream, every=0.0).stage("explain", 2) as advance:
        advance(1)
    assert [line.split(" ")[1] for line in stream.getvalue().splitlines()] == ["1/2", "1/2"]


def test_display_for_depends_on_the_console() -> None:
    assert isinstance(display_for(Console(force_terminal=True)), Bars)
    assert isinstance(display_for(Console(file=io.StringIO())), Lines)
    assert isinstance(display_for(Console(), quiet=True), Silent)


def test_bars_draws_stage_and_message() -> None:
    stream = io.StringIO()
    display = Bars(Console(file=stream, force_terminal=True, width=80))
    with display.stage("predict", 2) as advance:
        advance(2)
    display.message("done")
    assert "predict" in stream.getvalue()
    assert "2/2" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("done")
