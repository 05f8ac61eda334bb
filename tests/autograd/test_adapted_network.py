"""Networks that take other channels or dtypes, or return their outputs inside of something else."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.networks import random_images
from builders.python_audits import network, pairs, prepare, refused
from PIL import Image
from torch import Tensor, nn

import auditor
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.autograd.network_output import plain_output
from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.input_pipeline import normalised

CPU = torch.device("cpu")
LOGITS = torch.tensor([[1.0, 2.0]])
EMBEDDING = torch.zeros(1, 3)


@dataclass
class Answer:
    """As a ``ModelOutput``, but without transformers."""

    loss: Tensor | None
    logits: Tensor


Pair = namedtuple("Pair", ["hidden", "scores"])  # noqa: PYI024 - as users write it

UNDERSTOOD: dict[str, Any] = {
    "tensor": LOGITS,
    "dict with logits": {"loss": None, "logits": LOGITS, "embedding": EMBEDDING},
    "dataclass": Answer(None, LOGITS),
    "named tuple": Pair(torch.zeros(1, 2, 4, 4), LOGITS),
    "tuple of logits and maps": (LOGITS, torch.zeros(1, 2, 4, 4)),
    "list of one": [LOGITS],
}


@pytest.mark.parametrize("output", UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_plain_output_finds_the_logits(output: object) -> None:
    assert plain_output(output) is LOGITS


def test_plain_output_of_several_candidates_names_the_key() -> None:
    with pytest.raises(ModelError, match=r"dict \(a: \(1, 2\), b: \(1, 3\)\).*model.output_key"):
        plain_output({"a": LOGITS, "b": EMBEDDING})
    assert plain_output({"a": LOGITS, "b": EMBEDDING}, "b") is EMBEDDING
    assert plain_output((LOGITS, EMBEDDING), 1) is EMBEDDING


@pytest.mark.parametrize(
    ("output", "key", "message"),
    [
        ({"a": LOGITS}, "logits", r"model.output_key: expected an entry .*a: \(1, 2\).*'logits'"),
        (LOGITS, "logits", "model.output_key: .* it returns one tensor"),
    ],
    ids=["unknown", "plain tensor"],
)
def test_plain_output_refuses_a_wrong_key(output: object, key: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        plain_output(output, key)


def test_plain_output_leaves_other_types_alone() -> None:
    assert plain_output("text") == "text"


class Wrapped(nn.Module):
    """Returns what a function makes of the logits of a small network."""

    def __init__(self, make: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.net = network()
        self.make = make

    def forward(self, images: Tensor) -> object:
        return self.make(self.net(images))


WRAPPED: dict[str, Callable[[Tensor], object]] = {
    "dict": lambda logits: {"logits": logits, "probs": logits.softmax(1)},
    "tuple": lambda logits: (logits, logits[:, :, None, None]),
    "dataclass": lambda logits: Answer(None, logits),
}


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED.keys())
@pytest.mark.parametrize("explainer", ["guided-grad-cam", "occlusion"])
def test_explain_of_a_nested_output_equals_that_of_the_network(
    make: Callable[[Tensor], object], explainer: str
) -> None:
    images = random_images(2, 16)
    found = auditor.explain(Wrapped(make).eval(), images, explainer=explainer)
    plain = auditor.explain(network().eval(), images, explainer=explainer)
    assert torch.equal(found.maps, plain.maps)
    assert torch.equal(found.logits, plain.logits)


def test_explain_reads_the_entry_that_is_named() -> None:
    model = Wrapped(lambda logits: {"first": -logits, "second": logits}).eval()
    images = random_images(2, 16)
    found = auditor.explain(model, images, output_key="second")
    assert torch.equal(found.logits, auditor.explain(network().eval(), images).logits)
    with pytest.raises(ModelError, match=r"first: .* second: .*output_key"):
        auditor.explain(model, images)


def test_audit_of_a_model_that_returns_a_dict_runs_to_the_end(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (40, 8, 8, 3), np.uint8)
    result = auditor.audit(
        Wrapped(lambda logits: {"a": logits, "b": logits[:, :1]}),
        [(image, k % 2) for k, image in enumerate(images)],
        classes=["cat", "dog"],
        preprocess={},
        output_key="a",
        out=tmp_path / "run",
    )
    assert result.summary.n_samples == 40
    assert result.explanations is not None


def test_audit_without_the_key_names_the_entries() -> None:
    message = refused(model=Wrapped(lambda logits: {"a": logits, "b": logits[:, :1]}))
    assert "a: (4, 2), b: (4, 1)" in message
    assert "model.output_key" in message


def test_preprocess_of_bgr_equals_caffes_formula() -> None:
    # x[:, :, ::-1] - [103.939, 116.779, 123.68], as in the preprocessing of the first VGG and ResNet.
    setting = Preprocess(scale=1, channels="bgr", mean=(103.939, 116.779, 123.68))
    pixels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    network_input = AdaptedNetwork(nn.Identity(), setting)(normalised(pixels, setting, CPU))
    expected = pixels.flip(1).float() - torch.tensor(setting.mean).view(1, 3, 1, 1)
    torch.testing.assert_close(network_input, expected, rtol=0, atol=1e-4)


def test_preprocess_of_grey_equals_pillows_mode_l() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    setting = Preprocess(channels="grey", mean=(0.4,), std=(0.2,))
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    network_input = AdaptedNetwork(nn.Identity(), setting)(normalised(tensor, setting, CPU))
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    assert network_input.shape == (1, 1, 6, 7)
    # Pillow rounds to whole grey levels.
    np.testing.assert_allclose(
        network_input[0, 0].numpy(), (grey / 255 - 0.4) / 0.2, atol=0.51 / 255 / 0.2
    )


def test_preprocess_of_rgba_adds_an_opaque_channel() -> None:
    setting = Preprocess(scale=127.5, channels="rgba", mean=(1, 1, 1, 0.5), std=(1, 1, 1, 3))
    pixels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    network_input = AdaptedNetwork(nn.Identity(), setting)(normalised(pixels, setting, CPU))
    torch.testing.assert_close(network_input[:, :3], pixels.float() / 127.5 - 1)
    torch.testing.assert_close(network_input[:, 3], torch.full((2, 4, 5), (2 - 0.5) / 3))


def _first_layer(channels: int) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


@pytest.mark.parametrize(
    ("channels", "n", "size"),
    [("grey", 1, (12, 20)), ("rgba", 4, (16, 16)), ("bgr", 3, (24, 10))],
)
def test_audit_of_other_channels_and_sizes_runs_to_the_end(
    tmp_path: Path, channels: str, n: int, size: tuple[int, int]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 30, 30, 3), np.uint8)
    result = auditor.audit(
        _first_layer(n),
        [(image, k % 2) for k, image in enumerate(images)],
        classes=["cat", "dog"],
        preprocess={"channels": channels, "resize": list(size), "mean": [0.5], "std": [0.5]},
        out=tmp_path / "run",
    )
    assert result.summary.n_samples == 40


@pytest.mark.parametrize("n", [1, 4])
def test_wrong_number_of_channels_names_the_option(n: int) -> None:
    assert "set `preprocess.channels`" in refused(model=_first_layer(n))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_explain_of_other_dtypes_equals_float32_within_their_precision(dtype: torch.dtype) -> None:
    images = random_images(2, 16)
    plain = auditor.explain(network().eval(), images, 1, "grad-cam")
    found = auditor.explain(network().to(dtype).eval(), images, 1, "grad-cam")
    assert found.maps.dtype == found.logits.dtype == torch.float32
    tolerance = 20 * max(torch.finfo(dtype).eps, 1e-6)
    torch.testing.assert_close(found.logits, plain.logits, rtol=0, atol=tolerance)
    torch.testing.assert_close(
        found.maps, plain.maps, rtol=0, atol=tolerance * float(plain.maps.max())
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_audit_of_a_model_in_another_precision_reaches_the_predictions(dtype: torch.dtype) -> None:
    prepared = prepare(model=network().to(dtype), dataset=pairs())
    layers = prepared.classifier.module
    assert isinstance(layers, nn.Sequential)
    assert layers[0].weight.dtype == dtype


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"channels": "rgba", "mean": [0.1, 0.2, 0.3]}, "expected 1 or 4 numbers"),
        ({"channels": "grey", "mean": [0.1, 0.2, 0.3]}, "expected one number"),
        ({"mean": [120.0]}, "or set `scale: 1`"),
        ({"scale": 127.5, "mean": [3.0]}, "means of values from 0 to 2"),
    ],
)
def test_preprocess_refuses_numbers_that_do_not_fit_the_channels(
    setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess.model_validate(setting)


def test_explain_of_original_images_reorders_the_channels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    found = auditor.explain(network().eval(), image, 1, "grad-cam", preprocess={"channels": "bgr"})
    turned = np.ascontiguousarray(image[:, :, ::-1])
    plain = auditor.explain(network().eval(), turned, 1, "grad-cam", preprocess={})
    torch.testing.assert_close(found.maps, plain.maps)
