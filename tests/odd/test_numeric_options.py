"""Numbers out of range are refused before anything is read, in a message that names the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from builders.configurations import write_config

from auditor import registry
from auditor.config import AuditConfig
from auditor.errors import ConfigError
from auditor.registry import Options

SECTIONS = ("slices", "explain", "judge", "gate", "plan")
NEVER = (".nan", ".inf", "-.inf", str(10**18))
"""What no numeric option accepts, in YAML."""

# Key, then values that it refuses besides those, then values that it accepts.
TABLE: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("preprocess.resize", ("0", "-1", "0.5", "10001", "[0, 32]", "[32, -1]"), ("1", "[32, 64]")),
    ("preprocess.crop", ("0", "-1", "0.5", "10001", "[32, 0]", "[32, 20000]"), ("1", "[1, 1]")),
    ("preprocess.mean", ("1e30", "[.nan]", "[.inf, 0, 0]", "[1e30]"), ("[0]", "[-1, 0, 1]")),
    ("preprocess.std", ("[0]", "[-1]", "[1e-30]", "[.nan, 1, 1]", "[1e30]"), ("[0.2]", "[58]")),
    ("slices.min_support", ("0", "-1", "1", "2.5"), ("2",)),
    ("slices.quantiles", ("0", "-1", "1", "21"), ("2", "20")),
    ("slices.intersections", ("-1", "4"), ("2", "3", "false")),
    ("slices.edges", ("{age: [.nan]}", "{age: [.inf]}", "{age: 3}"), ("{age: [0, 18]}",)),
    ("explain.mean_samples", ("0", "-1"), ("1",)),
    ("explain.mean_cells", ("-1",), ("0",)),
    ("explain.trust_samples", ("-1",), ("0",)),
    ("explain.units", ("-1",), ("0",)),
    ("explain.unit_samples", ("0", "-1"), ("1",)),
    ("judge.alpha", ("0", "-1", "1", "5"), ("0.1",)),
    ("gate.exclude_gap", ("0", "-1", "1.5"), ("1", "0.1")),
    ("gate.min_samples", ("0", "-1"), ("1",)),
    ("gate.max_unusable", ("-1", "1.5"), ("0", "1")),
    ("plan.power", ("0", "-1", "0.5", "1"), ("0.9",)),
    ("plan.assume", ("{accuracy: .nan}", "{accuracy: .inf}"), ("{accuracy: 0.9}",)),
    ("decision.threshold", ("0", "-1", "1", "50"), ("0.5",)),
    ("population", ("{sex: {f: .nan, m: 1}}", "{sex: {f: -1, m: 2}}"), ("{sex: {f: 1, m: 0}}",)),
    ("seed", ("-1", "0.5"), ("0", "4294967295")),
    ("batch_size", ("0", "-1", "1000000"), ("1",)),
    ("workers", ("-1", "100000"), ("0",)),
    ("report.options.pdf.failures", ("-1",), ("0",)),
    ("checks.performance-gap.max_gap", ("-1", "2"), ("0", "1")),
    ("checks.performance-gap.max_ratio", ("0", "-1", "1"), ("1.5",)),
    ("checks.prediction-dependence.permutations", ("0", "-1", str(10**9)), ("999",)),
)


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, refused, _ in TABLE for value in (*refused, *NEVER)],
)
def test_number_out_of_range_is_refused_by_its_key(key: str, value: str, tmp_path: Path) -> None:
    path = write_config(tmp_path, {})
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path, [f"{key}={value}"])
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, _, accepted in TABLE for value in accepted]
)
def test_number_at_the_end_of_its_range_is_accepted(key: str, value: str, tmp_path: Path) -> None:
    AuditConfig.load(write_config(tmp_path, {}), [f"{key}={value}"])


@pytest.mark.parametrize("limit", ["0", "-1", "1", "2", *NEVER])
@pytest.mark.parametrize("side", ["at_least", "at_most"])
def test_limit_of_a_criterion_out_of_range_is_refused(
    side: str, limit: str, tmp_path: Path
) -> None:
    text = f"criteria=[{{metric: accuracy, {side}: {limit}}}]"
    with pytest.raises(ConfigError, match=r"criteria\.0"):
        AuditConfig.load(write_config(tmp_path, {}), [text])


def _numeric_options() -> Iterator[tuple[str, str, type[Options]]]:
    """Every numeric option of every section and plug-in."""
    models = [(name, AuditConfig.model_fields[name].annotation) for name in SECTIONS]
    models += [
        (f"{kind} {name}", plugin)
        for kind in registry.PACKAGES
        for name, plugin in registry.all_of(kind).items()
    ]
    for place, model in models:
        assert isinstance(model, type)
        assert issubclass(model, Options)
        for name, field in model.model_fields.items():
            if field.annotation in {int, float, int | None, float | None}:
                yield place, name, model


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**30, -(10**30)])
def test_no_option_accepts_numbers_that_are_not_finite_or_huge(value: float) -> None:
    accepted = []
    for place, name, model in _numeric_options():
        floating = model.model_fields[name].annotation in {float, float | None}
        if floating and abs(value) == 10**30:
            continue  # a large ratio means that nothing is reported
        with suppress(ValueError):
            model.model_validate({name: value})
            accepted.append(f"{place}.{name}")
    assert not accepted


@pytest.mark.parametrize(
    "key", ["batch_size", "workers", "seed", "slices.min_support", "judge.alpha"]
)
def test_boolean_is_no_number(key: str, tmp_path: Path) -> None:
    path = write_config(tmp_path, {})
    with pytest.raises(ConfigError, match=f"{key}: expected a number, not true or false"):
        AuditConfig.load(path, [f"{key}=true"])
