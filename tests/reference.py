"""Slow, plain rewrites that the fast code is compared with; each follows its paper's definition."""

from __future__ import annotations

import math
from contextlib import nullcontext
from copy import deepcopy
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, ttest_ind
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from auditor.explainers import TargetLayer

# --- statistics --------------------------------------------------------------------------------


def expected_calibration_error(
    stated: NDArray[np.float64], right: NDArray[np.bool_], n_bins: int
) -> float:
    """Mean over bins of equal mass of |mean confidence - accuracy|, weighted by bin size."""
    order = sorted(range(len(stated)), key=lambda index: float(stated[index]))
    edges = [round(float(edge)) for edge in np.linspace(0, len(order), n_bins + 1)]
    error = 0.0
    for start, stop in pairwise(edges):
        members = order[start:stop]
        gap = np.mean([stated[index] for index in members])
        gap -= np.mean([float(right[index]) for index in members])
        error += abs(float(gap)) * len(members) / len(order)
    return error


def mid_p_limits(count: int, total: int, confidence: float) -> tuple[float, float]:
    """The definition, solved by bracketing: half of the own mass belongs to each tail."""
    tail = (1 - confidence) / 2

    def above(rate: float) -> float:
        return float(binom.sf(count, total, rate) + binom.pmf(count, total, rate) / 2 - tail)

    def below(rate: float) -> float:
        return float(binom.cdf(count, total, rate) - binom.pmf(count, total, rate) / 2 - tail)

    low = brentq(above, 0, 1, xtol=1e-14) if count else 0.0
    high = brentq(below, 0, 1, xtol=1e-14) if count < total else 1.0
    return low, high


