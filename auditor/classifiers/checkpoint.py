"""Puts the weights of a file into a network, all of them or none."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.classifiers.weight_files import Weights, read_weights
from auditor.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 5


def load_weights(module: nn.Module, path: Path, key: str | None = None) -> str:
    """Loads a file of weights; every weight of the network must be in it, and nothing else.

    A prefix that all names share is removed where the network has none of it: ``module.`` of
    DataParallel, ``_orig_mod.`` of ``torch.compile``, ``model.`` of a training framework. Weights
    that share memory (tied) need to stand in the file once.

    Args:
        module: the network; its weights are overwritten in place.
        path: safetensors, or a state dict (see ``weight_files``).
        key: the entry of the file that holds the weights; None if only one can be meant.

    Returns:
        For the report: the file's name, and what was done to fit it.

    Raises:
        ModelError: the file can't be read safely, or does not fit the network; the message lists
            the first missing, unexpected and differently shaped weights.
    """
    weights = read_weights(path, key)
    expected = module.state_dict()
    weights, prefix = _without_prefix(weights, expected)
    other_shape = [
        f"{name}: {_shape(expected[name])} in the model, {_shape(tensor)} in the file"
        for name, tensor in weights.tensors.items()
        if name in expected and expected[name].shape != tensor.shape
    ]
    if other_shape:
        missing: Collection[str] = expected.keys() - weights.tensors.keys()
        unexpected: Collection[str] = weights.tensors.keys() - expected.keys()
    else:
        missing, unexpected = _put(module, weights, path)
    missing = _untied(missing, expected, weights.tensors)
    if missing or unexpected or other_shape:
        raise ModelError(
            _mismatch(path, expected, weights.tensors, missing, unexpected, other_shape)
        )
    notes = [weights.note, prefix and f"prefix {prefix!r} removed", _cast(expected, weights)]
    extra = ", ".join(note for note in notes if note)
    return f"{path.name} ({extra})" if extra else path.name


def _without_prefix(weights: Weights, expected: Mapping[str, Tensor]) -> tuple[Weights, str]:
    names = list(weights.tensors)
    prefix = ""
    while not any(name[len(prefix) :] in expected for name in names):
        heads = {name[len(prefix) :].partition(".")[:2] for name in names}
        if len(heads) != 1 or not (head := "".join(heads.pop())).endswith("."):
            return weights, ""
        prefix += head
    if not prefix:
        return weights, ""
    versions = {
        name[len(prefix) :]: version
        for name, version in (weights.versions or {}).items()
        if name.startswith(prefix)
    }
    tensors = {name[len(prefix) :]: tensor for name, tensor in weights.tensors.items()}
    return Weights(tensors, versions or None, weights.note), prefix


def _put(module: nn.Module, weights: Weights, path: Path) -> tuple[list[str], list[str]]:
    """Copies the tensors; modules may rename the keys of their older versions on the way."""
    state = OrderedDict(weights.tensors)
    if weights.versions is not None:
        state._metadata = weights.versions  # type: ignore[attr-defined]  # noqa: SLF001  torch's own place
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit the model: {error}") from error
    return list(missing), list(unexpected)


def _untied(
    missing: Collection[str], expected: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> list[str]:
    """The missing names without those whose memory another, given name has filled."""

    def memory(name: str) -> tuple[object, ...]:
        tensor = expected[name]
        return (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)

    filled = {memory(name) for name in given if name in expected and expected[name].numel()}
    return [name for name in missing if name not in expected or memory(name) not in filled]


def _mismatch(
    path: Path,
    expected: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    missing: Collection[str],
    unexpected: Collection[str],
    other_shape: list[str],
) -> str:
    parts = []
    if missing:
        spare = sorted(unexpected)
        parts.append(
            _listed(
                "missing in the file",
                [
                    f"{name} {_shape(expected.get(name))}{_nearest(name, spare)}"
                    for name in sorted(missing)[:_SHOWN]
                ],
                len(missing),
            )
        )
    if unexpected:
        parts.append(
            _listed(
                "unknown to the model",
                [f"{name} {_shape(given.get(name))}" for name in sorted(unexpected)[:_SHOWN]],
                len(unexpected),
            )
        )
    if other_shape:
        parts.append(_listed("of another shape", other_shape[:_SHOWN], len(other_shape)))
    return (
        f"{path} does not fit the model: {'; '.join(parts)}. Name the architecture and the number "
        "of classes that these weights were trained with"
    )


def _listed(what: str, shown: list[str], total: int) -> str:
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return (
        f"{total} {'weight is' if total == 1 else 'weights are'} {what}: {', '.join(shown)}{more}"
    )


def _nearest(name: str, spare: list[str]) -> str:
    near = difflib.get_close_matches(name, spare, n=1, cutoff=0.7)
    return f" (nearest there: {near[0]})" if near else ""


def _shape(tensor: Tensor | None) -> str:
    return "" if tensor is None else f"({', '.join(map(str, tensor.shape))})"


def _cast(expected: Mapping[str, Tensor], weights: Weights) -> str:
    """Says which number types of the file were turned into the network's."""
    types = sorted(
        {
            f"{str(tensor.dtype).removeprefix('torch.')} → "
            f"{str(expected[name].dtype).removeprefix('torch.')}"
            for name, tensor in weights.tensors.items()
            if name in expected and tensor.dtype != expected[name].dtype
        }
    )
    return f"cast {', '.join(types)}" if types else ""
