"""``auditor init`` and ``auditor run`` with `--model`, `--weights` and `--data` instead of a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
import yaml
from builders.named_parts import CLASSES, NETWORK, write_photos, write_weights
from typer.testing import CliRunner, Result

from auditor import registry
from auditor.cli import app
from auditor.config import AuditConfig
from auditor.config.recognise import Given, Recognised, Recogniser, recognise
from auditor.configuring.text import write_used
from auditor.datasets.column_roles import roles_of_columns
from auditor.errors import ConfigError
from auditor.registry import Options
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos/``, tables, weights and a module with a network."""
    folder = tmp_path_factory.mktemp("named")
    table = write_photos(folder / "photos")
    table.to_csv(folder / "table.csv", index=False)
    table.drop(columns=["label", "bbox", "mask_path", "comment"]).to_csv(
        folder / "photos" / "attributes.csv", index=False
    )
    write_weights(folder / "weights.safetensors")
    (folder / "mynetwork.py").write_text(NETWORK, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def auditor(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def written(folder: Path) -> tuple[str, AuditConfig]:
    path = folder / "audit.yaml"
    return path.read_text(encoding="utf-8"), AuditConfig.load(path)


RESNET = ("--model", "resnet18", "--weights", "weights.safetensors")


def test_init_of_a_folder_writes_what_it_recognised_and_check_passes(tmp_path: Path) -> None:
    done = auditor("init", tmp_path, *RESNET, "--data", "photos")
    assert done.exit_code == 0, done.stderr
    text, config = written(tmp_path)
    raw = yaml.safe_load(text)
    assert (raw["model"]["adapter"], raw["model"]["num_classes"]) == ("torchvision", 3)
    assert config.model.classes == CLASSES
    assert raw["data"]["group"] == "patient_id"
    assert raw["data"]["weight"] == "weight"
    assert raw["data"]["attribute_types"] == {
        "site": "categorical",
        "age": "numeric",
        "skin type": "ordinal",
    }
    assert config.preprocess is not None
    assert (config.preprocess.resize, config.preprocess.crop) == (256, 224)
    assert "# - classes: 3, in alphabetical order" in text
    assert "column 'source' is an attribute, too, but it has no two different values" in text
    small = ("--set", "preprocess.resize=32", "--set", "preprocess.crop=32")
    checked = auditor("check", tmp_path / "audit.yaml", *small)
    assert checked.exit_code == 0, checked.stderr


def test_init_of_a_table_recognises_the_columns_and_check_passes(tmp_path: Path) -> None:
    done = auditor("init", tmp_path, "--model", "mynetwork:build", "--data", "table.csv")
    assert done.exit_code == 0, done.stderr
    text, config = written(tmp_path)
    data = yaml.safe_load(text)["data"]
    assert data.pop("root") == str(Path("photos").resolve())
    assert data.pop("path") == str(Path("table.csv").resolve())
    assert data == {
        "adapter": "manifest",
        "image": "file",
        "label": "label",
        "group": "patient_id",
        "weight": "weight",
        "box": "bbox",
        "mask": "mask_path",
        "attributes": {"site": "categorical", "age": "numeric", "skin type": "ordinal"},
    }
    assert config.model.classes == CLASSES
    assert "age: numeric  # 36 different numbers" in text
    assert "# - column 'comment' is not used: it has 36 different texts in 36 rows" in text
    assert "# This is a guess: correct it" in text
    checked = auditor("check", tmp_path / "audit.yaml", "--set", "preprocess.crop=32")
    assert checked.exit_code == 0, checked.stderr


def test_init_of_data_alone_leaves_the_model_of_the_starter(tmp_path: Path) -> None:
    assert auditor("init", tmp_path, "--data", "photos").exit_code == 0
    raw = yaml.safe_load((tmp_path / "audit.yaml").read_text())
    assert raw["model"]["factory"] == "mypackage.models:build"
    assert raw["data"]["adapter"] == "folder"


def test_init_beside_the_data_writes_relative_paths(place: Path) -> None:
    assert auditor("init", ".", *RESNET, "--data", "photos").exit_code == 0
    raw = yaml.safe_load(Path("audit.yaml").read_text())
    assert raw["data"]["path"] == "photos"
    assert raw["data"]["attributes"] == "photos/attributes.csv"
    assert raw["model"]["checkpoint"] == "weights.safetensors"
    assert "not overwritten" in auditor("init", ".", *RESNET).stderr
    Path("audit.yaml").unlink()


def test_run_without_a_file_writes_the_configuration_beside_the_run(tmp_path: Path) -> None:
    small = ["preprocess.resize=32", "preprocess.crop=32", "report.formats=[]"]
    small += ["explain.trust_samples=0", "data.group=patient_id"]
    changes = [part for one in small for part in ("--set", one)]
    done = auditor("run", *RESNET, "--data", "photos", "--out", tmp_path / "run", *changes)
    assert done.exit_code in (0, 1, 4), done.stderr
    used = tmp_path / "run.yaml"
    assert f"configuration: {used}" in done.stdout
    stored = RunFolder.open(tmp_path / "run").read_result()
    assert AuditConfig.load(used).effective() == stored.provenance.config
    assert stored.clusters is not None
    assert [one.name for one in stored.classes] == list(CLASSES)
    again = auditor("run", used, "--out", tmp_path / "again")
    assert again.exit_code == done.exit_code
    repeated = RunFolder.open(tmp_path / "again").read_result()
    assert repeated.summary == stored.summary
    assert repeated.findings == stored.findings


REFUSED = {
    "no weights": (
        "--model resnet18 --data photos",
        "--weights: expected a file of weights of resnet18",
    ),
    "missing weights": (
        "--model resnet18 --weights nowhere.pt --data photos",
        "IMAGENET1K_V1, DEFAULT (published weights); nowhere.pt does not exist",
    ),
    "unknown weights": ("--model resnet18 --weights BEST --data photos", "BEST is neither"),
    "weights as the model": (
        "--model weights.safetensors --data photos",
        "none of these: name the architecture with --model, and pass weights with --weights",
    ),
    "unknown model": (
        "--model resnet1000000 --data photos",
        "a callable as module:factory",
    ),
    "misspelled model": ("--model convnxt_tiny --data photos", "did you mean convnext_tiny"),
    "missing data": ("--model resnet18 --data nowhere", "nowhere does not exist: correct the path"),
    "data without images": (
        "--model resnet18 --data .git",
        ".git: expected one sub-folder per class",
    ),
    "model without preprocessing": (
        "--model mynetwork:build --data photos",
        "preprocess: expected how images become the model's input",
    ),
    "nothing": ("", "expected a configuration file, or --model and --data; got none"),
    "no data": ("--model resnet18", "expected both --model and --data; --data is missing"),
    "no model": ("--data photos", "expected both --model and --data; --model is missing"),
    "a file, too": (
        "table.csv --model resnet18",
        "either a configuration file or --model and --data",
    ),
    "weights of a factory": (
        "--model mynetwork:build --weights nowhere.pt --data photos",
        "--weights: expected a file of weights; nowhere.pt is no file",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_run_without_a_file_is_refused_with_the_fix(
    arguments: str, message: str, tmp_path: Path
) -> None:
    Path(".git").mkdir(exist_ok=True)
    done = auditor("run", *arguments.split(), "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_init_lists_a_guessed_preprocessing_among_what_to_check(tmp_path: Path) -> None:
    done = auditor("init", tmp_path, "--model", "mynetwork:build", "--data", "photos")
    assert done.exit_code == 0
    assert "preprocess: a guess" in done.stdout
    assert "# - preprocess: a guess" in (tmp_path / "audit.yaml").read_text()


def test_configuration_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "pets.yaml"
    for name in ("first", "second"):
        write_used({"name": name}, [], path)
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == {"name": "second"}


def test_run_never_replaces_another_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("mine: true\n", encoding="utf-8")
    done = auditor("run", *RESNET, "--data", "photos", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "another file, which is not overwritten" in done.stderr
    assert (tmp_path / "run.yaml").read_text() == "mine: true\n"


def test_run_with_another_number_of_classes_names_the_weights(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "five.safetensors", 5)
    done = auditor(
        "run",
        "--model",
        "resnet18",
        "--weights",
        weights,
        "--data",
        "photos",
        "--out",
        tmp_path / "r",
    )
    assert done.exit_code == 2
    assert "2 weights are of another shape: fc.bias" in done.stderr


def test_recognise_prefers_torchvision_and_knows_the_names_of_timm(place: Path) -> None:
    weights = str(place / "weights.safetensors")
    name, found = recognise("classifier", "--model", Given("resnet18", weights, CLASSES))
    assert (name, found.options["num_classes"]) == ("torchvision", 3)
    name, found = recognise("classifier", "--model", Given("resnet26d", weights, CLASSES))
    assert name == "timm"
    assert found.preprocess is not None
    assert found.preprocess["interpolation"] == "bicubic"
    name, found = recognise("classifier", "--model", Given("resnet50.a1_in1k", "pretrained"))
    assert (name, found.own_classes) == ("timm", True)


@pytest.mark.parametrize(
    ("name", "content", "adapter", "option"),
    [
        ("model.keras", "", "keras", "file"),
        ("model.onnx", "", "onnx", "file"),
        ("model.pt2", "", "exported", "file"),
        ("saved/config.json", '{"model_type": "vit"}', "huggingface", "folder"),
        ("saved/config.json", '{"architecture": "resnet18"}', "timm", "folder"),
    ],
)
def test_recognise_knows_formats_by_suffix_or_contents(
    name: str, content: str, adapter: str, option: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    given = path.parent if option == "folder" else path
    found_adapter, found = recognise("classifier", "--model", Given(str(given)))
    assert (found_adapter, dict(found.options)) == (adapter, {option: given})
    with pytest.raises(ConfigError, match="--weights: expected no weights"):
        recognise("classifier", "--model", Given(str(given), "weights.pt"))


def test_recognise_names_on_the_hub() -> None:
    name, found = recognise("classifier", "--model", Given("microsoft/resnet-18"))
    assert (name, dict(found.options)) == ("huggingface", {"name": "microsoft/resnet-18"})
    name, found = recognise("classifier", "--model", Given("hf-hub:timm/resnet18.a1_in1k"))
    assert (name, found.options["pretrained"]) == ("timm", True)
    with pytest.raises(ConfigError, match="none of these"):
        recognise("classifier", "--model", Given("models/missing.onnx"))


def test_recognise_asks_adapters_of_other_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    class Special(Options):
        accepts: ClassVar[str] = "a special file"
        recognition_order: ClassVar[int] = 0

        @classmethod
        def recognise(cls, given: Given) -> Recognised | None:
            return (
                Recognised("special", {"file": given.path}) if given.path.suffix == ".xyz" else None
            )

    special: object = Special
    assert isinstance(special, Recogniser)
    registry.plugin("classifier", "special")(Special)
    try:
        assert recognise("classifier", "--model", Given("a.xyz"))[0] == "special"
        with pytest.raises(ConfigError, match=r"a special file \(special\)"):
            recognise("classifier", "--model", Given("a.abc"))
    finally:
        del registry._registered["classifier"]["special"]


@pytest.mark.parametrize(
    ("columns", "role", "expected"),
    [
        ({"Image Path": ["a.png", "b.JPG"]}, "image", "Image Path"),
        ({"photo": ["x/a.dcm", "x/b.dcm"]}, "image", "photo"),
        ({"id": ["a", "b"]}, "image", None),
        ({"mask": ["a.png", "b.png"], "image": ["c.png", "d.png"]}, "image", "image"),
        ({"mask": ["a.png", ""], "image": ["c.png", "d.png"]}, "mask", "mask"),
        ({"Diagnosis": ["x", "y"]}, "label", "Diagnosis"),
        ({"box": ["1,2,3,4", "[[0.1, 0.2, 0.3, 0.4]]"]}, "box", "box"),
        ({"date": ["2020-01-02", "2020-01-03"]}, "box", None),
        ({"sample weight": ["1", "2"]}, "weight", "sample weight"),
        ({"patient": [f"p{k // 2}" for k in range(12)]}, "group", "patient"),
        ({"patient": ["p1", "p2"]}, "group", None),
    ],
)
def test_roles_of_columns_by_name_and_cells(
    columns: dict[str, list[str]], role: str, expected: str | None
) -> None:
    assert getattr(roles_of_columns(pd.DataFrame(columns)), role) == expected


def test_roles_of_a_table_without_labels_names_its_columns() -> None:
    found = roles_of_columns(pd.DataFrame({"file": ["a.png", "b.png"], "site": ["x", "x"]}))
    with pytest.raises(ConfigError, match=r"t.csv: expected a column with labels.*none of site"):
        found.require("label", Path("t.csv"))
