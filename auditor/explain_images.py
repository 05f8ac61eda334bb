"""Explains single images: the work behind ``auditor explain``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor import imaging
from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import TargetLayer
from auditor.config import AuditConfig, Preprocess
from auditor.errors import ConfigError, DataError, ModelError, UnreadableImageError
from auditor.explainers import explain_batch
from auditor.explainers.api import explain_or_grad_cam
from auditor.explainers.explanation import BatchExplanation
from auditor.explainers.grad_cam import GradCam
from auditor.explainers.guided_grad_cam import GuidedGradCam
from auditor.explainers.occlusion import Occlusion
from auditor.file_system import require_writable
from auditor.imaging.sheet import Panel, for_display, sheet
from auditor.model_opening import open_model
from auditor.phrasing import percent, several
from auditor.phrasing.methods import method_title
from auditor.preparation import Prepared, prepare
from auditor.stages.choose_thresholds import open_with_thresholds

_LONGEST_NAME = 80
"""Letters of the name of an image in the name of its sheet."""


@dataclass(frozen=True)
class ExplainedImage:
    """One explained image.

    Attributes:
        image: its file.
        target: the class explained.
        confidence: probability of that class, 0 to 1.
        predicted: the predicted class, or labels.
        mass: sum of the unnormalised Grad-CAM.
        detail: the explainer that made the third panel; None where there are only two.
        sheet: the PNG with image, Grad-CAM and detail view side by side, with captions.
    """

    image: Path
    target: str
    confidence: float
    predicted: str
    mass: float
    detail: str | None
    sheet: Path


def explain_images(
    config: AuditConfig, images: Sequence[Path], target: str | None, out: Path
) -> list[ExplainedImage]:
    """Explains single images as the audit would.

    Args:
        config: model, preprocessing, target layer and explainer.
        images: image files, at least one.
        target: name of the class to explain; None explains the predicted class.
        out: folder of the sheets; created where needed. Sheets of earlier calls are replaced; within
            one call, images with equal names get numbers.

    Returns:
        One result per image, in the order given.

    Raises:
        UsageError: an image can't be read, the class does not exist, or the model does not fit.
    """
    require_writable(out)
    prepared = prepare(config)
    if target is not None and target not in prepared.classes:
        near = difflib.get_close_matches(target, prepared.classes, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"--target: expected one of the classes {several(prepared.classes, 10)}; got "
            f"{target!r}{hint}"
        )
    for path in images:  # before the first sheet is written
        _read(path, prepared.preprocess)
    model = _model_for(prepared, images[0])
    out.mkdir(parents=True, exist_ok=True)
    names, explainer = _Names(out), config.explain.explainer
    return [_explain_one(model, path, target, explainer, names) for path in images]


def _model_for(prepared: Prepared, first: Path) -> AuditedModel:
    """The model, with its target layer found on the first image.

    The data set is only read where a threshold is chosen on it.
    """
    if np.isnan(prepared.rule.thresholds).any():
        return open_with_thresholds(prepared)[1].model
    pixels = _read(first, prepared.preprocess)[None]
    return open_model(prepared, pixels).model


def _explain_one(
    model: AuditedModel, path: Path, target: str | None, explainer: str, names: _Names
) -> ExplainedImage:
    pixels = _read(path, model.preprocess)
    inputs = model.inputs(torch.from_numpy(pixels[None]))
    probabilities = _probabilities(model, pixels, path)
    predicted = model.rule.decide(probabilities)[0]
    # Of several decisions, the one on the most probable label.
    default = predicted[
        probabilities[0, model.rule.positives].argmax() if len(predicted) > 1 else 0
    ]
    code = int(default) if target is None else model.classes.index(target)
    found = explain_batch(model.module, inputs, [(0, code)], model.layer)
    name, confidence = model.classes[code], float(probabilities[0, code])
    view = for_display(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    size = f"{pixels.shape[1]} × {pixels.shape[2]} pixels"
    panels = [
        Panel(view, f"Image as the network receives it, {size}"),
        _cam_panel(view, found.cams[0].numpy(), _map_name(name, model.layer)),
    ]
    detail = _detail_of(model, inputs, code, explainer, found)
    if detail is not None:
        panels.append(_detail_panel(view, detail, name))
    shown = ", ".join(_present(model, predicted))
    lines = [f"Predicted: {shown}. Explained class: {name}, confidence {percent(confidence, 1)}."]
    place = names.new(f"{path.stem[:_LONGEST_NAME]}-{_file_name(name)}")
    sheet(str(path), lines, panels).save(place)
    return ExplainedImage(
        image=path,
        target=name,
        confidence=confidence,
        predicted=shown,
        mass=float(found.mass[0]),
        detail=None if detail is None else detail.method,
        sheet=place,
    )


def _probabilities(
    model: AuditedModel, pixels: NDArray[np.uint8], path: Path
) -> NDArray[np.float64]:
    """Probabilities (1, K) of one image."""
    logits = model.logits(torch.from_numpy(pixels[None]))
    if not np.isfinite(logits).all():
        raise ModelError(
            f"model: expected finite outputs; for {path} the network returns NaN or infinity: leave this "
            "image out, or correct the network (it may divide by the spread of a blank image)"
        )
    return np.exp(model.rule.log_probabilities(logits))


@dataclass(frozen=True)
class _Detail:
    """A detail view: its method, its map (1 or 3, H, W), and why it is not the configured one."""

    method: str
    values: NDArray[np.float32]
    instead: str = ""


def _detail_of(
    model: AuditedModel, inputs: Tensor, code: int, explainer: str, found: BatchExplanation
) -> _Detail | None:
    """The detail view; None where it would be the map that is shown anyway, or there are no gradients."""
    if explainer == GradCam.plugin_name or (
        model.layer.is_occlusion and explainer != Occlusion.plugin_name
    ):
        return None
    maps, method, verdict = found.maps[0], found.detail, found.preflight
    if explainer != GuidedGradCam.plugin_name:
        other = explain_or_grad_cam(model.module, inputs, code, explainer, model.layer)
        verdict = other.preflight
        if other.explainer == explainer:
            maps, method = other.maps[0], explainer
    values = maps.detach().cpu().numpy()
    instead = f"{explainer} is undefined here: {verdict.reason}" if method != explainer else ""
    return _Detail(method, values, instead)


def _map_name(target: str, layer: TargetLayer) -> str:
    """What the second panel shows."""
    if layer.is_occlusion:
        return f"Occlusion map for {target}, {layer.height} × {layer.width} parts covered"
    return f"Grad-CAM for {target}, layer {layer.name}"


def _cam_panel(view: NDArray[np.uint8], cam: NDArray[np.float32], caption: str) -> Panel:
    if not np.isfinite(cam).all():
        return Panel(np.full_like(view, 128), f"{caption}: no map, its values are not finite")
    if cam.max() <= 0:
        caption += ": empty, nothing in this layer raises the logit"
    return Panel(imaging.overlay(view, cam), caption)


def _detail_panel(view: NDArray[np.uint8], detail: _Detail, target: str) -> Panel:
    caption = f"{method_title(detail.method)} for {target}"
    if detail.instead:
        caption += f" ({detail.instead})"
    if not np.isfinite(detail.values).all():
        return Panel(np.full_like(view, 128), f"{caption}: no map, its values are not finite")
    if len(detail.values) == 1:
        return Panel(imaging.overlay(view, detail.values[0]), caption)
    return Panel(for_display(imaging.guided_view(detail.values)), caption)


class _Names:
    """Names of sheets in a folder, none of which occurs twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def new(self, stem: str) -> Path:
        """The path of a new sheet; a repeated name gets a number."""
        numbers = (f"-{k}" if k > 1 else "" for k in count(1))
        # Some file systems do not distinguish upper from lower case.
        name = next(
            name
            for number in numbers
            if (name := f"{stem}{number}.png").casefold() not in self._taken
        )
        self._taken.add(name.casefold())
        return self._folder / name


def _present(model: AuditedModel, predicted: NDArray[np.int64]) -> list[str]:
    """The predicted class, or the predicted labels."""
    if model.rule.task != "multi-label":
        return [model.classes[predicted[0]]]
    return [model.classes[k] for k in predicted if k in model.rule.positives] or ["(no label)"]


def _read(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    try:
        image = imaging.open_image(path).image
    except UnreadableImageError as error:
        raise DataError(f"{path}: expected an image; {error.sentence}") from error
    return imaging.prepare(image, preprocess.resize, preprocess.crop, preprocess.interpolation)


def _file_name(target: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in target).strip("-") or "target"
