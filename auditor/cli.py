"""The command line: commands, options and exit codes.

Exit codes: 0 the audit is finished and passes the gate; 1 it is finished, and a finding blocks the
gate; 2 usage error; 3 the audit was aborted, or anything unexpected; 4 it can't be judged; 130
interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from auditor import __version__, terminal
from auditor.errors import AuditAbortedError, AuditorError, UsageError
from auditor.manifest import read_manifest, record_rendering
from auditor.progress import display_for
from auditor.records import AuditResult
from auditor.run_folder import RunFolder
from auditor.traceback_file import keep_traceback

app = typer.Typer(
    help="Audits image classifiers and writes the report that decides whether they ship.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

_PASSED, _BLOCKED, _USAGE_ERROR, _ABORTED, _INTERRUPTED = 0, 1, 2, 3, 130

ConfigArgument = Annotated[Path, typer.Argument(help="Configuration file (YAML).")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the run; default: reports/<name>.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a finished run in that folder.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Hide the progress display.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override one key; can be repeated."),
]


class Device(StrEnum):
    """Device on which the model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Case(StrEnum):
    """The embedded examples."""

    SOLAR = "solar"
    DIGITS = "digits"


class SchemaName(StrEnum):
    """The available JSON Schemas."""

    CONFIG = "config"
    RESULT = "result"


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Converts errors into one message and an exit code, without a traceback."""
    try:
        yield
    except AuditorError as error:
        _print_error("aborted" if isinstance(error, AuditAbortedError) else "error", str(error))
        raise typer.Exit(_USAGE_ERROR if isinstance(error, UsageError) else _ABORTED) from None
    except KeyboardInterrupt:
        _err.print("interrupted: the run folder is marked as unfinished", soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None
    except (typer.Exit, typer.Abort):  # exceptions too
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: exit code 1 has another meaning
        raise typer.Exit(_unexpected(error)) from None


def _unexpected(error: Exception) -> int:
    """Prints what nobody expected in one message, keeps its traceback, and returns the exit code."""
    kept = keep_traceback()
    text = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    _print_error("unexpected error", f"{' '.join(text.split())}; {kept}")
    return _ABORTED


def _print_error(label: str, text: str) -> None:
    printable = text.encode("utf-8", "backslashreplace").decode()  # names of files may be no UTF-8
    _err.print(f"[bold red]{label}:[/] {escape(printable)}", soft_wrap=True)


def _print_version(value: bool) -> None:
    if value:
        _out.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    case: Annotated[Case, typer.Option(help="The embedded example to audit.")] = Case.SOLAR,
    out: OutOption = None,
    overwrite: OverwriteOption = True,
    quiet: QuietOption = False,
) -> None:
    """Audit an embedded example: offline, no settings."""
    from auditor import demo as cases
    from auditor import runner
    from auditor.config import AuditConfig

    with _exit_codes():
        final = out or Path("reports") / f"demo-{case}"
        progress = display_for(_err, quiet=quiet)
        inputs = final.with_name(f"{final.name}-inputs")
        config = cases.prepare(case.value, inputs, progress.message)
        folder = runner.run(AuditConfig.load(config), final, overwrite=overwrite, progress=progress)
        _print_result(folder)


@app.command()
def run(
    config: ConfigArgument,
    out: OutOption = None,
    overrides: SetOption = None,
    device: Annotated[Device, typer.Option(help="Device on which the model runs.")] = Device.AUTO,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit a classifier."""
    from auditor import runner
    from auditor.config import AuditConfig

    with _exit_codes():
        changes = [*(overrides or []), *([f"device={device}"] if device is not Device.AUTO else [])]
        settings = AuditConfig.load(config, changes)
        final = out or Path("reports") / runner.folder_name(settings.name)
        progress = display_for(_err, quiet=quiet)
        folder = runner.run(settings, final, overwrite=overwrite, progress=progress)
        result = _print_result(folder)
        raise typer.Exit(result.outcome.exit_code)


@app.command()
def check(config: ConfigArgument, overrides: SetOption = None) -> None:
    """Dry run: validate configuration, data and model; estimate time and memory."""
    from auditor.config import AuditConfig
    from auditor.dry_run import dry_run

    with _exit_codes():
        terminal.print_dry_run(_out, dry_run(AuditConfig.load(config, overrides or [])))