def rate_limits(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The wider one of Wilson's and the mid-p limit on each side."""
    score = proportion_confint(count, total, 1 - confidence, method="wilson")
    exact = mid_p_limits(count, total, confidence)
    return min(score[0], exact[0]), max(score[1], exact[1])


def mid_p_gap(
    counts: tuple[int, int], rest: tuple[int, int], confidence: float = 0.95
) -> tuple[float, float]:
    """Square-and-add limits of a difference of proportions from the mid-p limits of each."""
    low, high = mid_p_limits(*counts, confidence)
    rest_low, rest_high = mid_p_limits(*rest, confidence)
    rate, other = counts[0] / counts[1], rest[0] / rest[1]
    return (
        rate - other - math.hypot(rate - low, rest_high - other),
        rate - other + math.hypot(high - rate, other - rest_low),
    )


def largest_t_p_value(
    first: NDArray[np.float64], second: NDArray[np.float64], n_permutations: int, seed: int
) -> float:
    """Nichols and Holmes (2002): reshuffle the maps, keep the largest |t| of each reshuffling."""
    generator = np.random.default_rng(seed)
    maps = np.concatenate([first, second])

    def largest(order: NDArray[np.int64]) -> float:
        one, two = maps[order[: len(first)]], maps[order[len(first) :]]
        return float(np.abs(ttest_ind(one, two, equal_var=False).statistic).max())

    seen = largest(np.arange(len(maps)))
    draws = [largest(generator.permutation(len(maps))) for _ in range(n_permutations)]
    return (sum(draw >= seen - 1e-9 for draw in draws) + 1) / (n_permutations + 1)


# --- explainers --------------------------------------------------------------------------------
#
# Everything in float64 on a copy of the model. The rules replace functions of torch during the forward
# pass (the package applies them to the graph after it), exactly as the papers define them.


class _PaperReLU(torch.autograd.Function):
    """f = min(max(x, 0), top); passes (f > 0) · (R > 0) · R back, or (R > 0) · R."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, rule: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.top, ctx.rule = top, rule
        return torch.where(x > 0, x, torch.zeros_like(x)).clamp(max=top)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        (signal,) = signals
        (x,) = ctx.saved_tensors
        passed = torch.where(signal > 0, signal, torch.zeros_like(signal))
        if ctx.rule == "guided":
            passed = torch.where((x > 0) & (x < ctx.top), passed, torch.zeros_like(passed))
        return passed, None, None


class _PaperRules(TorchFunctionMode):
    """Replaces every notation of ReLU during the forward pass."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        top: float | None = None
        if name in {"relu", "relu_"}:
            top = math.inf
        elif name == "relu6":
            top = 6.0
        elif name == "hardtanh":
            low, high = [*args[1:3], *[None] * 2][:2]
            if kwargs.get("min_val", low) == 0:
                top = float(kwargs.get("max_val", high))
        elif name in {"clamp", "clamp_", "clip", "clamp_min", "clamp_min_"}:
            low = kwargs.get("min", args[1] if len(args) > 1 else None)
            high = kwargs.get("max", args[2] if len(args) > 2 else None)
            if low is not None and float(low) == 0:
                top = math.inf if high is None else float(high)
        elif name in {"threshold", "_threshold", "threshold_"}:
            top = math.inf
        elif name in {"maximum", "max"} and len(args) > 1 and isinstance(args[1], Tensor):
            top = math.inf if bool((args[1] == 0).all()) else None
        if top is None:
            return func(*args, **kwargs)
        x = args[0]
        y = _PaperReLU.apply(x.clone(), top, self.rule)
        in_place = (name.endswith("_") and not name.endswith("__")) or kwargs.get("inplace", False)
        return x.copy_(y) if in_place and not x.is_leaf else y


def input_map(
    model: nn.Module, images: Tensor, targets: Tensor, rule: Literal["plain", "guided", "deconvnet"]
) -> Tensor:
    """Gradient of the targets' logits by the paper's rule, (N, 3, H, W) float64."""
    copy = deepcopy(model).double().eval()
    leaf = images.double().clone().requires_grad_()
    with torch.enable_grad(), _PaperRules(rule) if rule != "plain" else nullcontext():
        logits = copy(leaf.clone())
    (gradient,) = torch.autograd.grad(logits[torch.arange(len(images)), targets].sum(), leaf)
    return gradient


def grad_cam_map(model: nn.Module, images: Tensor, targets: Tensor, layer: TargetLayer) -> Tensor:
    """Selvaraju et al., equations 1 and 2, loop by loop; (N, h, w) float64, layer's resolution."""
    copy = deepcopy(model).double().eval()
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # the next layer may change its input in place

    copy.get_submodule(layer.name).register_forward_hook(keep)
    with torch.enable_grad():
        logits = copy(images.double().clone().requires_grad_())
    maps = []
    for row, target in enumerate(targets.tolist()):
        (raw,) = torch.autograd.grad(logits[row, target], kept[-1], retain_graph=True)
        gradient, activation = layer.to_map(raw)[row], layer.to_map(kept[-1].detach())[row]
        total = torch.zeros(gradient.shape[1:], dtype=torch.float64)
        for channel in range(len(gradient)):
            total += gradient[channel].mean() * activation[channel]
        maps.append(total.clamp(min=0))
    return torch.stack(maps)


def bilinear(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear upsampling of one map with pixel centres at i + 1/2, edges repeated."""
    rows, columns = values.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(y), int(x)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            dy, dx = y - top, x - left
            result[i, j] = (
                values[top, left] * (1 - dy) * (1 - dx)
                + values[top, right] * (1 - dy) * dx
                + values[below, left] * dy * (1 - dx)
                + values[below, right] * dy * dx
            )
    return result


def guided_by_hand(
    weights: list[NDArray[np.float64]], x: NDArray[np.float64], target: int
) -> NDArray[np.float64]:
    """Guided backpropagation of linear layers with a ReLU between any two, in numpy."""
    inputs = []
    for weight in weights[:-1]:
        before = weight @ x
        inputs.append(before)
        x = np.maximum(before, 0)
    signal: NDArray[np.float64] = weights[-1][target]
    for weight, before in zip(reversed(weights[:-1]), reversed(inputs), strict=True):
        signal = (before > 0) * (signal > 0) * signal
        signal = weight.T @ signal
    return signal


# --- confident learning ------------------------------------------------------------------------


def confident_joint(
    labels: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[list[list[int]], list[list[float]]]:
    """Northcutt, Jiang and Chuang (2021), eq. 1, and eq. 3 times the number of samples."""
    n, k = shares.shape
    members = [[x for x in range(n) if labels[x] == i] for i in range(k)]
    threshold = [
        sum(float(shares[x, i]) for x in members[i]) / len(members[i]) if members[i] else math.inf
        for i in range(k)
    ]
    joint = [[0] * k for _ in range(k)]
    for x in range(n):
        sure = [j for j in range(k) if shares[x, j] >= threshold[j]]
        if sure:
            joint[int(labels[x])][max(sure, key=lambda j: float(shares[x, j]))] += 1
    expected = [[0.0] * k for _ in range(k)]
    for i in range(k):
        total = sum(joint[i])
        for j in range(k):
            part = joint[i][j] / total if total else float(i == j)
            expected[i][j] = part * len(members[i])
    return joint, expected


def confident_learning(
    labels: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[list[list[int]], dict[int, int]]:
    """Northcutt, Jiang and Chuang (2021): the confident joint, and both prunings (method 5)."""
    n, k = shares.shape
    members = [[x for x in range(n) if labels[x] == i] for i in range(k)]
    joint, expected = confident_joint(labels, shares)
    by_class = set()
    for i in range(k):
        wrong = round(sum(expected[i][j] for j in range(k) if j != i))
        by_class |= set(sorted(members[i], key=lambda x: float(shares[x, i]))[:wrong])
    suggested: dict[int, tuple[float, int]] = {}
    for i in range(k):
        for j in range(k):
            if i == j:
                continue
            margin = {x: float(shares[x, j] - shares[x, i]) for x in members[i]}
            for x in sorted(members[i], key=lambda x: -margin[x])[: round(expected[i][j])]:
                if x in by_class:
                    suggested[x] = max(suggested.get(x, (-math.inf, -1)), (margin[x], j))
    return joint, {x: j for x, (_, j) in suggested.items()}


# --- looks of images ---------------------------------------------------------------------------


def ring_energies(channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Squared amplitudes by the sum over pixels, added up by the whole number nearest to frequency."""
    height, width = channel.shape
    shorter = min(height, width)
    rings: dict[int, float] = {}
    for v in range(height):
        for u in range(width):
            turns = v * np.arange(height)[:, None] / height + u * np.arange(width) / width
            wave = complex((channel * np.exp(-2j * math.pi * turns)).sum())
            down, across = min(v, height - v) / height, min(u, width - u) / width
            ring = round(shorter * math.hypot(down, across))
            ring = ring if (u, v) == (0, 0) else max(ring, 1)
            rings[ring] = rings.get(ring, 0.0) + abs(wave) ** 2
    return np.array([rings[ring] for ring in sorted(rings)])
