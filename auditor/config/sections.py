"""The configuration of an audit: read safely, validated whole, told apart by name.

``AuditConfig.load`` is the one way in. Paths in a file are relative to that file. What is wrong is
said in one message that names the key, what was expected and what came.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from auditor import registry
from auditor.errors import ConfigError
from auditor.records import Role, Severity, image_properties
from auditor.records.predictions import property_column
from auditor.registry import Kind, Options


def _beside_the_configuration(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    path = path.expanduser()
    return path if base is None or path.is_absolute() else (Path(base) / path).resolve()


def _as_seen_from_here(path: Path) -> str:
    """Relative to the working directory where it lies below it: a result names no one's home."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


ConfigPath = Annotated[
    Path, AfterValidator(_beside_the_configuration), PlainSerializer(_as_seen_from_here)
]
"""A path that the configuration gives relative to its own file."""


class Preprocess(Options):
    """How an image becomes the network's input: resize, crop, divide by 255, normalise."""

    resize: int | tuple[int, int] | None = None
    """Shorter side in pixels, or (height, width); None leaves the size."""
    crop: int | tuple[int, int] | None = None
    """Centre crop in pixels, or (height, width); None crops nothing."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from the values in 0…1, one a channel."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divided by afterwards, one a channel."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    """Of the resize; always antialiased."""

    @field_validator("mean", "std", mode="after")
    @classmethod
    def _three_channels(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) == 1:
            return value * 3
        if len(value) != 3:
            raise ValueError(f"expected 1 or 3 numbers, one a channel; got {len(value)}")
        return value

    @field_validator("std", mode="after")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError(f"expected deviations above 0; got {list(value)}")
        return value


class ModelSection(Options):
    """Which classifier: the adapter, what every adapter takes, and the adapter's own options."""

    adapter: str
    """Name of a classifier plug-in: `auditor list` shows them."""
    classes: tuple[str, ...] | ConfigPath | None = None
    """Class names in index order, or a text file with one a line; null: the model's or the data's own."""
    target_layer: str | None = None
    """Dotted name of the layer that is explained; null: the last layer with a spatial map."""
    options: SerializeAsAny[Options] = Options()


class DataSection(Options):
    """Which data set: the adapter and the adapter's own options."""

    adapter: str
    """Name of a data set plug-in: `auditor list` shows them."""
    options: SerializeAsAny[Options] = Options()


