"""Random networks and weight files: an audit has a result, or ends in one usage error."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import auditor
from auditor.classifiers.checkpoint import load_weights
from auditor.errors import UsageError

EXAMPLES = int(os.environ.get("AUDITOR_EXAMPLES", "5"))
IMAGES = [
    (np.random.default_rng(k).integers(0, 255, (16, 16, 3), np.uint8), "ab"[k % 2])
    for k in range(12)
]

_layer = st.one_of(
    st.tuples(st.just("conv"), st.sampled_from([1, 2, 3, 5]), st.sampled_from([1, 3, 4])),
    st.tuples(st.just("norm"), st.booleans()),
    st.sampled_from(["relu", "relu in place", "gelu", "pool", "dropout", "identity", "softmax"]),
)


def _network(layers: list[Any], channels: int, pooled: bool, n_outputs: int) -> nn.Module:
    parts: list[nn.Module] = []
    for layer in layers:
        match layer:
            case ("conv", kernel, out):
                parts.append(nn.Conv2d(channels, out, kernel, padding=kernel // 2))
                channels = out
            case ("norm", running):
                parts.append(nn.BatchNorm2d(channels, track_running_stats=running))
            case "relu" | "relu in place":
                parts.append(nn.ReLU(inplace=layer != "relu"))
            case "gelu":
                parts.append(nn.GELU())
            case "pool":
                parts.append(nn.MaxPool2d(2))
            case "dropout":
                parts.append(nn.Dropout(0.5))
            case "softmax":
                parts.append(nn.Softmax2d())
            case _:
                parts.append(nn.Identity())
    if pooled:
        parts.append(nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(n_outputs))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_layer, max_size=6), st.sampled_from([3, 3, 3, 1]), st.booleans(), st.integers(1, 3)
)
def test_random_network_is_audited_or_refused(
    layers: list[Any], channels: int, pooled: bool, n_outputs: int
) -> None:
    torch.manual_seed(0)
    model = _network(layers, channels, pooled, n_outputs)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        try:
            model.eval()(torch.rand(2, channels, 16, 16))
        except (RuntimeError, ValueError):
            return  # no network at all: its own layers do not fit together
        model.train()
        with suppress(UsageError):  # any other exception fails the test
            result = auditor.audit(
                model, IMAGES, classes=["a", "b"], preprocess={}, out=Path(folder) / "run"
            )
            summary = result.summary
            assert summary.n_evaluated + summary.n_unusable == len(IMAGES)
        assert model.training


_tensor = st.sampled_from(
    [
        torch.zeros(2, 4),
        torch.zeros(4, 2),
        torch.zeros(2, dtype=torch.float16),
        torch.zeros(2, dtype=torch.int64),
        torch.tensor(1.0),
        torch.full((2, 4), torch.nan),
    ]
)
_name = st.sampled_from(["weight", "bias", "module.weight", "fc.bias", "total_ops", "0.weight", ""])
_content = st.recursive(
    st.dictionaries(_name, _tensor, max_size=4),
    lambda inner: st.dictionaries(
        st.sampled_from(["state_dict", "model", "epoch", "ema"]), inner | st.integers(), max_size=3
    ),
    max_leaves=4,
)


@settings(max_examples=20 * EXAMPLES)
@given(_content | st.binary(max_size=200), st.booleans())
def test_random_weight_file_is_loaded_or_refused(content: Any, cut: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        if cut:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        module = nn.Linear(4, 2)
        message = ""
        try:
            load_weights(module, path)
        except UsageError as error:
            message = str(error)
        assert not message or str(path) in message
