"""Explains single images: the work behind ``auditor explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor import imaging
from auditor.audited_model import AuditedModel
from auditor.config import AuditConfig, Preprocess
from auditor.errors import ConfigError, DataError, UnreadableImageError
from auditor.explainers import explain, explain_batch
from auditor.file_system import require_writable
from auditor.model_opening import open_model
from auditor.preparation import Prepared, prepare
from auditor.stages.choose_thresholds import open_with_thresholds

_GAP = 8
"""White pixels between the panels of a sheet."""


@dataclass(frozen=True)
class ExplainedImage:
    """One explained image.

    Attributes:
        image: its file.
        target: the class explained.
        confidence: probability of that class, 0 to 1.
        predicted: the predicted class, or labels.
        mass: sum of the unnormalised Grad-CAM.
        detail: the explainer that made the third panel.
        sheet: the PNG with image, Grad-CAM and detail view side by side.
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
        images: image files, at least one.
        target: name of the class to explain; None explains the predicted class.
        out: folder of the sheets; created where needed. Sheets of the same name are replaced.

    Returns:
        One result per image, in the order given.

    Raises:
        UsageError: an image can't be read, the class does not exist, or the model does not fit.
    """
    require_writable(out)
    prepared = prepare(config)
    if target is not None and target not in prepared.classes:
        raise ConfigError(
            f"--target: expected one of the classes {', '.join(prepared.classes[:10])}"
            f"{' …' if len(prepared.classes) > 10 else ''}; got {target!r}"
        )
    model = _model_for(prepared, images[0])
    out.mkdir(parents=True, exist_ok=True)
    explainer = config.explain.explainer
    return [_explain_one(model, path, target, explainer, out) for path in images]


def _model_for(prepared: Prepared, first: Path) -> AuditedModel:
    """The model, with its target layer found on the first image.

    The data set is only read where a threshold is chosen on it.
    """
    if np.isnan(prepared.rule.thresholds).any():
        return open_with_thresholds(prepared)[1].model
    pixels = _read(first, prepared.preprocess)[None]
    return open_model(prepared, pixels).model


def _explain_one(
    model: AuditedModel, path: Path, target: str | None, explainer: str, out: Path
) -> ExplainedImage:
    pixels = _read(path, model.preprocess)
    inputs = model.inputs(torch.from_numpy(pixels[None]))
    probabilities = model.probabilities(torch.from_numpy(pixels[None]))
    predicted = model.rule.decide(probabilities)[0]
    # Of several decisions, the one on the most probable label.
    default = predicted[
        probabilities[0, model.rule.positives].argmax() if len(predicted) > 1 else 0
    ]
    code = int(default) if target is None else model.classes.index(target)
    detail = explain(model.module, inputs, code, explainer, model.layer)
    cam = explain_batch(model.module, inputs, [(0, code)], model.layer)
    view = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    panels = [view, imaging.overlay(view, cam.cams[0].numpy()), _drawn(view, detail.maps[0])]
    sheet = out / f"{path.stem}-{_file_name(model.classes[code])}.png"
    Image.fromarray(_side_by_side(panels)).save(sheet)
    return ExplainedImage(
        image=path,
        target=model.classes[code],
        confidence=float(probabilities[0, code]),
        predicted=", ".join(_present(model, predicted)),
        mass=float(cam.mass[0]),
        detail=detail.explainer,
        sheet=sheet,
    )


def _present(model: AuditedModel, predicted: NDArray[np.int64]) -> list[str]:
    """The predicted class, or the predicted labels."""
    if model.rule.task != "multi-label":
        return [model.classes[predicted[0]]]
    return [model.classes[k] for k in predicted if k in model.rule.positives] or ["(no label)"]


def _read(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    try:
        image = imaging.open_image(path).image
    except UnreadableImageError as error:
        raise DataError(f"{path}: expected an image; it is {error}") from error
    return imaging.prepare(image, preprocess.resize, preprocess.crop, preprocess.interpolation)


def _drawn(view: NDArray[np.uint8], maps: Tensor) -> NDArray[np.uint8]:
    """A class activation map over the image, or a gradient-type map on grey."""
    values = maps.detach().cpu().numpy()
    return imaging.overlay(view, values[0]) if len(values) == 1 else imaging.guided_view(values)


def _side_by_side(panels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((panels[0].shape[0], _GAP, 3), 255, np.uint8)
    joined = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(joined, axis=1)


def _file_name(target: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in target).strip("-") or "target"
