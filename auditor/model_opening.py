"""Opening of the audited model: what its network returns, and which layer is explained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.audited_model import AuditedModel
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.autograd.target_layer import find_layer
from auditor.autograd.user_code import user_code
from auditor.classifiers.outputs import ClassLogits, as_columns, constant_columns, recognise
from auditor.config import OutputKind
from auditor.errors import ModelError
from auditor.input_pipeline import normalised
from auditor.phrasing import several
from auditor.prediction_precision import precision_note
from auditor.preparation import Prepared, sample_images
from auditor.records import Skipped
from auditor.records.decisions import DecisionRecord, DecisionRule

_IMAGES = 16
"""Images on which the outputs are recognised."""


@dataclass(frozen=True)
class OpenedModel:
    """The audited model and what was found out about its outputs.

    Attributes:
        model: ready to run.
        kind: what the network returns.
        n_outputs: number of its outputs per image.
        stated: whether the configuration states the kind.
        looks_like: the kind that the outputs look like.
        positive: whether any output is above 0.
        constant: classes whose output is the same for all images, if other outputs vary.
        same_for_all: whether the network predicts the same probabilities for all of several different
            images.
        precision: the arithmetic of the predictions, and what it changes; empty for full precision.
    """

    model: AuditedModel
    kind: OutputKind
    n_outputs: int
    stated: bool
    looks_like: OutputKind
    positive: bool
    constant: tuple[str, ...] = ()
    same_for_all: bool = False
    precision: str = ""

    @property
    def centred(self) -> bool:
        """Whether the logits are taken minus their mean, because one of them is constant."""
        return bool(self.constant) and _may_be_centred(self.kind, self.n_outputs, self.model.rule)

    @property
    def limits(self) -> tuple[Skipped, ...]:
        """What can't be examined with this model, for the list of the report."""
        if not self.model.layer.is_occlusion:
            return ()
        return (
            Skipped(
                check="explain",
                reason="the model only predicts, it has neither layers nor gradients: wherever Grad-CAM is "
                "named, its maps are occlusion maps, and there is no guided backpropagation",
            ),
        )

    @property
    def description(self) -> str:
        """The outputs in one line."""
        source = "stated" if self.stated else "recognised on a few images"
        each = "label" if self.model.rule.task == "multi-label" else "class"
        number = (
            f"1 {_SINGULAR[self.kind]}" if self.n_outputs == 1 else f"{self.n_outputs} {self.kind}"
        )
        what = f"of {self.model.rule.labels[0]}" if self.n_outputs == 1 else f"one per {each}"
        if not self.constant:
            return f"{number}, {what} ({source})"
        constant = f"the output of {several(list(self.constant), 3)} is the same for all images"
        if not self.centred:
            return f"{number}, {what} ({source}); {constant}"
        how = "the difference of both logits" if self.n_outputs == 2 else "logits minus their mean"
        return f"{number}, {what} ({source}); {constant}, so that classes are explained by {how}"

    @property
    def decision(self) -> DecisionRecord:
        """The decision rule as it is stored, with the classes that have no output."""
        rule = self.model.rule
        single = rule.task == "multi-label" or self.n_outputs < len(rule.classes)
        negated = [name for name in rule.classes if single and name not in rule.labels]
        if self.centred and self.n_outputs == 2:
            negated = list(self.constant)  # half the difference is the negated output of the other
        centred = self.centred and self.n_outputs > 2
        return rule.record().model_copy(update={"negated": negated, "centred": centred})

    @property
    def doubt(self) -> str | None:
        """What to look into, if anything: a kind that nobody stated, or a statement in doubt."""
        if self.same_for_all:
            return (
                "the network returns the same probabilities for all images tried: check that its weights "
                "are loaded, and that the preprocessing is that of its training"
            )
        independent = self.model.rule.task == "multi-label" or self.n_outputs == 1
        if self.kind == "logits" and independent and not self.stated and not self.positive:
            return (
                "no output of the network is above 0, and they are used as logits: if they are logarithms "
                "of probabilities, state `model.output: log-probabilities`, otherwise `logits`"
            )
        if (
            self.kind == self.looks_like == "logits"
            or self.kind == self.looks_like == "log-probabilities"
        ):
            return None
        if not self.stated:
            return (
                f"the network's outputs look like {self.kind} and are used as such: state "
                f"`model.output: {self.kind}`, or `logits` if they are not"
            )
        if self.kind == "logits":
            return (
                f"the network's outputs look like {self.looks_like}, but model.output states logits: "
                "softmax would be applied twice"
            )
        return None


_SINGULAR: dict[OutputKind, str] = {
    "logits": "logit",
    "probabilities": "probability",
    "log-probabilities": "log-probability",
}


