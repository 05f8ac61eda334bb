"""A network on CUDA against the same network on the CPU; run by ``pytest -m gpu`` where there is a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.memory_images import grey_images
from torch import Tensor, nn
from typer.testing import CliRunner

from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import find_layer
from auditor.cli import app
from auditor.config import Preprocess
from auditor.explainers import explain_batch
from auditor.input_pipeline import batches
from auditor.records.decisions import DecisionRule
from auditor.run_folder import RunFolder
from benchmarks.generated_images import calibrated, write_audit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CUDA = torch.device("cuda")
CPU = torch.device("cpu")
SIDE = 224


def pictures(n: int, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((n, 3, 14, 14), generator=generator)
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return calibrated("resnet18", pictures(16) / 255, 10)


def audited(network: nn.Module, device: torch.device, batch_size: int = 64) -> AuditedModel:
    module = deepcopy(network).to(device)
    return AuditedModel(
        module=module,
        rule=DecisionRule.single_label([str(k) for k in range(10)]),
        layer=find_layer(module, torch.rand(1, 3, SIDE, SIDE, device=device)),
        preprocess=Preprocess(),
        device=device,
        batch_size=batch_size,
        workers=0,
    )


def relative(found: np.ndarray | Tensor, expected: np.ndarray | Tensor) -> float:
    one, other = torch.as_tensor(found).double(), torch.as_tensor(expected).double()
    return float((one - other).norm() / other.norm())


@pytest.fixture
def little_memory() -> Iterator[None]:
    """About 3 GB of the GPU for this process."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(3e9 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_logits_on_cuda_equal_those_on_the_cpu(network: nn.Module) -> None:
    # Two float32 sums of about 4,608 products in another order differ by some 1e-6 of their size, over
    # 18 layers; with TF32, the difference would be about 1e-3.
    found = audited(network, CUDA).logits(pictures(96))
    expected = audited(network, CPU).logits(pictures(96))
    assert relative(found, expected) < 2e-5
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.98


def test_logits_with_tf32_switched_on_by_the_user_are_still_exact(network: nn.Module) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        found = audited(network, CUDA).logits(pictures(32))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    assert relative(found, audited(network, CPU).logits(pictures(32))) < 2e-5


def test_logits_in_tf32_are_within_its_rounding(network: nn.Module) -> None:
    exact = audited(network, CUDA)
    found = replace(exact, precision="tf32").logits(pictures(64))
    assert 1e-6 < relative(found, exact.logits(pictures(64))) < 2e-2


def test_mixed_precision_agrees_with_full_precision(network: nn.Module) -> None:
    exact = audited(network, CUDA)
    mixed = replace(exact, precision="amp")
    found, expected = mixed.probabilities(pictures(128)), exact.probabilities(pictures(128))
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() < 0.02
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.95
    assert relative(mixed.features(pictures(32)), exact.features(pictures(32))) < 1e-2


