"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auditor import completion


class Engine(StrEnum):
    """Where blocks are computed."""

    LOCAL = "local"
    RAY = "ray"


ConfigArgument = Annotated[Path, typer.Argument(help="Configuration file (YAML).")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the run; default: reports/<name>.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a finished run in that folder; other files are never replaced."
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted audit: its finished parts are kept, if nothing has changed since. "
        "Where there is none, a new audit begins.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Hide the progress display.")]
TemplatesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of your own templates. Those of the run's configuration are never used: a run may "
        "come from a stranger."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        autocompletion=completion.keys,
        help="Override one key; can be repeated.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|PATH|MODULE:FACTORY",
        help="Model: a name of torchvision or timm, a callable, or a file or folder.",
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", metavar="FILE|NAME", help="Weights of a named model."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="PATH", help="Data: a folder with one sub-folder per class, or a table."
    ),
]
RenderFormats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        autocompletion=completion.formats,
        help="One or several, comma-separated; can be repeated; default: as configured for the run.",
    ),
]
AboutOption = Annotated[
    Path | None,
    typer.Option(help="YAML file with the section `about`; stored in the run with its date."),
]
PreviousOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the previous audit; what changed is stored in the run."),
]
ComparisonFormats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help="One or several of html, json, markdown, pdf, comma-separated; can be repeated; default: "
        "html,json,pdf.",
    ),
]
AllowDownloadOption = Annotated[
    bool,
    typer.Option(
        "--allow-download", help="Download weights of the model that are not on this machine."
    ),
]


DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:K|mps",
        help="Device on which the model runs; cuda:1 is the second of several GPUs.",
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        help="Where predictions and explanations are computed: in this process, or by Ray."
    ),
]
ActorsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Actors of Ray, each with a copy of the model; default: as many as fit.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Address of a running Ray cluster; default: RAY_ADDRESS, or one of this computer alone.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Compute only this part, in a folder of its own; `auditor merge` joins them.",
    ),
]


class Case(StrEnum):
    """The embedded examples."""

    SOLAR = "solar"
    DIGITS = "digits"


class SchemaName(StrEnum):
    """The available JSON Schemas."""

    CONFIG = "config"
    RESULT = "result"


def changes_of(
    overrides: list[str] | None, *, allow_download: bool, device: str = "auto"
) -> list[str]:
    """All options that change a key of the configuration, as ``key.path=value``."""
    changes = list(overrides or [])
    if allow_download:
        changes.append("model.allow_download=true")
    if device != "auto":
        changes.append(f"device={device}")
    return changes


def finite(value: float) -> float:
    """Refuses NaN and infinity, which a range lets pass."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"expected a finite number; got {value}")
    return value


def separate(given: list[str] | None) -> list[str]:
    """The values of an option that can be repeated and comma-separated, each once."""
    return list(dict.fromkeys(name.strip() for one in given or [] for name in one.split(",")))
