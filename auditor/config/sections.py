"""The sections of a configuration, with their defaults.

``AuditConfig.load`` reads a configuration file. Paths in a file are relative to that file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    field_validator,
)

from auditor import registry
from auditor.config import loading
from auditor.config.attribute_types import missing_values
from auditor.config.budget import KEY, CheckBudget
from auditor.config.criteria import Criterion, DefaultCriterion, require_consistent
from auditor.config.decision import DecisionSection, OutputKind
from auditor.config.devices import Device
from auditor.config.expected import ExpectedSection
from auditor.config.metrics import MetricsSection
from auditor.config.paths import ConfigPath
from auditor.config.plan import PlanSection
from auditor.config.population import PopulationShares
from auditor.config.preprocess import Preprocess
from auditor.config.redact import RedactSection
from auditor.errors import ConfigError
from auditor.records import AttributeRole, Role, Severity, image_properties
from auditor.records.decisions import TaskName
from auditor.records.display_names import DisplayNames
from auditor.records.predictions import property_column
from auditor.registry import Options

Arithmetic = Literal["exact", "tf32", "amp"]
"""``exact``: the dtype of the model's weights, on CUDA without TF32. ``tf32``: on CUDA, convolutions and
matrix products in TF32; elsewhere as ``exact``. ``amp``: torch's automatic mixed precision."""


