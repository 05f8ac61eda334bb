"""Configurations with mistakes that are found before anything is predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.configurations import write_config

from auditor.attributes.stated_names import require_stated_names
from auditor.config import AuditConfig
from auditor.config.yaml_files import parse_yaml
from auditor.errors import ConfigError


def _require(folder: Path, changes: dict[str, Any], attributes: tuple[str, ...]) -> None:
    config = AuditConfig.load(write_config(folder, changes))
    require_stated_names(config, attributes, ("hired", "rejected"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"about": {"sensitive": ["Sex "]}},
            "about.sensitive: expected one of the attributes sex, age, image",
        ),
        ({"about": {"sensitive": ["sexx"]}}, "got 'sexx': did you mean 'sex'?"),
        ({"about": {"sensitive": ["image.brightnes"]}}, "did you mean 'image.brightness'?"),
        ({"about": {"selected": "Hired"}}, "about.selected: expected one of the classes hired and"),
        ({"about": {"selected": "Hired"}}, "got 'Hired': did you mean 'hired'?"),
        ({"about": {"selected": "zzz"}}, "got 'zzz': correct the spelling"),
        ({"slices": {"edges": {"agge": [18]}}}, "slices.edges: expected one of the attributes"),
        ({"slices": {"reference": {"AGE": "1"}}}, "slices.reference: expected one of the"),
        ({"slices": {"roles": {"seks": "mediator"}}}, "slices.roles: expected one of the"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest_one(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        _require(tmp_path, changes, ("sex", "age"))
    assert message in str(caught.value)


def test_name_of_an_attribute_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"slices\.roles: .* the data has no attributes"):
        _require(tmp_path, {"slices": {"roles": {"sex": "mediator"}}}, ())


def test_known_names_are_accepted(tmp_path: Path) -> None:
    about = {"sensitive": ["sex", "image.brightness"], "selected": "hired"}
    slices = {"edges": {"age": [18]}, "reference": {"sex": "f"}, "roles": {"age": "mediator"}}
    _require(tmp_path, {"about": about, "slices": slices}, ("sex", "age"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' is given twice"),
        ("data:\n  label: x\n  path: y\n  label: z\n", "line 4, column 3: the key 'label'"),
        ("? [a, b]\n: 1\n", "line 1, column 3: a key is a list or a mapping"),
        ("name: [", "line 1, column 8: expected the node content"),
        ("[" * 5000, "it is nested too deeply"),
        ("a: &a [1]\nb: [" + "*a, " * 101 + "]", "more than 100 aliases"),
        ("seed: " + "9" * 5000, "Exceeds the limit"),
        ("name: \x00", "line 1 contains a NUL character"),
        ("name: \x07", "unacceptable character"),
        ('name: "a\\0b"', "line 1, column 7: the character '\\x00' is not allowed"),
        ('name: "\\ud800"', "line 1, column 7: the character '\\ud800' is not allowed"),
        ("name: !!python/name:os.system x", "could not determine a constructor"),
    ],
)
def test_yaml_with_a_mistake_is_refused_in_one_line(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path)
    assert str(caught.value).startswith(f"{path}: expected YAML; ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_merge_that_overrides_a_key_is_not_a_repeated_key() -> None:
    text = "a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\n"
    assert parse_yaml(text) == {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}}


@pytest.mark.parametrize("classes", ["[no, yes]", "[0, 1]", "[a, null]", "[a, [b]]"])
def test_class_names_that_yaml_does_not_read_as_text_are_explained(
    classes: str, tmp_path: Path
) -> None:
    path = write_config(tmp_path, {})
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path, [f"model.classes={classes}"])
    message = str(caught.value)
    assert "model.classes: expected names as text" in message
    assert "`classes: ['no', 'yes']`" in message
    assert message.count("model.classes") == 1


def test_quoted_class_names_are_accepted(tmp_path: Path) -> None:
    path = write_config(tmp_path, {})
    config = AuditConfig.load(path, ["model.classes=['no', 'yes']"])
    assert config.model.classes == ("no", "yes")


LONG = "9" * 5000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"seed={LONG}", "Exceeds the limit"),
        ("seed=0x" + "f" * 5000, "an integer has 20000 bits; expected at most 64"),
        ("seed=" + "9" * 400, "an integer has"),
        ('name="a\\0b"', "the character '\\x00' is not allowed: remove the escape"),
        ('data.path="a\\0b.csv"', "the character '\\x00' is not allowed"),
        ("name=" + "x" * 200_000, "a text has 200000 characters"),
        ("data.path=~nouser/x.csv", "data.path: the home folder of '~nouser' is not known"),
        ("data.path=https://x.org/t.csv", "data.path: expected a path; URLs are not downloaded"),
        ("data.path=s3://bucket/t.csv", "data.path: expected a path; URLs are not downloaded"),
        ("data.path=" + "x" * 5000, "data.path: expected names of at most 255 bytes in a path"),
        ("explain.explainer=lime", "explain.explainer: expected one of the explainer plug-ins"),
        ("report.formats=[docx]", "report.formats: expected one of the renderer plug-ins"),
        ("report.templates=~nouser/x", "the home folder of '~nouser' is not known"),
        ("name=" + "[" * 60 + "]" * 60, "nested too deeply"),
        ("name=" + "[" * 5000, "nested too deeply"),
        ("name=!!bool x", "a value does not match its tag"),
        ("name=2020-13-45", "month must be in 1..12"),
        ("x" * 5000 + "=1", "unknown key"),
        ("a" * 5000, "--set: expected key.path=value"),
        ("data.path=" + "9" * 19, "data.path: "),
    ],
)
def test_override_with_a_mistake_is_refused_in_one_short_message(
    override: str, message: str, tmp_path: Path
) -> None:
    path = write_config(tmp_path, {})
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("key", ["1", "null", "true", "1.5", "2020-01-01", ".nan", "~"])
@pytest.mark.parametrize("section", ["", "model", "slices", "checks", "about", "data"])
def test_key_that_is_no_text_is_refused(section: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.yaml"
    head = "adapter: timm, " if section == "model" else ""
    text = f"{section}: {{{head}{key}: x}}\n" if section else f"{key}: x\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b.yaml", "x" * 5000, "~nouser/a.yaml", "."])
def test_path_of_no_configuration_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(Path(name))
    assert len(str(caught.value)) < 1000
