"""Settings of torch for CUDA; they exist, and are restored, without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import nn
from torch.backends import cudnn

from auditor.autograd.arithmetic import arithmetic
from auditor.autograd.recording import record
from auditor.config import Arithmetic

ALL: Any = torch.backends
CUDA = torch.device("cuda")
new_settings = pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"),
    reason="torch has these settings since version 2.9",
)


def settings() -> tuple[object, ...]:
    products = torch.backends.cuda.matmul.fp32_precision
    return ALL.cudnn.conv.fp32_precision, products, cudnn.benchmark, cudnn.deterministic


@pytest.fixture(params=["default", "TF32 for products", "TF32 for all", "benchmark"])
def chosen_by_the_user(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), ALL.fp32_precision, cudnn.benchmark
    match request.param:
        case "TF32 for products":
            torch.set_float32_matmul_precision("high")
        case "TF32 for all":
            ALL.fp32_precision = "tf32"
        case "benchmark":
            cudnn.benchmark = True
    yield
    torch.set_float32_matmul_precision(before[0])
    ALL.fp32_precision = before[1]
    cudnn.benchmark = before[2]


@new_settings
@pytest.mark.parametrize(("kind", "value"), [("exact", "ieee"), ("tf32", "tf32")])
def test_settings_for_cuda_are_made_and_restored(
    chosen_by_the_user: None, kind: Arithmetic, value: str
) -> None:
    before = settings()
    with suppress(ValueError), arithmetic(CUDA, kind):
        inside = settings()
        raise ValueError("the network raises it")
    assert inside == (value, value, False, True)
    assert settings() == before


def test_mixed_precision_on_the_cpu_computes_products_in_bfloat16() -> None:
    linear, values = nn.Linear(2, 2), torch.ones(1, 2)
    with arithmetic(torch.device("cpu"), "amp"):
        assert linear(values).dtype == torch.bfloat16
    for kind in ("exact", "tf32"):
        with arithmetic(torch.device("cpu"), kind):
            assert linear(values).dtype == torch.float32
    assert linear(values).dtype == torch.float32


def test_a_recording_keeps_float32_where_predictions_are_mixed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with record(network, torch.rand(1, 3, 2, 2)) as recording:
        assert recording.logits.dtype == torch.float32
