"""The command line: commands, options and exit codes.

Exit codes: 0 the audit is finished and passes the gate; 1 it is finished, and a finding blocks the
gate; 2 usage error; 3 the audit was aborted, or anything unexpected; 4 it can't be judged; 130
interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from auditor import __version__, interrupts
from auditor.command_options import (
    AboutOption,
    AllowDownloadOption,
    Case,
    ComparisonFormats,
    ConfigArgument,
    OutOption,
    OverwriteOption,
    PreviousOption,
    QuietOption,
    RenderFormats,
    RunArgument,
    SchemaName,
    SetOption,
    TemplatesOption,
    changes_of,
    finite,
    separate,
)
from auditor.commands.init import init
from auditor.commands.log import log
from auditor.commands.merge import merge
from auditor.commands.redact import (
    CopyOption,
    CopyPlace,
    KeyOption,
    RedactOption,
    ReplaceOption,
    require_alone,
    write_copy,
)
from auditor.commands.review import review
from auditor.commands.run import run
from auditor.commands.shared import print_finished, print_seal, progress_display
from auditor.commands.sign import sign
from auditor.commands.verify import verify
from auditor.console import accept_all_text, silence_output
from auditor.exit_codes import PASSED, code_of, exit_codes
from auditor.exit_codes import err as err_console
from auditor.exit_codes import out as out_console

# Commands import what they need: `auditor --help` starts without pandas and torch.
app = typer.Typer(
    help="Audits image classifiers and writes the report that decides whether they ship.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(value: bool) -> None:
    if value:
        out_console.print(__version__)
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
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit an embedded example: offline, no settings.

    Without --out, an earlier audit of the same example is replaced.
    """
    with exit_codes():
        from auditor import runner
        from auditor.config import AuditConfig
        from auditor.demo.places import is_earlier_demo, written_inputs
        from auditor.file_system import require_writable
        from auditor.run_folder import RunFolder

        final = out or Path("reports") / f"demo-{case}"
        overwrite = overwrite or (out is None and is_earlier_demo(final, case.value))
        progress = progress_display(quiet)
        inputs = final.with_name(f"{final.name}-inputs")
        RunFolder.require_place(final, overwrite=overwrite)
        require_writable(inputs)
        with written_inputs(case.value, inputs, progress.message) as config:
            settings = AuditConfig.load(config)
            folder = runner.run(settings, final, overwrite=overwrite, progress=progress)
        print_finished(folder)


app.command()(run)


@app.command()
def check(
    config: ConfigArgument, overrides: SetOption = None, download: AllowDownloadOption = False
) -> None:
    """Dry run: validate configuration, data and model; estimate time and memory."""
    with exit_codes():
        from auditor.config import AuditConfig

        settings = AuditConfig.load(config, changes_of(overrides, allow_download=download))
        from auditor import terminal
        from auditor.dry_run import dry_run

        terminal.print_dry_run(out_console, dry_run(settings))


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
    with exit_codes():
        from auditor.config import AuditConfig

        settings = AuditConfig.load(config, overrides or [])
        from auditor import terminal
        from auditor.planning import plan_of

        terminal.print_plan(out_console, plan_of(settings, assume or [], values or [], power))


