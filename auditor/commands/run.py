"""``auditor run``: an audit of a configuration, or of what `--model` and `--data` name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.command_options import (
    ActorsOption,
    AddressOption,
    AllowDownloadOption,
    DataOption,
    DeviceOption,
    Engine,
    EngineOption,
    ModelOption,
    OutOption,
    OverwriteOption,
    QuietOption,
    ResumeOption,
    SetOption,
    ShardOption,
    WeightsOption,
    changes_of,
)
from auditor.commands.engines import Place, Where, run_where
from auditor.commands.redact import CopyPlace, write_copy
from auditor.commands.shared import print_finished, progress_display
from auditor.console import line
from auditor.exit_codes import exit_codes
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from auditor.config import AuditConfig


def run(  # noqa: PLR0913, PLR0917 - options of the command line
    config: Annotated[
        Path | None,
        typer.Argument(help="Configuration file (YAML); or name --model and --data instead."),
    ] = None,
    model: ModelOption = None,
    weights: WeightsOption = None,
    data: DataOption = None,
    out: OutOption = None,
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    resume: ResumeOption = False,
    engine: EngineOption = Engine.LOCAL,
    actors: ActorsOption = None,
    address: AddressOption = None,
    shard: ShardOption = None,
    quiet: QuietOption = False,
    download: AllowDownloadOption = False,
) -> None:
    """Audit a classifier.

    It is described by a configuration file, or named by --model and --data; then the configuration that
    was used is written beside the run folder.
    """
    with exit_codes():
        from auditor.config import AuditConfig
        from auditor.run_folder import RunFolder

        changes = changes_of(overrides, allow_download=download, device=device)
        named = _Named(model, weights, data)
        if config is not None:
            named.require_nothing()
            settings = AuditConfig.load(config, changes)
            from auditor import runner

            final = out or Path("reports") / runner.folder_name(settings.name)
        else:
            settings, final = _without_file(named, changes, out, overwrite, resume)
        copy = CopyPlace(overwrite=overwrite)
        if settings.report.redact is not None:
            RunFolder.require_place(copy.folder(final), overwrite=overwrite)
        place = Place(final, overwrite=overwrite, resume=resume)
        where = Where(shard, engine, actors, address)
        folder = run_where(where, settings, place, progress_display(quiet))
        if folder is None:
            return
        result = print_finished(folder)
        if settings.report.redact is not None:
            write_copy(folder, copy, settings.report.formats, settings.report.templates)
        raise typer.Exit(result.outcome.exit_code)


@dataclass(frozen=True)
class _Named:
    """What the options name instead of a file."""

    model: str | None
    weights: str | None
    data: Path | None

    def require_nothing(self) -> None:
        from auditor.errors import ConfigError

        given = [
            f"--{key}" for key in ("model", "weights", "data") if getattr(self, key) is not None
        ]
        if given:
            raise ConfigError(
                f"{given[0]}: expected either a configuration file or --model and --data; got both: change "
                "the file, or single keys of it with --set, such as --set model.checkpoint=weights.pt"
            )

    def require_both(self) -> None:
        from auditor.errors import ConfigError

        missing = [f"--{key}" for key in ("model", "data") if getattr(self, key) is None]
        if len(missing) == 2:
            raise ConfigError(
                "expected a configuration file, or --model and --data; got none: name the file, or write one "
                "with `auditor init`"
            )
        if missing:
            raise ConfigError(f"expected both --model and --data; {missing[0]} is missing: add it")


def _without_file(
    named: _Named, changes: list[str], out: Path | None, overwrite: bool, resume: bool
) -> tuple[AuditConfig, Path]:
    """The configuration, which is written beside the run folder, and that folder."""
    from auditor.config import AuditConfig, loading
    from auditor.configuring.recognised import recognise_parts, require_preprocess, require_trust
    from auditor.configuring.text import write_used
    from auditor.run_folder import RunFolder

    named.require_both()
    parts = recognise_parts(named.model, named.weights, named.data)
    require_trust(parts, changes)
    raw = parts.raw()
    for change in changes:
        loading.apply_override(raw, change)
    require_preprocess(raw, parts)
    settings = AuditConfig.parse(raw, Path.cwd())
    from auditor import runner

    final = out or Path("reports") / runner.folder_name(settings.name)
    RunFolder.require_place(final, overwrite=overwrite, resume=resume)
    path = final.with_name(f"{final.name}.yaml")
    notes = list(parts.notes)
    write_used(raw, notes, path)
    for text in (*notes, f"configuration: {path}"):
        out_console.print(line(text), soft_wrap=True)
    return settings, final