class SliceSection(Options):
    """How the data is cut into slices."""

    min_support: int = Field(30, ge=2)
    """Slices with fewer samples are listed, but not tested."""
    intersections: bool = True
    """Whether pairs of attributes are crossed as well."""
    quantiles: int = Field(4, ge=2, le=20)
    """Into how many bands of equal support numeric attributes are cut."""
    edges: dict[str, tuple[float, ...]] = {}
    """Inner edges for a numeric attribute, such as `age: [18, 65]`, instead of quantiles."""
    properties: bool | tuple[str, ...] = True
    """Properties computed from the images that they are cut by as well: all, none, or a list of names."""

    @field_validator("properties", mode="after")
    @classmethod
    def _known(cls, value: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        unknown = (
            [] if isinstance(value, bool) else sorted(set(value) - set(image_properties.NAMES))
        )
        if unknown:
            raise ValueError(
                f"expected some of {', '.join(image_properties.NAMES)}; {unknown[0]!r} is none of them"
            )
        return value

    @property
    def computed(self) -> tuple[str, ...]:
        """The chosen properties' columns in ``predictions.parquet``."""
        chosen = self.properties if isinstance(self.properties, tuple) else image_properties.NAMES
        return tuple(property_column(name) for name in chosen) if self.properties else ()


class ExplainSection(Options):
    """Which attribution maps are computed, and for how many samples."""

    explainer: str = "guided-grad-cam"
    """Name of an explainer plug-in: the detail view beside Grad-CAM."""
    precision: Literal["exact", "fast", "bf16"] = "exact"
    """How the maps are computed; fast and bf16 use a copy that is checked against the model."""
    targets: tuple[Role, ...] = ("predicted", "label")
    """Explained classes of each failure."""
    contrast: bool = True
    """Whether as many correct samples of the same slices are explained for comparison."""
    mean_samples: int = Field(40, ge=1)
    """Largest number of samples behind the mean map of an attribute value within a class."""
    mean_cells: int = Field(120, ge=0)
    """Largest number of mean maps; those with the most samples are made."""
    trust_samples: int = Field(8, ge=0)
    """Samples on which the trust in the maps is measured, about 110 forwards each; 0: not at all."""
    units: int = Field(3, ge=0)
    """Units of the target layer shown for each of the gravest findings; 0: none."""
    unit_samples: int = Field(500, ge=1)
    """Samples among which the images that excite a unit most are sought."""


class JudgeSection(Options):
    """When a difference counts as found."""

    alpha: float = Field(0.05, gt=0, lt=1)
    """False discovery rate over all tests of the audit (Benjamini–Hochberg)."""


class GateSection(Options):
    """When the audit does not pass."""

    severity: Severity | None = "alert"
    """Exit code 1 if a finding is at least this severe; null: never."""


class ReportSection(Options):
    """Which documents are written."""

    formats: tuple[str, ...] = ("html", "pdf")
    """Names of renderer plug-ins."""
    options: dict[str, SerializeAsAny[Options]] = {}
    """Options of renderers by name, such as `pdf: {failures: 200, attach: true}`."""
    templates: ConfigPath | None = None
    """Folder whose templates go before the built-in ones of the same names."""
    compliance: tuple[str, ...] | None = None
    """Names of the rules in the appendix; null: all of `configs/compliance`."""


class AboutSection(Options):
    """What only people know about the model and its data; what is missing is shown as missing."""

    purpose: str | None = None
    """Intended purpose and the people it concerns."""
    provider: str | None = None
    """Who puts it into service."""
    version: str | None = None
    """Which version of the model this is."""
    data: str | None = None
    """Where the data comes from and how it was collected and labelled."""
    persons: str | None = None
    """Who is responsible for the model and for this audit."""
    criteria: str | None = None
    """When the model is acceptable, and why these limits."""
    sensitive: tuple[str, ...] = ()
    """Attributes that deserve special protection."""
    selected: str | None = None
    """The class that counts as selected, where the model chooses people."""


class AuditConfig(Options):
    """One audit, completely described."""

    name: str = Field(min_length=1)
    """Title of the report and name of the run folder."""
    model: ModelSection
    data: DataSection
    preprocess: Preprocess | None = None
    """Null: the transforms that the model's weights carry; an error where they carry none."""
    slices: SliceSection = SliceSection()
    explain: ExplainSection = ExplainSection()
    checks: dict[str, SerializeAsAny[Options] | Literal[False]] = {}
    """Options of checks by name; all checks run, unless set to false."""
    judge: JudgeSection = JudgeSection()
    gate: GateSection = GateSection()
    report: ReportSection = ReportSection()
    about: AboutSection = AboutSection()
    seed: int = Field(0, ge=0)
    """Of everything that is drawn at random."""
    batch_size: int = Field(32, ge=1)
    """Images in one forward pass."""
    workers: int | None = Field(None, ge=0)
    """Processes that decode images; null: chosen from the number of cores."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs."""

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> AuditConfig:
        """Reads a configuration file.

        Args:
            path: YAML file.
            overrides: ``key.path=value`` strings, the values in YAML.

        Returns:
            The configuration with every default filled in and every path absolute.

        Raises:
            ConfigError: no such file, no mapping in YAML, or a key or value that is not allowed.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"expected a configuration file at {path}; {error.strerror or error}: give the path "
                "of a YAML file, or write one with `auditor init`"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: expected YAML; {error}") from error
        if not isinstance(raw, dict):
            raise ConfigError(
                f"{path}: expected a mapping such as `name: …`, `model: …`, `data: …`; got "
                f"{'nothing' if raw is None else type(raw).__name__}"
            )
        for override in overrides:
            _set(raw, override)
        try:
            return cls.parse(raw, base=path.resolve().parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, raw: Mapping[str, Any], base: Path | None = None) -> AuditConfig:
        """Validates a configuration that was read already.

        Args:
            raw: the mapping as it stands in the file.
            base: folder that relative paths start from; None leaves them relative.

        Raises:
            ConfigError: a key or value that is not allowed, with its place.
        """
        filled = dict(raw)
        kinds: tuple[tuple[str, Kind, type[Options]], ...] = (
            ("model", "classifier", ModelSection),
            ("data", "dataset", DataSection),
        )
        for key, kind, section in kinds:
            if isinstance(raw.get(key), Mapping):
                filled[key] = _split_options(dict(raw[key]), key, kind, section, base)
        if isinstance(raw.get("checks"), Mapping):
            filled["checks"] = dict(_checks(raw["checks"], base))
        report = raw.get("report")
        if isinstance(report, Mapping) and isinstance(report.get("options"), Mapping):
            options = {
                name: _validate(
                    _plugin("renderer", str(name), "report.options"),
                    value or {},
                    base,
                    f"report.options.{name}.",
                )
                for name, value in report["options"].items()
            }
            filled["report"] = {**report, "options": options}
        config: AuditConfig = _validate(cls, filled, base)
        registry.get("explainer", config.explain.explainer)
        for name in config.report.formats:
            registry.get("renderer", name)
        return config

    def effective(self) -> dict[str, Any]:
        """The configuration as a mapping in the shape of the file, defaults included."""
        dumped: dict[str, Any] = self.model_dump(mode="json")
        for key in ("model", "data"):
            dumped[key] |= dumped[key].pop("options")
        defaults = {name: check() for name, check in registry.all_of("check").items()}
        dumped["checks"] = {
            name: one.model_dump(mode="json") for name, one in defaults.items()
        } | dumped["checks"]
        return dumped


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file, with the options of every installed plug-in."""
    schema = AuditConfig.model_json_schema()
    definitions = schema["$defs"]
    sections: tuple[tuple[str, Kind], ...] = (
        ("ModelSection", "classifier"),
        ("DataSection", "dataset"),
    )
    for section, kind in sections:
        common = dict(definitions[section]["properties"])
        del common["options"]
        adapters = []
        for name, adapter in registry.all_of(kind).items():
            own = adapter.model_json_schema()
            definitions |= own.pop("$defs", {})
            own["properties"] = common | own.get("properties", {}) | {"adapter": {"const": name}}
            own["required"] = ["adapter", *own.get("required", [])]
            adapters.append(own)
        definitions[section] = {"oneOf": adapters}
    checks = {}
    for name, check in registry.all_of("check").items():
        own = check.model_json_schema()
        definitions |= own.pop("$defs", {})
        checks[name] = {"anyOf": [own, {"const": False}]}
    schema["properties"]["checks"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": checks,
    }
    return schema


def _validate(model: type[Any], raw: Mapping[str, Any], base: Path | None, prefix: str = "") -> Any:
    try:
        return model.model_validate(raw, context={"base": base})
    except ValidationError as error:
        raise ConfigError(
            "; ".join(_sentence(model, item, prefix) for item in error.errors())
        ) from None


def _split_options(
    raw: dict[str, Any], key: str, kind: Kind, section: type[Options], base: Path | None
) -> dict[str, Any]:
    """Moves the adapter's own keys of a section below ``options`` and validates them."""
    if not isinstance(raw.get("adapter"), str):
        return raw
    options = _plugin(kind, raw["adapter"], f"{key}.adapter")
    common = {name: raw.pop(name) for name in section.model_fields if name in raw}
    own = set(options.model_fields) | (set(section.model_fields) - {"options"})
    for name in raw:
        if name not in own:
            raise ConfigError(_unknown(f"{key}.{name}", name, own))
    return common | {"options": _validate(options, raw, base, f"{key}.")}


def _checks(raw: Mapping[str, Any], base: Path | None) -> Iterator[tuple[str, Options | bool]]:
    for name, value in raw.items():
        check = _plugin("check", str(name), "checks")
        if value is False:
            yield name, False
        elif value is None or value is True or isinstance(value, Mapping):
            yield (
                name,
                _validate(
                    check, value if isinstance(value, Mapping) else {}, base, f"checks.{name}."
                ),
            )
        else:
            raise ConfigError(
                f"checks.{name}: expected options such as `{{max_gap: 0.05}}`, or false; got {value!r}"
            )


def _plugin(kind: Kind, name: str, place: str) -> type[Options]:
    try:
        return registry.get(kind, name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _set(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: expected key.path=value; got {override!r}")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override}: {parent} holds {inner!r} and has no keys below it"
            )
        place = inner
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: expected a value in YAML; {error}") from error


def _sentence(model: type[Options], item: Any, prefix: str) -> str:
    place = prefix + ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return _unknown(place, str(item["loc"][-1]), _keys(model, item["loc"][:-1]))
    if item["type"] == "missing":
        return f"{place}: expected a value; there is none"
    got = "" if isinstance(item["input"], Options) else f"; got {item['input']!r}"
    said = item["msg"].removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}{got}"


def _unknown(place: str, name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
    return f"{place}: unknown key; {hint}"


def _keys(model: type[Options], path: tuple[int | str, ...]) -> set[str]:
    """The keys that are allowed at a place of the configuration."""
    for part in path:
        field: FieldInfo | None = model.model_fields.get(str(part))
        inner = (
            [
                kind
                for kind in (field.annotation, *get_args(field.annotation))
                if isinstance(kind, type) and issubclass(kind, Options)
            ]
            if field is not None
            else []
        )
        if not inner:
            return set()
        model = inner[0]
    return set(model.model_fields)