class Huge(nn.Module):
    """Its activations exceed the range of float16."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.last = nn.Linear(4, 10)
        nn.init.constant_(self.first.weight, 1e4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.first(x).relu().mean((2, 3)) / 1e5)
        return logits


def test_mixed_precision_that_overflows_is_repeated_in_full_precision() -> None:
    exact = audited(Huge(), CUDA)
    found = replace(exact, precision="amp").logits(pictures(8))
    np.testing.assert_array_equal(found, exact.logits(pictures(8)))


def test_guided_grad_cam_on_cuda_equals_that_on_the_cpu(network: nn.Module) -> None:
    # Guided backpropagation is discontinuous, so single pixels may differ; the norms may not.
    images = pictures(32) / 255
    pairs = [(row, target) for row in range(32) for target in (row % 10, (row + 3) % 10)]
    on_cuda, on_cpu = audited(network, CUDA), audited(network, CPU)
    found = explain_batch(on_cuda.module, images.to(CUDA), pairs, on_cuda.layer)
    expected = explain_batch(on_cpu.module, images, pairs, on_cpu.layer)
    assert found.maps.is_pinned()  # a copy to fresh memory takes longer than computing the maps
    assert relative(found.cams, expected.cams) < 1e-4
    assert relative(found.maps, expected.maps) < 1e-2


def test_maps_on_cuda_are_the_same_in_every_run(network: nn.Module) -> None:
    model = audited(network, CUDA)
    images = pictures(16).to(CUDA) / 255
    pairs = [(row, 1) for row in range(16)]
    one, other = (explain_batch(model.module, images, pairs, model.layer) for _ in range(2))
    assert torch.equal(one.maps, other.maps)
    assert torch.equal(one.cams, other.cams)


def test_the_model_on_cuda_is_left_as_it_was(network: nn.Module) -> None:
    model = audited(network, CUDA)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    replace(model, precision="amp").logits(pictures(8))
    model.cams(pictures(8), np.zeros(8, np.int64))
    explain_batch(model.module, pictures(8).to(CUDA) / 255, [(0, 1)], model.layer)
    after = model.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(one.grad is None for one in model.module.parameters())
    assert {one.dtype for one in model.module.parameters()} == {torch.float32}
    assert not any(one._forward_hooks for one in model.module.modules())
    assert torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.deterministic


def test_logits_without_enough_memory_of_the_gpu_halve_the_passes(
    network: nn.Module, little_memory: None
) -> None:
    # 1,024 images of 224 pixels: the first convolution alone returns 3.3 GB.
    model = audited(network, CUDA, batch_size=1024)
    images = pictures(1024)
    found = model.logits(images)
    assert model._forward_passes.most < 1024
    expected = audited(network, CUDA, batch_size=32).logits(images[:64])
    assert relative(found[:64], expected) < 2e-5


def test_maps_without_enough_memory_of_the_gpu_halve_the_passes(
    network: nn.Module, little_memory: None
) -> None:
    model = audited(network, CUDA, batch_size=512)
    images = pictures(512)  # about 20 MB each with their graph
    targets = np.arange(512) % 10
    cams = model.cams(images, targets)
    assert model._gradient_passes.most < 512
    pairs = [(row, int(target)) for row, target in enumerate(targets)]
    found = explain_batch(model.module, images.to(CUDA) / 255, pairs, model.layer)
    assert found.maps.shape == (512, 3, SIDE, SIDE)
    assert relative(found.cams, cams) < 1e-4


def test_workers_open_no_context_on_the_gpu() -> None:
    torch.zeros(1, device=CUDA)
    data = grey_images(256)
    free, _ = torch.cuda.mem_get_info()
    lowest = free
    rows = np.arange(len(data))
    for _ in batches(data, rows, Preprocess(), batch_size=16, workers=4, pinned=True):
        lowest = min(lowest, torch.cuda.mem_get_info()[0])
    assert free - lowest < 100e6  # one context takes about 500 MB


def test_pinned_batches_are_page_locked() -> None:
    (batch,) = batches(
        grey_images(4), np.arange(4), Preprocess(), batch_size=4, workers=0, pinned=True
    )
    assert batch.images.is_pinned()


@pytest.mark.parametrize("precision", ["exact", "amp"])
def test_a_whole_audit_on_cuda_finishes_and_finds_the_failures(
    tmp_path: Path, precision: str
) -> None:
    config = write_audit(tmp_path / "inputs", 160, 0.2, "resnet18", 96)
    out = tmp_path / "run"
    done = CliRunner().invoke(
        app,
        [
            *("run", str(config), "--out", str(out), "--device", "cuda"),
            *("--set", f"precision={precision}", "--set", "explain.trust_samples=2"),
            *("--set", "checks.region-reliance=false", "--set", "report.formats=[]"),
        ],
    )
    assert done.exit_code in {0, 1, 4}, done.output
    result = RunFolder.open(out).read_result()
    # 160 samples with a probability of 0.2 to have another label; the CPU made the other labels.
    assert 16 <= result.summary.n_failures <= 56
    assert result.summary.n_explained > 0
    assert result.provenance.environment["device"] == "cuda"
    assert ("precision" in result.provenance.environment) == (precision == "amp")
