"""The fingerprint depends only on the weights."""

from __future__ import annotations

import hashlib
import struct

import torch
from torch import nn

from auditor.classifiers.fingerprint import n_parameters, sha256_of


def test_sha256_of_a_module_hashes_names_dtypes_shapes_and_bytes() -> None:
    module = nn.BatchNorm1d(2, affine=False)
    module.running_mean = torch.tensor([1.0, -2.0])
    module.register_parameter("a", nn.Parameter(torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16)))
    expected = hashlib.sha256(
        b"a\0bfloat16\0[1, 2]\0"
        + struct.pack("<HH", 0x3F80, 0x4000)  # 1 and 2 in bfloat16
        + b"num_batches_tracked\0int64\0[]\0"
        + struct.pack("<q", 0)
        + b"running_mean\0float32\0[2]\0"
        + struct.pack("<ff", 1, -2)
        + b"running_var\0float32\0[2]\0"
        + struct.pack("<ff", 1, 1)
    )
    assert sha256_of(module) == expected.hexdigest()


def test_sha256_of_a_module_ignores_order_memory_layout_and_mode() -> None:
    first, second = nn.Conv2d(3, 4, 3), nn.Linear(2, 2)
    one = nn.ModuleDict({"a": first, "b": second})
    other = nn.ModuleDict({"b": second, "a": first}).eval().to(memory_format=torch.channels_last)
    assert sha256_of(one) == sha256_of(other)


def test_sha256_of_a_module_changes_with_the_last_bit_of_a_weight() -> None:
    module = nn.Linear(300, 200)
    before = sha256_of(module)
    with torch.no_grad():
        weight = module.weight[123, 45]
        weight.copy_(torch.nextafter(weight, torch.tensor(9.0)))
    assert sha256_of(module) != before


def test_n_parameters_counts_tied_weights_once_and_no_buffers() -> None:
    a, b = nn.Linear(3, 5), nn.Linear(3, 5)
    b.weight = a.weight
    assert n_parameters(nn.Sequential(a, b, nn.BatchNorm1d(5))) == 15 + 5 + 5 + 10
