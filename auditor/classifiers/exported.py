"""Classifiers exported as programs: ``torch.export`` (.pt2) and TorchScript."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from auditor.autograd.model_free import MODEL_FREE, ModelFreeNetwork
from auditor.classifiers import Classifier
from auditor.classifiers.batch_sizes import in_batches, one_by_one_if_needed, takes_any_batch
from auditor.classifiers.image_inputs import ImageInput
from auditor.classifiers.named_models import file_of
from auditor.classifiers.other_formats import describe_other_format
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

_MAP_AXES = frozenset({3, 4})
_OTHERS = (
    "for weights without a program, use `checkpoint` of the adapter `python`, `timm` or `torchvision`; other "
    "formats have adapters of their own (`keras`, `onnx`, `huggingface`)"
)


@plugin("classifier", "exported")
class ExportedClassifier(Options):
    """A program of `torch.export` (.pt2) or TorchScript.

    The graph of an exported program is run operation by operation, with maps of its layers. TorchScript
    hides its layers: it only predicts, and the maps are occlusion maps. Both are programs, so load only
    files that you trust.
    """

    accepts: ClassVar[str] = "a program of torch.export (.pt2) or TorchScript"
    recognition_order: ClassVar[int] = 0

    file: ConfigPath
    """File that `torch.export.save` or `torch.jit.save` wrote."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A file with the suffix of an exported program, or any that holds TorchScript."""
        if given.path.suffix.lower() == ".pt2" or "constants.pkl" in _names_in(given.path):
            found = file_of(given, (given.path.suffix.lower(),), "an exported program")
            return None if found is None else replace(found, is_program=True)
        return None

    def load(self) -> Classifier:
        """Reads the program.

        Raises:
            ModelError: the file is no such program.
        """
        if not self.file.is_file():
            raise ModelError(f"model.file: expected an exported program; {self.file} is not a file")
        inside = _names_in(self.file)
        _require_program(self.file, inside)
        try:
            with warnings.catch_warnings():
                # TorchScript is deprecated, and exported programs warn of their own format.
                warnings.simplefilter("ignore")
                if "constants.pkl" in inside:
                    module, how = _scripted(self.file)
                else:
                    module, how = _exported(self.file)
        except (RuntimeError, ValueError, OSError, KeyError, TypeError, EOFError) as error:
            first = str(error).strip().partition("\n")[0][:200]
            raise ModelError(
                f"model.file: expected a program of torch.export or TorchScript in {self.file}; {first}: "
                f"{_OTHERS}"
            ) from error
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"{how.partition(';')[0]} {self.file.name}{''.join(how.partition(';')[1:])}",
        )


def _names_in(file: Path) -> set[str]:
    if not zipfile.is_zipfile(file):
        return set()
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, LookupError):
        return set()  # a damaged archive


def _require_program(file: Path, inside: set[str]) -> None:
    """Checks the format before torch reads it, whose own messages would not help.

    Raises:
        ModelError: the file is something else.
    """
    if "constants.pkl" in inside or any(name.endswith("archive_format") for name in inside):
        return
    with file.open("rb") as stream:
        head = stream.read(512)
    if "data.pkl" in inside:
        content = "weights, or a network that was pickled"
    elif head.startswith(b"version https://git-lfs"):
        content = "a Git LFS pointer (run `git lfs pull`)"
    elif head.startswith(b"PK"):
        content = "another archive, or a damaged one"
    else:
        content = describe_other_format(file, head)
    raise ModelError(
        f"model.file: expected a program of torch.export or TorchScript in {file}; it is {content}: {_OTHERS}"
    )


def _scripted(file: Path) -> tuple[nn.Module, str]:
    program: Any = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
    program.eval()
    return ModelFreeNetwork(one_by_one_if_needed(program), file), f"TorchScript; {MODEL_FREE}"


def _exported(file: Path) -> tuple[nn.Module, str]:
    program = torch.export.load(file)
    given = _input_of(program)
    graph = _Layers(program.module(check_guards=False), given)
    if takes_any_batch(graph, given.trial(2)):
        return graph, "exported program"
    run, size = program.module(), given.shape[0]
    predict = in_batches(lambda images: run(given.arranged(images)), size)
    return ModelFreeNetwork(predict, file), (
        f"exported program; {MODEL_FREE} for more than the exported batch size of {size}: export it with a "
        "dynamic one"
    )


def _input_of(program: Any) -> ImageInput:
    """The only input of the user."""
    names = program.graph_signature.user_inputs
    inputs = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    ]
    if len(inputs) != 1 or inputs[0].ndim != 4:
        shapes = [tuple(one.shape) for one in inputs]
        raise ValueError(f"expected one input, images (N, C, H, W); it takes {shapes}")
    shape = tuple(side if isinstance(side, int) else None for side in inputs[0].shape)
    return ImageInput(shape, inputs[0].dtype)


class _Operation(nn.Module):
    """One operation of the graph as a layer."""

    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._target(*args, **kwargs)


class _Layers(nn.Module):
    """An exported graph whose operations on maps are layers, so that their outputs can be read."""

    def __init__(self, module: Any, given: ImageInput) -> None:
        super().__init__()
        self._given = given
        graph = module.graph
        for node in list(graph.nodes):
            value = node.meta.get("val")
            is_map = isinstance(value, torch.Tensor) and value.ndim in _MAP_AXES
            if node.op != "call_function" or not is_map:
                continue
            module.add_submodule(f"layer_{node.name}", _Operation(node.target))
            with graph.inserting_before(node):
                layer = graph.call_module(f"layer_{node.name}", node.args, node.kwargs)
            layer.meta = dict(node.meta)
            node.replace_all_uses_with(layer)
            graph.erase_node(node)
        self.program = torch.fx.GraphModule(module, graph)

    def forward(self, images: torch.Tensor) -> Any:
        return self.program(self._given.arranged(images))