@app.command()
def plan(
    config: ConfigArgument,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER", help="Assumption, such as sensitivity=0.95; can be repeated."
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ATTRIBUTE=A,B", help="Values of an attribute that is not in the data yet."
        ),
    ] = None,
    power: Annotated[
        float | None, typer.Option(help="Probability to meet a criterion; default: 0.8.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Say how many samples each acceptance criterion needs; needs neither the data nor the model."""
    from auditor.config import AuditConfig
    from auditor.planning import plan_of

    with _exit_codes():
        settings = AuditConfig.load(config, overrides or [])
        terminal.print_plan(_out, plan_of(settings, assume or [], values or [], power))


@app.command()
def render(
    folder: RunArgument,
    formats: Annotated[
        str | None,
        typer.Option("--format", help="Comma-separated; default: as configured for the run."),
    ] = None,
) -> None:
    """Render the documents of a finished run again; needs neither the model nor the data."""
    from auditor.report import documents

    with _exit_codes():
        store = RunFolder.open(folder)
        names = formats.split(",") if formats else documents.configured(store)
        with record_rendering(store.path):
            written = documents.write(store, [name.strip() for name in names])
        terminal.print_paths(_out, written.paths)
        if written.missing:
            raise written.missing[0]


@app.command()
def explain(
    config: ConfigArgument,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    target: Annotated[
        str | None, typer.Option(help="Class to explain; default: the predicted one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the sheets.")] = Path("explained"),
) -> None:
    """Compute attribution maps of single images: one sheet each with image, Grad-CAM, detail view."""
    from auditor.config import AuditConfig
    from auditor.explain_images import explain_images

    with _exit_codes():
        explained = explain_images(AuditConfig.load(config), images, target, out)
        terminal.print_explained(_out, explained)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The earlier run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The later run.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Default: reports/<RUN_A>-vs-<RUN_B>.")
    ] = None,
    max_rise: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Largest acceptable rise of an error rate (a share)."),
    ] = 0.0,
) -> None:
    """Compare two audits; exit code 1 if the overall error rate or that of a slice rose.

    A rise counts if the error rate on the same samples is higher by more than --max-rise and q is at
    most the earlier run's alpha (McNemar's test, corrected for multiple testing).
    """
    from auditor import comparison
    from auditor.comparison import documents

    with _exit_codes():
        before, after = RunFolder.open(run_a), RunFolder.open(run_b)
        place = out or Path("reports") / f"{before.path.name}-vs-{after.path.name}"
        documents.check_place(place)
        found = comparison.compare(before, after, max_rise=max_rise)
        written = documents.write(found, before, after, place)
        _out.print(f"\n{comparison.summary(found)}", highlight=False, markup=False, soft_wrap=True)
        terminal.print_paths(_out, written.paths)
        if written.missing is not None:
            _err.print(escape(str(written.missing)), soft_wrap=True)
        raise typer.Exit(_BLOCKED if found.blocking else _PASSED)


@app.command()
def verify(
    folder: RunArgument,
    seal: Annotated[
        str | None, typer.Option(help="The seal that was noted when the audit ended.")
    ] = None,
) -> None:
    """Check whether a run was altered; exit code 0: intact, 1: altered, 2: not a finished run."""
    from auditor import verification

    with _exit_codes():
        found = verification.verify(folder, seal)
        terminal.print_verification(_out, found, seal_given=seal is not None)
        raise typer.Exit(_PASSED if found.ok else _BLOCKED)


@app.command()
def selftest(
    target: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|RUN", help="Configuration, or folder of a finished run."),
    ],
    seconds: Annotated[float, typer.Option(min=0.0, help="Time for the simulated audits.")] = 45.0,
    quiet: QuietOption = False,
) -> None:
    """Estimate detection and false-alarm rates on your own data.

    The predictions are permuted within each label, so that they depend on no attribute. Gaps of 5 to
    20 points are planted, and the audit is judged again.
    """
    from auditor import selftest as simulation
    from auditor.config import AuditConfig

    with _exit_codes():
        if target.is_dir():
            tables = simulation.of_run(RunFolder.open(target))
        else:
            tables = simulation.of_config(AuditConfig.load(target))
        progress = display_for(_err, quiet=quiet)
        with progress.stage("self-test", simulation.n_audits(tables)) as advance:
            found = simulation.selftest(tables, seconds=seconds, advance=advance)
        terminal.print_selftest(_out, found)


@app.command(name="list")
def list_plugins() -> None:
    """List all plug-ins with their options."""
    from auditor import registry

    with _exit_codes():
        for kind in registry.PACKAGES:
            terminal.print_plugins(_out, kind, registry.all_of(kind))


@app.command()
def schema(
    name: Annotated[
        SchemaName | None, typer.Argument(help="Print only this schema; default: both.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the configuration and of audit.json."""
    from auditor.config import json_schema

    with _exit_codes():
        schemas = {
            SchemaName.CONFIG: json_schema,
            SchemaName.RESULT: AuditResult.model_json_schema,
        }
        chosen = schemas[name]() if name else {str(one): make() for one, make in schemas.items()}
        typer.echo(json.dumps(chosen, indent=2))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the file.")] = Path(),
) -> None:
    """Write a commented configuration to start from."""
    from auditor.config import write_starter

    with _exit_codes():
        path = write_starter(folder)
        hint = f"{path}\nedit it, then run: auditor check {path}"
        _out.print(hint, markup=False, soft_wrap=True)


def _print_result(folder: RunFolder) -> AuditResult:
    result = folder.read_result()
    terminal.print_result(_out, result, folder.path, read_manifest(folder.path).seal)
    return result


def main() -> None:
    """Entry point of the command ``auditor``."""
    from auditor.allocator import keep_freed_memory

    keep_freed_memory()
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the imports of a command may fail, too
        sys.exit(_unexpected(error))
