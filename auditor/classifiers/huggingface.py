"""Classifiers from Hugging Face transformers; requires the extra ``huggingface``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import model_validator

from auditor.classifiers import Classifier
from auditor.classifiers.downloads import hub_folder, required_library
from auditor.classifiers.named_models import entries_of_config, require_no_weights
from auditor.classifiers.weight_files import require_intact
from auditor.config import ConfigPath
from auditor.config.recognise import WEIGHT_SUFFIXES, Given, Recognised
from auditor.errors import ModelError
from auditor.records.json_texts import parse_json_text
from auditor.registry import Options, plugin

_NO_NAME = re.compile(r"LABEL_\d+")
"""Names that transformers gives to classes without one."""
_HUB_NAME = re.compile(r"[\w-]+/[\w.-]+")
"""Owner and name of a model on the Hub."""
_SHOWN = 3
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


@plugin("classifier", "huggingface")
class HuggingFaceClassifier(Options):
    """An image classifier of transformers, from a folder or from the cache of the Hugging Face Hub.

    Class names come from `id2label`, and the preprocessing from the image processor that is stored with
    the weights. Weights are read from safetensors, in one file or in several. Code in the folder is
    never run.
    """

    accepts: ClassVar[str] = "a folder that save_pretrained wrote, or owner/name on the Hub"
    recognition_order: ClassVar[int] = 1

    folder: ConfigPath | None = None
    """Folder that `save_pretrained` wrote, with the model and its image processor."""
    name: str | None = None
    """Instead of a folder: name on the Hub, such as microsoft/resnet-18."""
    revision: str | None = None
    """Branch, tag or commit on the Hub; null: the main branch."""
    allow_download: bool = False
    """Whether weights that are not on this machine are downloaded; `--allow-download` sets it."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.folder is None) == (self.name is None):
            raise ValueError("expected either `folder` or `name`")
        return self

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A folder of transformers, or a name on the Hub, which is loaded from the cache."""
        options: dict[str, Any]
        if "model_type" in entries_of_config(given.path):
            options = {"folder": given.path.resolve()}
        elif _is_hub_name(given):
            options = {"name": given.text}
        else:
            return None
        require_no_weights(given, "a model of transformers")
        return Recognised("a model of transformers", options, own_classes=True)

    def load(self) -> Classifier:
        """Loads the model, its class names and its preprocessing.

        Raises:
            MissingDependencyError: transformers is not installed.
            ModelError: the model is not on disk and may not be downloaded, is no image classifier, or
                has no weights in safetensors.
        """
        from auditor.classifiers.huggingface_processor import processor_of

        transformers = required_library("transformers", "huggingface")
        folder, source = self._source()
        config = _config(transformers, folder)
        module = _model(transformers, folder)
        preprocess, note = processor_of(transformers, folder)
        return Classifier(
            module=module.float().eval(),
            adapter=self.plugin_name,
            description=f"transformers {type(module).__name__}, {source}{note}",
            classes=_classes(config),
            preprocess=preprocess,
            output="logits",
        )

    def _source(self) -> tuple[Path, str]:
        """The folder, and its description."""
        if self.name is not None:
            place = hub_folder(
                self.name, self.revision, "model.name", allow_download=self.allow_download
            )
            return place, f"{self.name} at commit {place.name[:12]}"
        assert self.folder is not None
        if not (self.folder / "config.json").is_file():
            found = "there is none" if self.folder.is_dir() else "it is not a folder"
            raise ModelError(
                "model.folder: expected a folder with a config.json, as `model.save_pretrained(…)` writes "
                f"it, at {self.folder}; {found}: for a model of the Hub, set `model.name`"
            )
        return self.folder, f"weights from {self.folder.name}"


def _is_hub_name(given: Given) -> bool:
    """Whether it may be a name on the Hub, and not the path of a file that does not exist."""
    is_file = given.path.suffix.lower() in WEIGHT_SUFFIXES | {".keras", ".onnx", ".pt2", ".h5"}
    return _HUB_NAME.fullmatch(given.text) is not None and not is_file and not given.path.exists()


def _config(transformers: Any, folder: Path) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder / 'config.json'}: expected the configuration of a model that the installed "
            f"transformers {transformers.__version__} knows; {_first_line(error)} Code in the folder is "
            "never run: for a model of your own, use the adapter `python`"
        ) from error


def _model(transformers: Any, folder: Path) -> Any:
    """The model with all its weights."""
    weights = [one.name for one in sorted(folder.iterdir()) if one.suffix == ".safetensors"]
    if not weights:
        others = [
            one.name for one in sorted(folder.iterdir()) if one.suffix in {".bin", ".pt", ".h5"}
        ]
        raise ModelError(
            f"expected weights as safetensors in {folder}; it has {', '.join(others) or 'no weights'}: in a "
            "program that trusts the file, load the model and call `model.save_pretrained(folder)`, which "
            "writes safetensors"
        )
    _require_all_files(folder, weights)
    try:
        with _quiet(transformers):
            module, info = transformers.AutoModelForImageClassification.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below, with their shapes
            )
    except ValueError as error:
        if "custom code" in str(error) or "trust_remote_code" in str(error):
            raise ModelError(
                f"{folder}: the model needs code from its folder, which is never run: use the adapter "
                "`python` with your own copy of this code"
            ) from error
        raise ModelError(
            f"{folder}: expected a model for image classification; {_first_line(error)}"
        ) from error
    except (OSError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(f"{folder}: expected a model that loads; {_first_line(error)}") from error
    _require_weights(folder, module, info)
    return module


def _require_weights(folder: Path, module: Any, info: Mapping[str, Any]) -> None:
    """Checks that no weight was left random.

    Args:
        folder: of the model.
        module: the loaded model.
        info: what transformers says about its loading.
    """
    name = type(module).__name__
    other = [
        f"{key}: {tuple(wanted)} in the model, {tuple(found)} in the file"
        for key, found, wanted in sorted(info["mismatched_keys"])
    ]
    if other:
        raise ModelError(
            f"{folder}: expected the weights of {name}; {len(other)} of them have another shape "
            f"({', '.join(other[:_SHOWN])}): config.json and the weights belong to different models; copy "
            "both from the same folder"
        )
    lacking = sorted(info["missing_keys"])
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if lacking[_SHOWN:] else ""
        verb = "is" if len(lacking) == 1 else "are"
        raise ModelError(
            f"{folder}: expected all weights of {name}; {', '.join(lacking[:_SHOWN])}{more} "
            f"{verb} missing, and would be random: use a model that was fine-tuned for image classification"
        )


def _require_all_files(folder: Path, weights: list[str]) -> None:
    """Checks that all parts of the weights are there and intact.

    Raises:
        ModelError: a part is missing or damaged, or nothing says how the parts belong together.
    """
    index = folder / _INDEX
    if index.is_file():
        try:
            parts = sorted(
                set(parse_json_text(index.read_text(encoding="utf-8"))["weight_map"].values())
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"expected the list of weight files in {index}; it can't be read: copy it again"
            ) from error
    elif _SINGLE in weights:
        parts = [_SINGLE]
    else:
        raise ModelError(
            f"expected {_SINGLE} in {folder}, or {_INDEX} with the names of several files; it has only "
            f"{', '.join(weights[:_SHOWN])}: copy {_INDEX} into this folder, too"
        )
    missing = [name for name in parts if name not in weights]
    if missing:
        raise ModelError(
            f"expected all {len(parts)} files of weights in {folder}; {', '.join(missing[:_SHOWN])} "
            f"{'is' if len(missing) == 1 else 'are'} missing: copy the rest of the folder"
        )
    for name in parts:
        require_intact(folder / name)


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Hides the progress bar of loading and the table of missing weights, which belong to no audit."""
    logging = transformers.utils.logging
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def _classes(config: Any) -> tuple[str, ...] | None:
    """The class names by index; None where the model has only numbers."""
    names = [str(config.id2label[k]) for k in sorted(config.id2label)]
    if all(_NO_NAME.fullmatch(name) for name in names):
        return None
    return tuple(names)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
