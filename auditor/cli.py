"""The command line: commands, options, exit codes. No logic.

Exit codes: 0 done and the gate holds; 1 done, and a finding reaches the gate's severity; 2 the
caller's mistake; 3 the audit broke off; 130 interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from auditor import __version__
from auditor.errors import AuditAbortedError, AuditorError, UsageError
from auditor.records import AuditResult

app = typer.Typer(
    help="Audits image classifiers and writes the report that decides whether they ship.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

_DONE, _GATE, _MISTAKE, _BROKE_OFF, _INTERRUPTED = 0, 1, 2, 3, 130

OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder of the run; reports/<name> by default.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a finished run in that folder.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress display.")]


class Device(StrEnum):
    """Where the model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Case(StrEnum):
    """The embedded examples."""

    SOLAR = "solar"
    DIGITS = "digits"


class SchemaOf(StrEnum):
    """What there is a JSON Schema of."""

    CONFIG = "config"
    RESULT = "result"


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turns what went wrong into one message and an exit code, without a traceback."""
    try:
        yield
    except UsageError as error:
        _err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(_MISTAKE) from None
    except AuditAbortedError as error:
        _err.print(f"[bold red]broken off:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(_BROKE_OFF) from None
    except AuditorError as error:
        _err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(_BROKE_OFF) from None
    except KeyboardInterrupt:
        _err.print("interrupted: the run folder is marked as unfinished", soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None


def _version(value: bool) -> None:
    if value:
        _out.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    case: Annotated[Case, typer.Option(help="Which embedded example.")] = Case.SOLAR,
    out: OutOption = None,
    overwrite: OverwriteOption = True,
    quiet: QuietOption = False,
) -> None:
    """Audit the embedded example: offline, no settings."""
    from auditor import demo as cases
    from auditor import progress, runner
    from auditor.config import AuditConfig

    with _exit_codes():
        final = out or Path("reports") / f"demo-{case}"
        shown = progress.on(_err, quiet=quiet)
        inputs = final.with_name(f"{final.name}-inputs")
        config = cases.prepare(case.value, inputs, shown.say)
        folder = runner.run(AuditConfig.load(config), final, overwrite=overwrite, progress=shown)
        _announce(folder.read_result(), folder.path)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    out: OutOption = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one key; may be repeated."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the model runs.")] = Device.AUTO,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit a classifier as a configuration says."""
    from auditor import progress, runner
    from auditor.config import AuditConfig

    with _exit_codes():
        overrides = [*(assign or []), *([f"device={device}"] if device is not Device.AUTO else [])]
        settings = AuditConfig.load(config, overrides)
        final = out or Path("reports") / runner.folder_name(settings.name)
        folder = runner.run(
            settings, final, overwrite=overwrite, progress=progress.on(_err, quiet=quiet)
        )
        result = folder.read_result()
        _announce(result, folder.path)
        raise typer.Exit(_DONE if result.gate_holds else _GATE)


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one key; may be repeated."),
    ] = None,
) -> None:
    """Do everything short of the audit, and say what it would meet."""
    from auditor import dry_run as rehearsal
    from auditor.config import AuditConfig

    with _exit_codes():
        found = rehearsal.dry_run(AuditConfig.load(config, assign or []))
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in found.lines:
            table.add_row(f"[bold]{escape(name)}[/]", escape(value))
        _out.print(table)
        for warning in found.warnings:
            _out.print(f"[bold yellow]look:[/] {escape(warning)}", soft_wrap=True)


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    formats: Annotated[
        str | None,
        typer.Option("--format", help="Comma-separated; the configured ones by default."),
    ] = None,
) -> None:
    """Write the documents again; needs neither the model nor the data."""
    from auditor.report import documents
    from auditor.run_folder import RunFolder

    with _exit_codes():
        store = RunFolder.open(folder)
        names = formats.split(",") if formats else documents.configured(store)
        with store.rendering():
            written = documents.write(store, [name.strip() for name in names])
        for path in written.paths:
            _out.print(str(path), soft_wrap=True)
        if written.missing:
            raise written.missing[0]


