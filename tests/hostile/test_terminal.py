"""No name from a file, a table or a run can send commands to the terminal, or forge a line."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders.small_runs import predictions, small_run
from rich.console import Console
from typer.testing import CliRunner

from auditor import terminal
from auditor.cli import app
from auditor.console import PlainConsole, line, printable
from auditor.dry_run import DryRun
from auditor.explain_images import ExplainedImage
from auditor.plugin_descriptions import OptionDescription, PluginDescription
from auditor.plugin_list import print_plugins
from auditor.progress import Lines
from auditor.verification import Verification

CLEAR = "a\x1b[2J\x1b[1;1H.png"
IDS = ("clear", "csi", "title", "newline", "backspace", "direction", "separator", "bytes")
HOSTILE = (
    CLEAR,
    "a\x9b2J.png",
    "a\x1b]0;title\x07.png",
    "a\nseal: 0000, intact.png",
    "a\rb\x08\x7f.png",
    "a\u202egnp.exe",
    "a\u2028b\u2066c",
    "a\udcff[red]:boom:",
)


def require_harmless(text: str) -> None:
    """Printable characters, apart from the ends of lines."""
    bad = [sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert set(bad) <= {"\n"}, ascii(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2J", r"a\x1b[2J"),
        ("a\x9b2J", r"a\x9b2J"),
        ("a\nb\tc", r"a\nb\x09c"),
        ("a\u202eb", r"a\u202eb"),
        ("a\udcff", r"a\udcff"),
        ("Zürich, 東京, [red] :boom:", "Zürich, 東京, [red] :boom:"),
    ],
)
def test_printable_shows_control_characters_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@dataclass
class _Printed:
    console: Console
    name: str

    def verification(self) -> None:
        one = (self.name,)
        found = Verification(Path("run"), 1, one, one, one, one, "0", "0", results_only=False)
        terminal.print_verification(self.console, found, seal_given=False)

    def lines(self) -> None:
        terminal.print_lines(self.console, [self.name])

    def dry_run(self) -> None:
        terminal.print_dry_run(self.console, DryRun(((self.name, self.name),), (self.name,)))

    def explained(self) -> None:
        one = ExplainedImage(
            Path(self.name), self.name, 0.5, self.name, 0.5, self.name, Path(self.name)
        )
        terminal.print_explained(self.console, [one])

    def plugins(self) -> None:
        option = OptionDescription(self.name, self.name, self.name)
        print_plugins(self.console, "check", [PluginDescription(self.name, self.name, (option,))])

    def progress(self) -> None:
        lines = Lines(self.console.file, every=0)
        lines.message(self.name)
        with lines.stage(self.name, 2) as advance:
            lines.doing(self.name)
            advance(1)


@pytest.mark.parametrize("name", HOSTILE, ids=IDS)
@pytest.mark.parametrize(
    "printed",
    [
        _Printed.verification,
        _Printed.lines,
        _Printed.dry_run,
        _Printed.explained,
        _Printed.plugins,
        _Printed.progress,
    ],
)
def test_hostile_name_is_printed_with_escapes(
    printed: Callable[[_Printed], Any], name: str
) -> None:
    stream = io.StringIO()
    console = PlainConsole()
    console.file = stream
    console.width = 500
    printed(_Printed(console, name))
    require_harmless(stream.getvalue())
    assert printable(name) in stream.getvalue()
    assert "\nseal: 0000" not in stream.getvalue()


def test_line_shows_markup_as_text() -> None:
    assert line(("[red]x[/red]\n", "bold")).plain == r"[red]x[/red]\n"


@pytest.mark.parametrize("name", HOSTILE[:-1], ids=IDS[:-1])
@pytest.mark.parametrize("command", ["verify", "render", "selftest", "compare"])
def test_command_on_a_run_with_hostile_names_prints_escapes(
    command: str, name: str, tmp_path: Path
) -> None:
    run = small_run(tmp_path / "run", predictions(20), name=name.replace("\udcff", ""))
    (run.path / name).touch()
    arguments = [str(run.path)] if command != "compare" else [str(run.path), str(tmp_path / name)]
    if command == "selftest":
        arguments += ["--seconds", "0", "--quiet"]
    if command == "render":
        arguments += ["--format", "json"]
    done = CliRunner().invoke(app, [command, *arguments])
    require_harmless(done.output)
    if command == "verify":
        assert done.exit_code == 1
        assert f"added   {printable(name)}" in done.output
