"""Generated configurations, tables, annotations and results: read, or refused in one message."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.result_mutations import VALUES, places
from builders.small_runs import predictions, small_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.config import AuditConfig
from auditor.config.sections import AuditConfig as Sections
from auditor.datasets.coco import Coco
from auditor.datasets.manifest import Manifest
from auditor.errors import ConfigError, DataError, UsageError
from auditor.records.json_texts import parse_json_text
from auditor.records.parsing import parse_result
from fuzz.datasets import examine
from fuzz.edits import MARKERS, apply

BOUNDED = settings(
    max_examples=60,
    derandomize=True,  # the same examples on every machine
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([2**70, -1, 1e308, "", "\0", "~", "=1", "0x1f", "2001-01-01", *MARKERS])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
SECTIONS = st.sampled_from(sorted(Sections.model_fields))


def _refusal(read: Callable[[], object], kind: type[Exception]) -> str | None:
    """The message with which an input is refused; None if it is read."""
    try:
        read()
    except kind as error:
        return str(error)
    return None


LEAST: dict[str, Any] = {
    "name": "generated",
    "model": {"adapter": "torchvision", "architecture": "resnet18", "checkpoint": "x.pt"},
    "data": {"adapter": "manifest", "path": "x.csv"},
}


@BOUNDED
@given(changes=st.dictionaries(SECTIONS, TREES, max_size=2))
def test_configuration_of_any_tree_is_read_or_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "audit.yaml"
    path.write_bytes(yaml.dump({**LEAST, **changes}).encode("utf-8", "surrogatepass"))
    message = _refusal(lambda: AuditConfig.load(path), ConfigError)
    assert message is None or len(message) < 20_000


@BOUNDED
@given(
    section=st.sampled_from(["model", "data", "slices", "report", "gate"]),
    tree=TREES,
    data=st.data(),
)
def test_configuration_with_any_value_of_a_known_key_is_read_or_refused(
    section: str, tree: Any, data: st.DataObject, tmp_path: Path
) -> None:
    known = Sections.model_fields[section].annotation
    assert known is not None
    key = data.draw(st.sampled_from(sorted(known.model_fields)))
    raw = copy.deepcopy(LEAST)
    raw[section] = {**raw.get(section, {}), key: tree}
    path = tmp_path / "audit.yaml"
    path.write_bytes(yaml.dump(raw).encode("utf-8", "surrogatepass"))
    message = _refusal(lambda: AuditConfig.load(path), ConfigError)
    assert message is None or message.startswith(str(path))


@BOUNDED
@given(content=st.binary(max_size=60) | st.text(alphabet="ab:[]{}&*!<>|-\n\t \"'#%@?", max_size=60))
def test_configuration_of_any_bytes_is_refused(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "audit.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError):
        AuditConfig.load(path)


@pytest.mark.parametrize("levels", [40, 60])  # 80 aliases for 2 ** 40 values; 120 aliases
@pytest.mark.parametrize("pattern", ["[{0}, {0}]", "{{x: {0}, y: {0}}}"])
def test_aliases_that_multiply_are_refused(pattern: str, levels: int, tmp_path: Path) -> None:
    inner = (f"a{k}: &a{k} {pattern.format(f'*a{k - 1}')}" for k in range(1, levels))
    path = tmp_path / "audit.yaml"
    path.write_text("\n".join(["a0: &a0 [x, x]", *inner]))
    with pytest.raises(ConfigError, match="aliases"):
        AuditConfig.load(path)


@BOUNDED
@given(key=st.text(max_size=12), value=st.text(max_size=12))
def test_any_override_is_applied_or_refused(key: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(LEAST))
    message = _refusal(
        lambda: AuditConfig.load(path, [f"{key}={value}", f"slices.{key}={value}"]), ConfigError
    )
    assert message is None or message


CELLS = st.text(max_size=6) | st.sampled_from(["", "1,2,3,4", "[[0,0,1,1]]", "nan", "1e999", "a|b"])
ROWS = st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=4)


@BOUNDED
@given(rows=ROWS, header=st.permutations(["file", "label", "site", "box"]))
def test_table_of_any_cells_is_read_or_refused(
    rows: list[list[str]], header: list[str], tmp_path: Path
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([header, *rows])
    path = tmp_path / "table.csv"
    path.write_bytes(stream.getvalue().encode("utf-8", "surrogatepass"))
    message = _refusal(
        lambda: examine(Manifest(path=path, attributes=("site",), box="box").open()), DataError
    )
    assert message is None or message.startswith(str(path))


KEYS = st.sampled_from(
    ["id", "file_name", "width", "height", "image_id", "category_id", "bbox", "area"]
)
ENTRIES = st.lists(st.dictionaries(KEYS, TREES, max_size=6), max_size=3)


@BOUNDED
@given(images=ENTRIES, annotations=ENTRIES, unit=st.sampled_from(["object", "image"]))
def test_annotations_of_any_entries_are_read_or_refused(
    images: list[Any], annotations: list[Any], unit: Any, tmp_path: Path
) -> None:
    good = {"id": 1, "file_name": "1.png", "width": 4, "height": 4}
    note = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    document = {
        "images": [good, *({**good, "id": k + 2, **one} for k, one in enumerate(images))],
        "annotations": [note | one for one in annotations],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(document))
    message = _refusal(lambda: examine(Coco(path=path, unit=unit).open()), UsageError)
    assert message is None or str(path) in message


@BOUNDED
@given(tree=TREES)
def test_json_text_is_read_like_the_standard_library_or_refused(tree: Any) -> None:
    text = json.dumps(tree)
    message = _refusal(lambda: parse_json_text(text), ValueError)
    if message is not None:
        assert "half a character" in message
    elif not any(abs(one) >= 10**17 for one in _integers(tree)):
        assert json.dumps(parse_json_text(text)) == text


def _integers(tree: Any) -> list[int]:
    if isinstance(tree, dict):
        return [one for inner in tree.values() for one in _integers(inner)]
    if isinstance(tree, list):
        return [one for inner in tree for one in _integers(inner)]
    return [tree] if isinstance(tree, int) else []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    run = small_run(tmp_path_factory.mktemp("runs") / "run", predictions(60, range(4)))
    return json.loads((run.path / "audit.json").read_text(encoding="utf-8"))


@BOUNDED
@given(data=st.data())
def test_result_with_any_value_anywhere_is_read_or_refused(
    data: st.DataObject, result: Any
) -> None:
    where = st.sampled_from([list(one) for one in places(result)])
    edit = st.tuples(
        where, st.sampled_from(["set", "remove", "repeat"]), st.sampled_from(VALUES) | TREES
    )
    edits = data.draw(st.lists(edit, min_size=1, max_size=3))
    text = json.dumps(apply(result, [list(one) for one in edits]))
    message = _refusal(lambda: parse_result(text, "audit.json"), DataError)
    assert message is None or message.startswith("audit.json")
    assert message is None or "\n" not in message