@app.command()
def render(  # noqa: PLR0913, PLR0917 - options of the command line
    folder: RunArgument,
    formats: RenderFormats = None,
    about: AboutOption = None,
    previous: PreviousOption = None,
    templates: TemplatesOption = None,
    redact: RedactOption = None,
    out: CopyOption = None,
    key: KeyOption = None,
    overwrite: ReplaceOption = False,
) -> None:
    """Render the documents of a finished run again; needs neither the model nor the data.

    With --redact, they are written into a redacted copy of the run, which may leave the house.
    """
    with exit_codes():
        from auditor import about_file, terminal
        from auditor.comparison.previous import store_previous
        from auditor.file_system import require_writable
        from auditor.manifest import record_rendering, require_unaltered
        from auditor.report import documents
        from auditor.run_folder import RunFolder

        store = RunFolder.open(folder)
        place = CopyPlace(out, key, overwrite)
        if redact is not None:
            require_alone(about, previous)
            require_unaltered(store.path)
            names = separate(formats) or documents.configured(store)
            write_copy(store, place, names, templates, {"images": redact.value})
            return
        place.require_unused()
        require_writable(store.path)
        with record_rendering(store.path):
            names = separate(formats) or documents.configured(store)
            if about is not None:
                about_file.store_statements(about, store.path, store.read_result())
            if previous is not None:
                earlier = RunFolder.open(previous)
                require_unaltered(earlier.path)
                store_previous(earlier, store)
            written = documents.write(store, names, templates)
        terminal.print_paths(out_console, written.paths)
        print_seal(store.path)
        terminal.print_lines(err_console, written.notes)
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
    download: AllowDownloadOption = False,
) -> None:
    """Compute attribution maps of single images: one sheet each with image, Grad-CAM, detail view."""
    with exit_codes():
        from auditor.config import AuditConfig

        settings = AuditConfig.load(config, changes_of(None, allow_download=download))
        from auditor import terminal
        from auditor.explain_images import explain_images

        explained = explain_images(settings, images, target, out)
        terminal.print_explained(out_console, explained)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The earlier run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The later run.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Default: reports/<RUN_A>-vs-<RUN_B>.")
    ] = None,
    max_rise: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="Largest acceptable rise of an error rate (a share).",
        ),
    ] = 0.0,
    min_paired: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="Share of the earlier run's samples that must be comparable; below it: exit code 4.",
        ),
    ] = 0.5,
    formats: ComparisonFormats = None,
    quiet: QuietOption = False,
) -> None:
    """Compare two audits; exit code 1 if the overall error rate or that of a slice rose.

    A rise counts if the error rate on the same samples is higher by more than --max-rise and q is at
    most the earlier run's alpha (McNemar's test, corrected for multiple testing). Exit code 4: no rise
    was found, but too few samples could be compared.
    """
    with exit_codes():
        from auditor import comparison, terminal
        from auditor.comparison import documents
        from auditor.run_folder import RunFolder

        before, after = RunFolder.open(run_a), RunFolder.open(run_b)
        place = out or Path("reports") / f"{before.path.name}-vs-{after.path.name}"
        documents.check_place(place)
        names = documents.checked_formats(separate(formats))
        progress = progress_display(quiet)
        found = comparison.compare(
            before, after, max_rise=max_rise, min_paired=min_paired, progress=progress
        )
        written = documents.write(found, before, after, place, names, progress)
        terminal.print_lines(out_console, ["", *comparison.summary(found).splitlines()])
        terminal.print_paths(out_console, written.paths)
        if written.missing is not None:
            terminal.print_lines(err_console, [str(written.missing)])
        raise typer.Exit(found.exit_code)


app.command()(verify)
app.command()(sign)


@app.command()
def selftest(
    target: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|RUN", help="Configuration, or folder of a finished run."),
    ],
    seconds: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Time for the simulated audits.")
    ] = 45.0,
    quiet: QuietOption = False,
) -> None:
    """Estimate detection and false-alarm rates on your own data.

    The predictions are permuted within each label, so that they depend on no attribute. Gaps of 5 to
    20 points are planted, and the audit is judged again.
    """
    with exit_codes():
        from auditor import selftest as simulation
        from auditor import terminal
        from auditor.config import AuditConfig
        from auditor.run_folder import RunFolder

        if target.is_dir():
            tables = simulation.of_run(RunFolder.open(target))
        else:
            tables = simulation.of_config(AuditConfig.load(target))
        progress = progress_display(quiet)
        with progress.stage("self-test", simulation.n_audits(tables)) as advance:
            found = simulation.selftest(tables, seconds=seconds, advance=advance)
        terminal.print_selftest(out_console, found)


@app.command(name="list")
def list_plugins() -> None:
    """List all plug-ins with their options."""
    with exit_codes():
        from auditor.plugin_descriptions import describe_plugins
        from auditor.plugin_list import print_plugins
        from auditor.registry import PACKAGES

        for kind in PACKAGES:
            print_plugins(out_console, kind, describe_plugins(kind))


@app.command()
def schema(
    name: Annotated[
        SchemaName | None, typer.Argument(help="Print only this schema; default: both.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the configuration and of audit.json."""
    with exit_codes():
        from auditor.config import json_schema
        from auditor.records import AuditResult

        schemas = {
            SchemaName.CONFIG: json_schema,
            SchemaName.RESULT: AuditResult.model_json_schema,
        }
        chosen = schemas[name]() if name else {str(one): make() for one, make in schemas.items()}
        typer.echo(json.dumps(chosen, indent=2))


app.command()(review)
app.command()(log)
app.command()(merge)
app.command()(init)


def main() -> None:
    """Entry point of the command ``auditor``."""
    from auditor.allocator import keep_freed_memory

    interrupts.remember()
    keep_freed_memory()
    accept_all_text()
    try:
        app()
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # for which typer exits with 1
            silence_output()
            sys.exit(PASSED)
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - outside of a command
        sys.exit(code_of(error))
    finally:
        _flush()


def _flush() -> None:
    """Flushes what was printed; a full disk must not change the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        silence_output()