@app.command()
def explain(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    target: Annotated[
        str | None, typer.Option(help="Class to explain; the predicted one by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the sheets.")] = Path("explained"),
) -> None:
    """Draw the maps of single images: image, Grad-CAM, detail view."""
    from auditor.config import AuditConfig
    from auditor.explain_images import explain_images

    with _exit_codes():
        for one in explain_images(AuditConfig.load(config), images, target, out):
            _out.print(
                f"{one.image}: predicted {one.predicted}; {one.target} has {one.confidence:.1%}, "
                f"Grad-CAM mass {one.mass:.4g}\n  {one.sheet} (image, Grad-CAM, {one.detail})",
                soft_wrap=True,
                markup=False,
            )


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The earlier run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The later run.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="reports/<RUN_A>-vs-<RUN_B> by default.")
    ] = None,
    max_rise: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Largest acceptable rise of an error rate (a share)."),
    ] = 0.0,
) -> None:
    """Say what changed between two audits: exit code 1 when the whole or a slice became worse.

    Worse: the error rate on the same samples rose, by more than --max-rise, with q at most the
    earlier run's alpha (McNemar's test, one correction over the whole and all slices).
    """
    from auditor import comparison
    from auditor.comparison import documents
    from auditor.run_folder import RunFolder

    with _exit_codes():
        before, after = RunFolder.open(run_a), RunFolder.open(run_b)
        place = out or Path("reports") / f"{before.path.name}-vs-{after.path.name}"
        documents.check_place(place)
        found = comparison.compare(before, after, max_rise=max_rise)
        written = documents.write(found, before, after, place)
        _out.print(f"\n{comparison.summary(found)}", highlight=False, markup=False, soft_wrap=True)
        for path in written.paths:
            _out.print(str(path), soft_wrap=True)
        if written.missing is not None:
            _err.print(escape(str(written.missing)), soft_wrap=True)
        raise typer.Exit(_GATE if found.blocking else _DONE)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    seal: Annotated[
        str | None, typer.Option(help="The seal that was written down when the audit ended.")
    ] = None,
) -> None:
    """Say whether anything in a run was altered since: exit code 0 intact, 1 altered, 2 no run."""
    from auditor import verification

    with _exit_codes():
        found = verification.verify(folder, seal)
        for what in ("altered", "missing", "added", "contradictions"):
            for name in getattr(found, what):
                word = "contradiction" if what == "contradictions" else what
                _out.print(f"[bold red]{word:<7}[/] {escape(name)}", soft_wrap=True)
        _out.print(f"seal: {found.seal}", soft_wrap=True)
        if not found.ok:
            raise typer.Exit(_GATE)
        _out.print(
            f"{found.n_files} files, intact: nothing was altered, removed or added"
            + ("" if seal else "; compare the seal with the one kept elsewhere (--seal)"),
            soft_wrap=True,
        )


@app.command()
def selftest(
    target: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|RUN", help="Configuration, or folder of a finished run."),
    ],
    seconds: Annotated[float, typer.Option(min=0.0, help="Time for the audits.")] = 45.0,
    quiet: QuietOption = False,
) -> None:
    """Say how often this audit would find a gap in your data, and how often it accuses falsely.

    The predictions are dealt out anew within each label, so that nothing depends on any attribute;
    gaps of 5 to 20 points are planted, and the audit is judged again.
    """
    from auditor import progress, selftest
    from auditor.config import AuditConfig
    from auditor.run_folder import RunFolder

    with _exit_codes():
        tables = (
            selftest.of_run(RunFolder.open(target))
            if target.is_dir()
            else selftest.of_config(AuditConfig.load(target))
        )
        shown = progress.on(_err, quiet=quiet)
        with shown.stage("self-test", selftest.n_audits(tables)) as advance:
            found = selftest.selftest(tables, seconds=seconds, advance=advance)
        table = Table(title=found.heading, title_justify="left", show_edge=False)
        for name in ("attribute", *found.columns):
            table.add_column(escape(name))
        for row in found.rows:
            table.add_row(*map(escape, row))
        _out.print(table)
        for line in found.sentences:
            _out.print(escape(line), soft_wrap=True)


