"""The pages of the documentation agree with the code."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import auditor
from auditor import cli, exit_codes, registry
from auditor.config import AuditConfig
from auditor.records.outcome import EXIT_CODES
from website.pages import PAGES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_page_made_from_the_code_is_up_to_date(page: str) -> None:
    assert text_of(page) == PAGES[page](), "run `python -m website`"


@pytest.mark.parametrize("kind", ["check", "classifier", "dataset", "explainer", "renderer"])
def test_every_plugin_has_a_section(kind: registry.Kind) -> None:
    place = {
        "check": "checks/",
        "classifier": "adapters.md",
        "dataset": "adapters.md",
        "explainer": "explainers.md",
        "renderer": "documents.md",
    }[kind]
    text = "".join(text_of(page) for page in PAGES if page.startswith(place))
    own = [name for name, one in registry.all_of(kind).items() if "auditor." in one.__module__]
    assert own
    assert not [name for name in own if f"\n`{name}` ·" not in text and f"## `{name}`" not in text]


def test_every_check_states_its_limits() -> None:
    pages = "".join(text_of(page) for page in PAGES if page.startswith("checks/"))
    sections = re.split(r"\n## (?=.*\{#)", pages)[1:]
    assert len(sections) >= 27
    assert not [one.partition("\n")[0] for one in sections if "**Limits.**" not in one]


def test_commands_page_lists_every_command() -> None:
    table = text_of("commands.md").split("## Exit codes")[0]
    listed = set(re.findall(r"^\| `auditor ([a-z]+)", table, re.MULTILINE))
    assert listed == set(get_command(cli.app).commands)  # type: ignore[attr-defined]


def test_exit_codes_are_those_of_the_command_line() -> None:
    table = text_of("commands.md").split("## Exit codes")[1]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {
        exit_codes.PASSED,
        exit_codes.BLOCKED,
        exit_codes.USAGE_ERROR,
        exit_codes.ABORTED,
        exit_codes.INTERRUPTED,
        EXIT_CODES["undecided"],
    }


def _blocks(text: str) -> list[dict[str, Any]]:
    """The parts of configurations that a page shows; lists and Kubernetes jobs are for other programs."""
    blocks = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    return [one for one in blocks if isinstance(one, dict) and "apiVersion" not in one]


def _configurations(page: str) -> list[AuditConfig]:
    """Each excerpt of a page, completed from the README's configuration."""
    whole = _blocks(README)[0]
    del whole["criteria"]  # they name a class that other pages do not have
    found = []
    for one in _blocks(text_of(page)):
        parts = {
            name: whole.get(name, {}) | part
            if isinstance(part, dict) and "adapter" not in part
            else part
            for name, part in one.items()
        }
        found.append(AuditConfig.parse(whole | parts))
    return found


@pytest.mark.parametrize(
    "page", [one for one in WRITTEN if "```yaml" in text_of(one) and one != "plugins.md"]
)
def test_configuration_on_a_page_is_valid(page: str) -> None:
    _configurations(page)


def test_pages_show_the_configurations_that_they_explain() -> None:
    assert any(
        one.slices.roles.get("age") == "confounder" for one in _configurations("findings.md")
    )
    assert any(one.about.sensitive == ("race",) for one in _configurations("findings.md"))
    attributes = _configurations("attributes.md")
    assert any(one.slices.reference == {"site": "A"} for one in attributes)
    assert any(one.population for one in attributes)
    assert {one.task for one in _configurations("tasks.md")} == {"binary", "multi-label"}
    assert any(len(one.criteria) == 4 for one in _configurations("passing.md"))
    assert any(one.model.expected.accuracy == 0.918 for one in _configurations("own-model.md"))


def test_check_on_the_plugin_page_is_the_one_that_is_tested() -> None:
    # tests/test_plugins_from_a_distribution.py runs the check of this docstring in an audit.
    (shown,) = re.findall(r"```python\n(.*?)```", text_of("plugins.md"), re.DOTALL)
    assert textwrap.indent(shown, "    ", lambda line: bool(line.strip())) in (
        registry.__doc__ or ""
    )


@pytest.mark.parametrize("page", WRITTEN)
def test_page_has_one_title_and_names_no_machine(page: str) -> None:
    text = text_of(page)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^# .+", outside, re.MULTILINE)
    assert len(titles) == 1 or text.startswith("--8<--")
    assert not re.search(r"pypi\.org|/root/|/tmp/", text)


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 20
    assert not [one for one in links if not (ROOT / one).exists()]


def test_images_of_the_documentation_are_small() -> None:
    images = [*DOCS.rglob("*.png")]
    assert images
    assert not [path.name for path in images if path.stat().st_size > 120_000]


def test_citation_and_changes_name_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == auditor.__version__
    assert all({"title", "authors", "year", "type"} <= set(one) for one in citation["references"])
    assert auditor.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