def open_model(prepared: Prepared, images: NDArray[np.uint8] | None = None) -> OpenedModel:
    """Recognises the outputs of the network on a few images and finds the layer to explain.

    Args:
        prepared: the audit.
        images: uint8 (n, 3, H, W), resized and cropped; None takes some from the data set.

    Raises:
        DataError: no image of the data set can be read.
        ModelError: the outputs do not fit the classes, the configured layer does not exist, or the
            network has no layer with a spatial map.
    """
    if images is None:
        images, _, _ = sample_images(prepared, _IMAGES)
    inputs = normalised(torch.from_numpy(images), prepared.preprocess, prepared.device)
    rule = prepared.rule
    defined = prepared.classifier.output
    stated = prepared.config.model.output or defined
    network: nn.Module = prepared.classifier.module
    adapted = AdaptedNetwork(network, prepared.preprocess, prepared.config.model.output_key)
    inputs, outputs = _outputs(adapted, inputs)
    if adapted.is_needed:
        network = adapted
    _require_fit(outputs.shape[1], prepared)
    looks_like = recognise(outputs, rule.task)
    if defined is not None and stated == defined:
        looks_like = defined  # logits that happen to lie in 0…1 are logits
    kind = stated or looks_like
    varied = _with_inverted(network, images, outputs, prepared)
    constant = constant_columns(varied)
    centred = bool(constant) and _may_be_centred(kind, outputs.shape[1], rule)
    module = network
    if kind == "probabilities" or rule.task == "multi-label" or outputs.shape[1] == 1 or centred:
        positive = int(rule.positives[0]) if rule.task == "binary" else 1
        module = ClassLogits(network, kind, rule.task, positive, centred=centred)
    model = AuditedModel(
        module=module,
        rule=rule,
        layer=find_layer(module, inputs, prepared.config.model.target_layer),
        preprocess=prepared.preprocess,
        device=prepared.device,
        batch_size=prepared.config.batch_size,
        workers=prepared.config.workers,
        precision=prepared.config.precision,
    )
    return OpenedModel(
        model,
        kind,
        outputs.shape[1],
        stated is not None,
        looks_like,
        bool((outputs > 0).any()),
        tuple(_output_names(rule)[k] for k in constant),
        _is_same_for_all(varied, rule, kind),
        precision_note(model, images),
    )


def _may_be_centred(kind: OutputKind, n_outputs: int, rule: DecisionRule) -> bool:
    """Whether subtracting the mean output changes no probability."""
    return kind == "logits" and n_outputs > 1 and rule.task != "multi-label"


def _output_names(rule: DecisionRule) -> tuple[str, ...]:
    """Names of the columns of the network; a single output belongs to the positive class."""
    return rule.labels if rule.task == "multi-label" else rule.classes


def _with_inverted(
    network: nn.Module, images: NDArray[np.uint8], outputs: Tensor, prepared: Prepared
) -> Tensor:
    """The outputs, and if a column is constant in them, those of the inverted images below.

    The few images may be alike, or only one.
    """
    if len(outputs) > 1 and not constant_columns(outputs) and float(outputs.std(0).max()) > 0:
        return outputs
    inverted = normalised(torch.from_numpy(255 - images), prepared.preprocess, prepared.device)
    try:
        return torch.cat([outputs, _outputs(network, inverted)[1]])
    except ModelError:  # the network refuses them
        return outputs


def _is_same_for_all(outputs: Tensor, rule: DecisionRule, kind: OutputKind) -> bool:
    """Whether the probabilities do not depend on the image, up to rounding."""
    values = outputs.double()
    if len(values) < 2 or not bool(torch.isfinite(values).all()):
        return False
    if kind != "probabilities" and values.shape[1] > 1 and rule.task != "multi-label":
        values = values - values.mean(1, keepdim=True)
    largest = max(float(values.abs().max()), 1.0)
    return float((values.amax(0) - values.amin(0)).max()) <= 1e-6 * largest


def _outputs(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The images on which the network runs, and its outputs (n, K) for them.

    Raises:
        ModelError: it runs on no image.
    """

    def run(part: Tensor) -> Tensor:
        with torch.inference_mode(), user_code(network, part, memory=True):
            outputs = as_columns(network(part))
        if len(outputs) != len(part):
            raise ModelError(
                f"model: expected one row of outputs per image, {len(part)}; got {tuple(outputs.shape)}: "
                "return the images along the first axis and the classes along the second one, also of one "
                "image (`flatten(1)` instead of `squeeze()`)"
            )
        return outputs.float().cpu()

    try:
        return inputs, run(inputs)
    except ModelError:
        found: dict[int, Tensor] = {}
        for k in range(len(inputs)):
            with suppress(ModelError):  # of one image: the audit counts it
                found[k] = run(inputs[k : k + 1])
        if not found:
            raise
    return inputs[list(found)], torch.cat(list(found.values()))


def _require_fit(n_outputs: int, prepared: Prepared) -> None:
    """Whether the network has as many outputs as the task has classes or labels."""
    rule = prepared.rule
    if rule.task == "multi-label":
        wanted = {len(rule.labels)}
    else:
        wanted = {len(rule.classes)} | ({1} if rule.task == "binary" else set())
    if n_outputs in wanted:
        return
    if n_outputs == 1 and rule.task != "multi-label":
        fix = (
            "set `task: binary` and `decision: {positive: …}`"
            if len(rule.classes) == 2
            else "a single output per image can only tell two classes apart: name both in model.classes, "
            "and set `task: binary` and `decision: {positive: …}`"
        )
        raise ModelError(
            f"model: expected {len(rule.classes)} outputs, one per class; the network returns one per "
            f"image: {fix}"
        )
    each = "label" if rule.task == "multi-label" else "class"
    also = " and leave task and decision out" if rule.task == "binary" else ""
    number = " or ".join(str(one) for one in sorted(wanted))
    raise ModelError(
        f"model: expected {number} outputs, one per {each}; the network returns {n_outputs}: name "
        f"{'it' if n_outputs == 1 else f'all {n_outputs} of them'} in model.classes, in the order of its "
        f"outputs{also}"
    )