@app.command(name="list")
def list_plugins() -> None:
    """Show every plug-in with its options."""
    from auditor import registry

    with _exit_codes():
        for kind in registry.PACKAGES:
            _out.print(f"\n[bold]{kind}[/]")
            for name, plugin in registry.all_of(kind).items():
                summary = (plugin.__doc__ or "").strip().splitlines()[0]
                _out.print(f"  [bold cyan]{name}[/]  {escape(summary)}", soft_wrap=True)
                for key, field in plugin.model_fields.items():
                    default = (
                        "required"
                        if field.is_required()
                        else json.dumps(field.get_default(call_default_factory=True), default=str)
                    )
                    _out.print(
                        f"      {key} ({escape(default)})  {escape(field.description or '')}",
                        soft_wrap=True,
                    )


@app.command()
def schema(
    of: Annotated[
        SchemaOf | None, typer.Argument(help="Only one of the two; both by default.")
    ] = None,
) -> None:
    """Print the JSON Schema of the configuration and of audit.json."""
    from auditor.config import json_schema

    with _exit_codes():
        schemas = {SchemaOf.CONFIG: json_schema, SchemaOf.RESULT: AuditResult.model_json_schema}
        printed = schemas[of]() if of else {str(name): make() for name, make in schemas.items()}
        typer.echo(json.dumps(printed, indent=2))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it.")] = Path(),
) -> None:
    """Write a commented configuration to start from."""
    from auditor.errors import OutputExistsError
    from auditor.resources import folder as resource

    with _exit_codes():
        path = folder / "audit.yaml"
        if path.exists():
            raise OutputExistsError(f"{path}: is there already, and is left as it is")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text((resource("configs") / "starter.yaml").read_text("utf-8"), "utf-8")
        _out.print(f"{path}\nedit it, then: auditor check {path}", soft_wrap=True)


def _announce(result: AuditResult, folder: Path) -> None:
    """Prints what was found and where the report is."""
    from auditor.run_folder import RunFolder

    summary = result.summary
    accuracy = f"{summary.accuracy.value:.1%}" if summary.accuracy else "not measurable"
    _out.print(
        f"\n{summary.n_evaluated} samples, accuracy {accuracy}, {summary.n_failures} failures, "
        f"{summary.n_unusable} unusable"
    )
    colours = {"alert": "red", "warning": "yellow", "note": "cyan"}
    tested = [finding for finding in result.findings if finding.verdict != "untestable"]
    for finding in tested[:5]:
        colour = colours[finding.severity]
        _out.print(
            f"  [bold {colour}]{finding.severity:<7}[/] {finding.id}  {escape(finding.title)} "
            f"[dim]({finding.verdict})[/]",
            soft_wrap=True,
        )
    if len(tested) > 5:
        _out.print(f"  … and {len(tested) - 5} more in the report")
    if result.gate is not None:
        _out.print(
            "gate: holds"
            if result.gate_holds
            else f"gate: {len(result.blocking)} finding(s) of severity {result.gate} or above"
        )
    for name in ("report.html", "report.pdf"):
        if (folder / name).is_file():
            _out.print(f"report: {folder / name}", soft_wrap=True)
    seal = RunFolder.open(folder).read_manifest().seal
    told = f"[dim]seal: {seal} (keep it elsewhere, for `auditor verify --seal`)[/]"
    _out.print(told, soft_wrap=True)


def main() -> None:
    """Entry point of the command ``auditor``, in a process of its own."""
    from auditor.allocator import keep_freed_memory

    keep_freed_memory()
    app()
