"""Maps of single images: what ``auditor explain`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from auditor import imaging
from auditor.autograd.target_layer import TargetLayer, find_layer
from auditor.config import AuditConfig
from auditor.errors import ConfigError, DataError, ModelError, UnreadableImageError
from auditor.explainers import explain, explain_batch
from auditor.input_pipeline import normalised
from auditor.preparation import Prepared, prepare

_GAP = 8
"""White pixels between the panels of a sheet."""


@dataclass(frozen=True)
class ExplainedImage:
    """One image and target.

    Attributes:
        image: the image's file.
        target: the class explained.
        confidence: its probability, 0 to 1.
        predicted: the class with the highest probability.
        mass: sum of the unnormalised Grad-CAM.
        detail: what the third panel is.
        sheet: the PNG: image, Grad-CAM, detail view, side by side.
    """

    image: Path
    target: str
    confidence: float
    predicted: str
    mass: float
    detail: str
    sheet: Path


def explain_images(
    config: AuditConfig, images: Sequence[Path], target: str | None, out: Path
) -> list[ExplainedImage]:
    """Explains single images as the audit would.

    Args:
        config: model, preprocessing, target layer and explainer.
        images: image files.
        target: name of the class to explain; None explains the predicted one.
        out: folder for the sheets; made if it is not there, sheets of the same names are replaced.

    Returns:
        One close-up an image, in the order given.

    Raises:
        UsageError: an image can't be read, there is no such class, or the model does not fit.
    """
    prepared = prepare(config)
    if target is not None and target not in prepared.classes:
        raise ConfigError(
            f"--target: expected one of the classes {', '.join(prepared.classes[:10])}"
            f"{' …' if len(prepared.classes) > 10 else ''}; got {target!r}"
        )
    out.mkdir(parents=True, exist_ok=True)
    layer: TargetLayer | None = None
    made: list[ExplainedImage] = []
    for path in images:
        pixels = _read(path, prepared)
        inputs = normalised(torch.from_numpy(pixels[None]), prepared.preprocess, prepared.device)
        if layer is None:
            layer = find_layer(prepared.classifier.module, inputs, config.model.target_layer)
        made.append(_explain_one(prepared, layer, path, pixels, inputs, target, out))
    return made


def _explain_one(
    prepared: Prepared,
    layer: TargetLayer,
    path: Path,
    pixels: NDArray[np.uint8],
    inputs: torch.Tensor,
    target: str | None,
    out: Path,
) -> ExplainedImage:
    module, classes = prepared.classifier.module, prepared.classes
    code = None if target is None else classes.index(target)
    detail = explain(module, inputs, code, prepared.config.explain.explainer, layer)
    if detail.logits.shape[1] != len(classes):
        raise ModelError(
            f"expected {len(classes)} logits, one a class; the model gives {detail.logits.shape[1]}: "
            "correct model.classes"
        )
    code = int(detail.targets[0])
    cam = explain_batch(module, inputs, [(0, code)], layer)
    share = detail.logits[0].softmax(0)
    view = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    panels = [view, imaging.overlay(view, cam.cams[0].numpy()), _drawn(view, detail.maps[0])]
    sheet = out / f"{path.stem}-{_file_name(classes[code])}.png"
    Image.fromarray(_side_by_side(panels)).save(sheet)
    return ExplainedImage(
        image=path,
        target=classes[code],
        confidence=float(share[code]),
        predicted=classes[int(share.argmax())],
        mass=float(cam.mass[0]),
        detail=detail.explainer,
        sheet=sheet,
    )


def _read(path: Path, prepared: Prepared) -> NDArray[np.uint8]:
    setting = prepared.preprocess
    try:
        image = imaging.open_image(path).image
    except UnreadableImageError as error:
        raise DataError(f"{path}: expected an image; it is {error}") from error
    return imaging.prepare(image, setting.resize, setting.crop, setting.interpolation)


def _drawn(view: NDArray[np.uint8], maps: torch.Tensor) -> NDArray[np.uint8]:
    """A class activation map over the image, or a gradient-type map on grey."""
    values = maps.detach().cpu().numpy()
    return imaging.overlay(view, values[0]) if len(values) == 1 else imaging.guided_view(values)


def _side_by_side(panels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((panels[0].shape[0], _GAP, 3), 255, np.uint8)
    joined = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(joined, axis=1)


def _file_name(target: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in target).strip("-") or "target"
