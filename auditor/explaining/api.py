"""``auditor.explain``: attribution maps of one image or many, given as files, images, arrays or tensors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor import explainers
from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.explainers import Explainer, Explanation, TargetLayer
from auditor.explaining.explained_images import ExplainedImages
from auditor.explaining.inputs import UserImage, inputs_of, rescaled
from auditor.phrasing import several

if TYPE_CHECKING:
    from torch import Tensor, nn

    from auditor.autograd.precision import Precision

    Targets = int | str | Sequence[int | str] | Tensor | NDArray[np.integer]

__all__ = ["explain"]


def explain(  # noqa: PLR0913 - options with defaults
    model: nn.Module,
    images: UserImage | Sequence[UserImage],
    targets: Targets | None = None,
    explainer: str | Explainer | None = None,
    target_layer: str | TargetLayer | None = None,
    precision: Precision = "exact",
    *,
    preprocess: Preprocess | Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    output_key: str | int | None = None,
) -> ExplainedImages:
    """Computes attribution maps of images.

    The model is left unchanged: weights, buffers, flags, modes, hooks, gradients.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits.
        images: one image or several. A floating tensor (N, 3, H, W) or (3, H, W) is preprocessed already.
            Everything else is an original image, which ``preprocess`` makes the model's input: the path
            of a file, a PIL image, an array (H, W, 3) or (N, H, W, 3), a uint8 tensor (3, H, W) or
            (N, 3, H, W), or a list of these.
        targets: the class to explain: one for all images, one per image, or None for the predicted
            classes. A class is its index, or its name if ``classes`` are given.
        explainer: name of an explainer plug-in, or an instance with its options. None chooses Guided
            Grad-CAM, or Grad-CAM where that is undefined for the model (without any ReLU-like
            activation); ``ExplainedImages.explainer`` says which.
        target_layer: dotted name, the result of ``find_layer``, or None to choose by tracing.
        precision: ``"exact"``, ``"fast"`` (with folded batch normalisation) or ``"bf16"``. The last
            two copy the model in each call and compare the copy with it.
        preprocess: how an original image becomes the model's input, as in ``auditor.audit``.
        classes: names of the classes in the order of the outputs, for ``targets`` and captions.
        output_key: entry that holds the logits, if the model returns a dict, tuple or dataclass.

    Returns:
        Maps (N, 3, H, W) or (N, 1, H, W) float32, not normalised, on the model's device. The object
        draws itself: ``.show()``, ``.figure()``, or as the last line of a notebook's cell.

    Raises:
        ConfigError: the explainer is unknown, or the preprocessing is none.
        DataError: a file is no image, or the images have different sizes.
        ModelError: the precision is unknown; the named method is undefined for the model; or the
            model, the images, a target or the layer does not fit.

    Example:
        >>> import numpy as np, torch
        >>> import auditor
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        ...     torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
        >>> image = np.zeros((16, 16, 3), np.uint8)
        >>> found = auditor.explain(
        ...     model, image, "dog", explainer="grad-cam", preprocess={}, classes=["cat", "dog"])
        >>> found.maps.shape, found.targets.tolist()
        (torch.Size([1, 1, 16, 16]), [1])

    Reference:
        See the file of each method.
    """
    given = inputs_of(images, preprocess)
    names = None if classes is None else tuple(str(name) for name in classes)
    found = explainers.explain(
        model,
        given.inputs,
        _indices(targets, names),
        explainer,
        target_layer,
        precision,
        output_key,
        preprocess=given.preprocess,
    )
    if names is not None and len(names) != found.logits.shape[1]:
        raise ModelError(
            f"classes: expected one name per output of the model, {found.logits.shape[1]}; got {len(names)}"
        )
    values = {field.name: getattr(found, field.name) for field in fields(Explanation)}
    shown = rescaled(given.inputs) if given.shown is None else given.shown
    return ExplainedImages(**values, images=shown, names=given.names, classes=names)


def _indices(targets: Any, classes: tuple[str, ...] | None) -> Any:
    """Targets with names as indices; what is no name is checked where it is used."""
    if classes is None:
        return targets
    if isinstance(targets, str):
        return _index(targets, classes)
    if isinstance(targets, list | tuple):
        return [_index(one, classes) if isinstance(one, str) else one for one in targets]
    return targets


def _index(name: str, classes: tuple[str, ...]) -> int:
    if name in classes:
        return classes.index(name)
    near = difflib.get_close_matches(name, classes, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "pass one of them"
    raise ModelError(
        f"targets: expected one of the classes {several(classes, 10)}; got {name!r}: {hint}"
    )