class ModelSection(Options):
    """The classifier: its adapter, the options that all adapters share, and the adapter's own ones."""

    adapter: str
    """Name of a classifier plug-in; see `auditor list`."""
    classes: tuple[str, ...] | ConfigPath | None = None
    """Class names in index order, or a text file with one per line; null: from the weights or the data."""
    target_layer: str | None = None
    """Dotted name of the layer used by Grad-CAM; null: the last layer with a spatial map."""
    output: OutputKind | None = None
    """What the network returns; null: recognised on a few images."""
    output_key: str | int | None = None
    """Name or position of the logits, if the network returns a dict, tuple or dataclass; null: `logits` or
    another usual name, or else the only entry (N, K)."""
    allow_download: bool = False
    """Whether weights that are not on this machine are downloaded; `--allow-download` sets it."""
    expected: ExpectedSection = ExpectedSection()
    """Published results of the model on such data."""
    options: SerializeAsAny[Options] = Options()

    @field_validator("classes", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        others = (
            [one for one in value if not isinstance(one, str)] if isinstance(value, list) else []
        )
        if others:
            raise ValueError(
                f"expected names as text, but {others[0]!r} is not: YAML reads no, yes, off, on, false "
                "and true as booleans, and 0 and 007 as numbers: write such names in quotes, such as "
                "`classes: ['no', 'yes']`"
            )
        return value


class DataSection(Options):
    """The data set: its adapter and the adapter's own options."""

    adapter: str
    """Name of a data set plug-in; see `auditor list`."""
    missing: Annotated[tuple[str, ...], BeforeValidator(missing_values)] = ()
    """Attribute values that mean "missing", such as `[unknown, -1]`, besides empty cells. Among numbers,
    NA, N/A, NaN, null and None are missing as well; elsewhere they are values unless listed here."""
    options: SerializeAsAny[Options] = Options()


class SliceSection(Options):
    """How the data is divided into slices."""

    min_support: int = Field(30, ge=2)
    """Slices with fewer samples are listed but not tested."""
    intersections: bool | Literal[2, 3] = True
    """Whether the intersections of two attributes are slices too; 3: also those of three attributes."""
    quantiles: int = Field(4, ge=2, le=20)
    """Number of bands of equal support into which a numeric attribute is divided."""
    edges: dict[str, tuple[float, ...]] = {}
    """Inner edges of a numeric attribute, such as `age: [18, 65]`, instead of quantiles."""
    reference: dict[str, str] = {}
    """The value with which the other values of an attribute are compared, such as `site: A`."""
    roles: dict[str, AttributeRole] = {}
    """What attributes are: `confounder` (severities follow the gaps with it held fixed), `mediator` (its part
    of a gap is shown, and excuses nothing) or `diagnostic` (a part of what defines the label)."""
    properties: bool | tuple[str, ...] = True
    """Image properties to slice by as well: true (all), false (none), or a list of names."""

    @field_validator("properties", mode="after")
    @classmethod
    def _known(cls, value: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        unknown = (
            [] if isinstance(value, bool) else sorted(set(value) - set(image_properties.NAMES))
        )
        if unknown:
            raise ValueError(
                f"expected names among {', '.join(image_properties.NAMES)}; got {unknown[0]!r}"
            )
        return value

    @property
    def most_crossed(self) -> int:
        """Largest number of attributes in an intersection; 1 for none."""
        return (
            (2 if self.intersections else 1)
            if isinstance(self.intersections, bool)
            else self.intersections
        )

    @property
    def computed(self) -> tuple[str, ...]:
        """Columns of the chosen properties in ``predictions.parquet``."""
        chosen = self.properties if isinstance(self.properties, tuple) else image_properties.NAMES
        return tuple(property_column(name) for name in chosen) if self.properties else ()


class ExplainSection(Options):
    """Which attribution maps are computed, and for how many samples."""

    explainer: str = "guided-grad-cam"
    """Name of an explainer plug-in, shown as the detail view beside Grad-CAM."""
    precision: Literal["exact", "fast", "bf16"] = "exact"
    """Precision of the maps; fast and bf16 use a copy that is checked against the model."""
    targets: tuple[Role, ...] = ("predicted", "label")
    """Classes for which each failure is explained."""
    contrast: bool = True
    """Whether an equal number of correct samples of the same slices is explained for comparison."""
    max_failures: int | None = Field(None, ge=0)
    """Maximum number of failures that are explained, those with the largest loss; null: all of them."""
    mean_samples: int = Field(40, ge=1)
    """Maximum number of samples in the mean map of an attribute value within a class."""
    mean_cells: int = Field(120, ge=0)
    """Maximum number of mean maps; those with the most samples are computed."""
    trust_samples: int = Field(50, ge=0)
    """Largest number of samples for the map sanity checks, about 52 forward passes each; 0: no checks. They
    take at most half the passes of predicting and explaining, but 20 samples in any case."""
    units: int = Field(3, ge=0)
    """Units of the target layer shown for each of the most severe findings; 0: none."""
    unit_samples: int = Field(500, ge=1)
    """Samples searched for the images that activate a unit most."""


class JudgeSection(Options):
    """When a difference is significant."""

    alpha: float = Field(0.05, gt=0, lt=1)
    """Bound on the probability that more errors are reported falsely for any attribute value, and on the
    false discovery rate of all other tests."""


class GateSection(Options):
    """When the audit does not pass, and when it cannot be judged."""

    severity: Severity | None = "alert"
    """Findings of at least this severity block the gate (exit code 1); null: the audit only reports."""
    exclude_gap: float = Field(0.1, gt=0, le=1)
    """Gap in error rate that the 95 % interval of every testable slice must exclude to pass."""
    min_samples: int = Field(30, ge=1)
    """With fewer evaluated samples the audit cannot be judged."""
    max_unusable: float = Field(0.05, ge=0, le=1)
    """With a larger share of samples that could not be evaluated the audit cannot be judged."""
    criteria: tuple[DefaultCriterion, ...] = ("baseline", "recall", "finite-outputs", "confidence")
    """Default criteria that apply beside the configured ones."""
    blocking: tuple[str, ...] | None = None
    """Names of the configured criteria that block the gate; null: all of them."""
    when_undecided: Literal["fail", "pass"] = "fail"
    """Exit code of an audit that cannot be judged: 4 (fail) or 0 (pass)."""


class ReportSection(Options):
    """Documents to write."""

    formats: tuple[str, ...] = ("html", "pdf")
    """Names of renderer plug-ins."""
    options: dict[str, SerializeAsAny[Options]] = {}
    """Options of renderers by name, such as `pdf: {failures: 200, attach: true}`."""
    templates: ConfigPath | None = None
    """Folder with templates that replace built-in ones of the same name."""
    previous: ConfigPath | None = None
    """Folder of the previous audit, for the change history beside the signatures."""
    compliance: tuple[str, ...] | None = ()
    """Names of the rules in the regulatory cross-reference, such as `eu-ai-act`; null: all of them."""
    min_cell: int = Field(10, ge=1)
    """Smallest number of samples for which documents show a value of an attribute in `about.sensitive`."""
    min_failures: int = Field(1, ge=1)
    """Smallest number of failures, if there are any, and of correct predictions for which documents show such
    a value; 1: any number."""
    redact: RedactSection | None = None
    """What a redacted copy leaves out; if set, `auditor run` also writes one, `<run>-redacted`."""


class AboutSection(Options):
    """Facts about the model and its data that no audit can measure; missing ones are shown as missing."""

    purpose: str | None = None
    """Intended purpose, and the people it affects."""
    provider: str | None = None
    """Who puts it into service."""
    version: str | None = None
    """Version of the model."""
    data: str | None = None
    """Where the data comes from and how it was collected and labelled."""
    persons: str | None = None
    """Who is responsible for the model and for this audit."""
    criteria: str | None = None
    """Acceptance criteria, and the reasons for their limits."""
    sensitive: tuple[str, ...] = ()
    """Protected attributes; their gaps keep findings of their own, and no sample's value is shown."""
    selected: str | None = None
    """The class that means "selected", if the model selects people."""


class AuditConfig(Options):
    """The complete configuration of one audit."""

    name: str = Field(min_length=1)
    """Title of the report and name of the run folder."""
    model: ModelSection
    data: DataSection
    task: TaskName = "single-label"
    """`single-label`: one of several classes; `binary`: one of two; `multi-label`: any number of labels."""
    decision: DecisionSection = DecisionSection()
    preprocess: Preprocess | None = None
    """How images are preprocessed; null: with the transforms stored with the weights."""
    slices: SliceSection = SliceSection()
    metrics: MetricsSection = MetricsSection()
    explain: ExplainSection = ExplainSection()
    checks: dict[str, SerializeAsAny[Options] | Literal[False]] = {}
    """Options of checks by name; a check runs unless it is set to false. `budget` is that of all checks."""
    judge: JudgeSection = JudgeSection()
    gate: GateSection = GateSection()
    criteria: tuple[Criterion, ...] = ()
    """Acceptance criteria, each met, missed or undecided by the bound of its interval."""
    plan: PlanSection = PlanSection()
    population: PopulationShares = {}
    """Shares of the target population, such as `sex: {female: 0.51, male: 0.49}`; tests stay unweighted."""
    display_names: DisplayNames = DisplayNames()
    """Names in documents for people; JSON, CSV and SARIF keep the names of the data."""
    report: ReportSection = ReportSection()
    about: AboutSection = AboutSection()
    seed: int = Field(0, ge=0)
    """Seed of all random draws."""
    batch_size: int = Field(32, ge=1, le=65_536)
    """Number of images in one forward pass."""
    workers: int | None = Field(None, ge=0, le=1024)
    """Number of processes that decode images; null: chosen from the number of cores."""
    device: Device = "auto"
    """Where the model runs: `auto`, `cpu`, `cuda`, one of several GPUs such as `cuda:1`, or `mps`."""
    precision: Arithmetic = "exact"
    """Arithmetic of predictions: the model's own; on CUDA with TF32; or automatic mixed precision. Maps
    have `explain.precision`."""

    @field_validator("criteria", mode="after")
    @classmethod
    def _consistent(cls, criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
        require_consistent(criteria)
        return criteria

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> AuditConfig:
        """Reads a configuration file.

        Args:
            path: YAML file.
            overrides: ``key.path=value`` strings with values in YAML.

        Returns:
            The configuration with all defaults filled in and all paths absolute.

        Raises:
            ConfigError: the file does not exist, is not a YAML mapping, or contains a key or value
                that is not allowed.
        """
        raw = loading.read_yaml(path)
        for override in overrides:
            loading.apply_override(raw, override)
        try:
            return cls.parse(raw, base=path.resolve().parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, raw: Mapping[str, Any], base: Path | None = None) -> AuditConfig:
        """Validates a configuration that has already been read.

        Args:
            raw: the mapping in the shape of the file.
            base: folder to which paths are relative; None keeps them relative.

        Raises:
            ConfigError: a key or value is not allowed; the message names its place.
        """
        filled = loading.split_adapter_options(raw, "model", "classifier", ModelSection, base)
        filled = loading.split_adapter_options(filled, "data", "dataset", DataSection, base)
        filled = loading.parse_check_options(filled, base)
        filled = loading.parse_renderer_options(filled, base)
        config = loading.validate(cls, filled, base)
        config.require_known_criteria()
        loading.plugin_at("explainer", config.explain.explainer, "explain.explainer")
        for name in config.report.formats:
            loading.plugin_at("renderer", name, "report.formats")
        return config

    def require_known_criteria(self) -> None:
        """Checks that ``gate.blocking`` names configured criteria.

        Raises:
            ConfigError: it names another one.
        """
        names = [one.name for one in self.criteria if one.name is not None]
        for name in self.gate.blocking or ():
            if name not in names:
                known = ", ".join(names) or "(none has a `name`)"
                raise ConfigError(
                    f"gate.blocking: expected names of configured criteria, out of {known}; got "
                    f"{name!r}"
                )

    def effective(self) -> dict[str, Any]:
        """The configuration as a mapping in the shape of the file, defaults included."""
        dumped: dict[str, Any] = self.model_dump(mode="json")
        for key in ("model", "data"):
            dumped[key] |= dumped[key].pop("options")
        defaults = {
            name: check().model_dump(mode="json")
            for name, check in registry.all_of("check").items()
        }
        dumped["checks"] = {KEY: CheckBudget().model_dump()} | defaults | dumped["checks"]
        return dumped
