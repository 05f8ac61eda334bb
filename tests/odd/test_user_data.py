"""Data sets from Python: unambiguous forms are converted, all others refused before predicting."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from builders.python_audits import PIXELS, pairs, prepare, refused
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from auditor.datasets.user_samples import UserImages
from auditor.errors import UnreadableImageError

N = 4
GREY = PIXELS[:, :, 0]
ROW = namedtuple("ROW", "picture kind")  # noqa: PYI024 - as users write it


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.copy())


GREY_RGB = np.repeat(GREY[:, :, None], 3, axis=2)
IMAGES: dict[str, tuple[Any, np.ndarray]] = {
    "uint8 (H, W, 3)": (PIXELS, PIXELS),
    "uint8 (3, H, W)": (PIXELS.transpose(2, 0, 1), PIXELS),
    "uint8 (H, W)": (GREY, GREY_RGB),
    "uint8 (H, W, 1)": (GREY[:, :, None], GREY_RGB),
    "uint8 (1, H, W)": (GREY[None], GREY_RGB),
    "tensor (3, H, W)": (tensor(PIXELS).permute(2, 0, 1), PIXELS),
    "tensor (H, W, 3)": (tensor(PIXELS), PIXELS),
    "tensor (1, H, W)": (tensor(GREY)[None], GREY_RGB),
    "ToTensor": (tensor(PIXELS).permute(2, 0, 1) / 255, PIXELS),
    "with gradient": ((tensor(PIXELS).permute(2, 0, 1) / 255).requires_grad_(), PIXELS),
    "float64 0 to 1": (PIXELS / 255, PIXELS),
    "float16 0 to 1": (np.full((8, 8), 0.5, np.float16), np.full((8, 8, 3), 128, np.uint8)),
    "bfloat16 0 to 1": (torch.ones(3, 8, 8).bfloat16(), np.full((8, 8, 3), 255, np.uint8)),
    "int64 0 to 255": (PIXELS.astype(np.int64), PIXELS),
    "nested lists": (PIXELS.tolist(), PIXELS),
    "booleans": (GREY > 100, np.where(GREY_RGB > 100, 255, 0)),
    "opaque RGBA": (np.dstack([PIXELS, np.full_like(GREY, 255)]), PIXELS),
    "PIL": (Image.fromarray(PIXELS), PIXELS),
    "PIL grey": (Image.fromarray(GREY), GREY_RGB),
    "3 wide, array": (PIXELS[:3, :3], PIXELS[:3, :3]),
    "3 wide, tensor": (tensor(PIXELS[:3, :3]).permute(2, 0, 1), PIXELS[:3, :3]),
}


@pytest.mark.parametrize(("image", "expected"), IMAGES.values(), ids=IMAGES.keys())
def test_image_of_an_unambiguous_form_is_converted(image: Any, expected: np.ndarray) -> None:
    found = np.asarray(UserImages(pairs(image))[0].image)
    assert (found == expected).all()
    if min(expected.shape[:2]) > 3:  # the network needs a map
        assert len(prepare(dataset=pairs(image)).dataset) == N


REFUSED_IMAGES: dict[str, tuple[Any, str]] = {
    "normalised": (
        tensor(PIXELS).permute(2, 0, 1).float() / 127 - 1,
        r"float32 values in 0…1; got -1…\d.*remove it and state its mean and std in `preprocess`",
    ),
    "float 0 to 255": (PIXELS.astype(float), "float64 values in 0…1; got 0…25.*by 255"),
    "NaN": (PIXELS * np.nan, "float64 values in 0…1; got nan…nan"),
    "uint16": (PIXELS.astype(np.uint16), "expected values of the type uint8; got uint16"),
    "int above 255": (PIXELS.astype(int) * 9, "int64 values in 0…255; got 0…22"),
    "complex": (PIXELS * 1j, "got complex128"),
    "text": (np.array([["a", "b"]]), "expected values of the type uint8; got <U1"),
    "2 channels": (PIXELS[:, :, :2], r"got the shape \(8, 10, 2\): choose the channels"),
    "6 channels": (np.dstack([PIXELS, PIXELS]), r"got the shape \(8, 10, 6\)"),
    "batch of one": (PIXELS[None], r"got the shape \(1, 8, 10, 3\): pass one image per sample"),
    "one row": (PIXELS[0, 0], r"got the shape \(3,\)"),
    "no pixel": (PIXELS[:0], r"got the shape \(0, 10, 3\)"),
    "path": ("eye.png", r"got str: open the file, as in `PIL.Image.open\(path\)`"),
    "Path": (Path("eye.png"), "got PosixPath: open the file"),
    "bytes": (b"\x89PNG", "got bytes: open the file"),
    "None": (None, "got NoneType: convert it"),
    "objects": (PIXELS.astype(object), "got ndarray: convert it"),
    "ragged": ([[1], [1, 2]], "got list, which is no array"),
    "sparse": (torch.eye(8).to_sparse(), "got Tensor, which is no array"),
    "dict of bytes": ({"bytes": b"", "path": ""}, "got dict: convert it"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED_IMAGES.values(), ids=REFUSED_IMAGES.keys())
def test_other_image_is_refused_with_its_sample(image: Any, message: str) -> None:
    text = refused(dataset=[*pairs()[:2], (image, 0), (image, 1)])
    assert text.startswith("dataset: sample 2: image: expected ")
    assert re.search(message, text), text


class Custom:
    """A data set of the user."""

    def __init__(self, read: Callable[[int], Any], length: Callable[[], Any] = lambda: N) -> None:
        self.read = read
        self.length = length

    def __len__(self) -> Any:
        return self.length()

    def __getitem__(self, index: int) -> Any:
        return self.read(index)


def fail(error: Exception) -> Any:
    raise error


def good(_: int) -> Any:
    return PIXELS, 0


def stream() -> Iterator[Any]:
    yield from pairs()


CUSTOM: Any = Custom(good)
RANDOM = np.random.default_rng(0)
REFUSED_SETS: dict[str, tuple[Any, str]] = {
    "raises a KeyError": (
        Custom(lambda k: good(k) if k < 2 else fail(KeyError("file"))),
        r"`__getitem__\(2\)` of Custom raised KeyError \(test_user_data.py, line \d+\): 'file'",
    ),
    "raises without a message": (
        Custom(lambda _: fail(ValueError())),
        r"`__getitem__\(0\)` of Custom raised ValueError .*: no message: read this sample alone",
    ),
    "raises with several lines": (
        Custom(lambda _: fail(OSError("no\nfile"))),
        "raised OSError .*: no file:",
    ),
    "raises in its length": (
        Custom(good, lambda: fail(TypeError("no length"))),
        "`__len__` of Custom raised TypeError .*: no length",
    ),
    "length is text": (Custom(good, lambda: "4"), "`__len__` of Custom raised TypeError"),
    "too long": (Custom(lambda k: pairs()[k], lambda: 9), r"`__getitem__\(4\)` .* IndexError"),
    "empty": ([], "expected at least one sample in the data set; it is empty"),
    "generator": (stream(), "got generator, without .*: pass `list\\(dataset\\)`"),
    "None": (None, "got NoneType, without"),
    "loader": (DataLoader(CUSTOM, batch_size=2), r"got DataLoader: pass its data set"),
    "splits": ({"train": pairs(), "test": pairs()}, "got dict with the keys train, test: pass one"),
    "folder": ("images", "got str: open the images"),
    "table": (pd.DataFrame({"file": ["a.png"]}), "got DataFrame: open the images"),
    "array": (
        np.zeros((N, 8, 8, 3), np.uint8),
        r"sample 0: .*got ndarray of the shape \(8, 8, 3\)",
    ),
    "tensor": (torch.zeros(N, 3, 8, 8), r"sample 0: .*got Tensor of the shape \(3, 8, 8\)"),
    "images and labels": (
        (np.zeros((N, 8, 8, 3)), np.zeros(N)),
        "list\\(zip\\(images, labels\\)\\)",
    ),
    "no labels": ([(PIXELS,)] * N, "sample 0: expected a pair .*got tuple of length 1"),
    "labels alone": ([0] * N, "sample 0: expected a pair .*got int"),
    "label first": ([("cat", PIXELS)] * N, "sample 0: image: .*got str"),
    "other keys": (
        [{"pixel_values": PIXELS, "labels": 0}] * N,
        "got the keys 'pixel_values', 'labels': pass pairs",
    ),
    "two labels": (
        [{"image": PIXELS, "label": 0, "target": 1}] * N,
        "got the keys 'image', 'label'",
    ),
    "random transform": (
        Custom(lambda _: (RANDOM.integers(0, 255, (8, 8, 3), np.uint8), 0)),
        "sample 0: expected the same image whenever it is read.*remove random transforms",
    ),
}


@pytest.mark.parametrize(("dataset", "message"), REFUSED_SETS.values(), ids=REFUSED_SETS.keys())
def test_data_set_that_cannot_be_read_is_refused(dataset: Any, message: str) -> None:
    text = refused(dataset=dataset)
    assert re.search(message, text), text


@pytest.mark.parametrize(
    "dataset",
    [
        pairs(),
        tuple(pairs()),
        [list(pair) for pair in pairs()],
        [(*pair, "meta data") for pair in pairs()],
        [ROW(*pair) for pair in pairs()],
        [{"image": image, "label": label} for image, label in pairs()],
        [{"img": image, "labels": label, "id": 3} for image, label in pairs()],
        Custom(lambda k: pairs()[k]),
        TensorDataset(torch.ones(N, 3, 8, 8), torch.tensor([0, 1, 0, 1])),
    ],
    ids=[
        "list",
        "tuple",
        "lists",
        "triples",
        "named tuples",
        "dicts",
        "dicts of another library",
        "class",
        "TensorDataset",
    ],
)
def test_data_set_of_an_unambiguous_form_is_read(dataset: Any) -> None:
    assert prepare(dataset=dataset).codes.tolist() == [0, 1, 0, 1]


def test_image_that_raises_only_later_is_counted_as_unreadable() -> None:
    with pytest.raises(UnreadableImageError, match=r"unreadable: .* raised OSError .*: moved"):
        UserImages(Custom(lambda _: fail(OSError("moved"))))[0]


LABELS: dict[str, tuple[list[Any], Any]] = {
    "indices": ([0, 1, 0, 1], ["cat", "dog"]),
    "names": (["cat", "dog", "Cat", "DOG "], ["cat", "dog"]),
    "NumPy integers": ([np.int64(0), np.uint8(1), np.int32(0), np.int8(1)], ["cat", "dog"]),
    "floats": ([0.0, 1.0, np.float32(0), np.float64(1)], ["cat", "dog"]),
    "booleans": ([False, True, np.False_, np.True_], ["cat", "dog"]),
    "tensors": ([torch.tensor(k % 2) for k in range(N)], ["cat", "dog"]),
    "tensors of one element": ([torch.tensor([k % 2]) for k in range(N)], ["cat", "dog"]),
    "arrays of one element": ([np.array([k % 2]) for k in range(N)], ["cat", "dog"]),
    "lists of one element": ([["cat"], ["dog"], [0], [1]], ["cat", "dog"]),
    "one-hot arrays": ([*np.eye(2), *np.eye(2)], ["cat", "dog"]),
    "one-hot tensors": ([*torch.eye(2).long(), *torch.eye(2)], ["cat", "dog"]),
    "one-hot lists": ([[1, 0], [0, 1], (1.0, 0.0), [False, True]], ["cat", "dog"]),
    "integer classes": ([0, 1, "0", "1"], [0, 1]),
    "other integer classes": ([7, 5, np.int64(7), 5], [7, 5]),
    "NumPy classes": ([0, 1, "cat", "dog"], np.array(["cat", "dog"])),
    "boolean classes": ([False, True, np.False_, "true"], [False, True]),
    "boolean classes in reverse": ([True, False, "True", "false"], ["True", "False"]),
    "classes of an index": ([0, 1, 0, 1], pd.Index(["cat", "dog"])),
}


@pytest.mark.parametrize(("labels", "classes"), LABELS.values(), ids=LABELS.keys())
def test_label_of_an_unambiguous_form_is_read(labels: list[Any], classes: Any) -> None:
    found = prepare(dataset=pairs(labels=labels), classes=classes)
    assert found.codes.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "labels",
    [
        [["cat"], [], ["cat", "dog"], None],
        [[0], (), {0, 1}, []],
        [torch.tensor([1, 0]), np.zeros(2), np.array([True, True]), np.array([0.0, 0.0])],
        [[torch.tensor(0)], [], [np.int64(0), np.int64(1)], ""],
    ],
    ids=["names", "indices", "indicators", "scalars"],
)
def test_labels_of_a_multi_label_task_are_read(labels: list[Any]) -> None:
    found = prepare(dataset=pairs(labels=labels), task="multi-label")
    # Columns 0 and 1 are cat and dog, 2 and 3 their absence is each one after its label.
    present = found.codes == found.rule.positives
    assert present.tolist() == [[True, False], [False, False], [True, True], [False, False]]


REFUSED_LABELS: dict[str, tuple[Any, str, str]] = {
    "soft": (np.array([0.3, 0.7]), "single-label", r"got 2 values \(0.3, 0.7\) for 2 classes"),
    "one-hot of another length": (np.eye(3)[0], "single-label", "got 3 values .* for 2 classes"),
    "two ones": (np.ones(2), "single-label", "set task='multi-label'"),
    "matrix": (np.eye(2), "single-label", r"got an array of the shape \(2, 2\)"),
    "dict": ({"cat": 1}, "single-label", "got dict: pass the name of its class"),
    "bytes": (b"cat", "single-label", "got bytes"),
    "image": (Image.new("L", (2, 2)), "single-label", "got Image"),
    "date": (pd.Timestamp("2020-01-01"), "single-label", "got Timestamp"),
    "names": (["cat", "dog"], "single-label", "label: expected one class per sample; 1 of 4"),
    "None": (None, "single-label", r"label: expected one for every sample; 1 of 4 .*000002"),
    "NaN": (float("nan"), "single-label", "label: expected one for every sample; 1 of 4"),
    "other name": ("bird", "single-label", "label: expected one of the 2 classes .*'bird'"),
    "out of range": (2, "single-label", "or an index below 2; .*'2' .1 sample, first 000002"),
    "negative": (-1, "single-label", "'-1'"),
    "between": (0.5, "binary", "'0.5'"),
    "indicator too long": (np.ones(3), "multi-label", "each of the 2 labels; got 3 values"),
    "booleans too short": (np.ones(1, bool), "multi-label", "got 1 values of bool"),
    "dict of labels": ({"cat": 1}, "multi-label", "got dict: pass the names of the labels"),
    "nested": ([["cat"]], "multi-label", "got list: pass the names"),
    "matrix of labels": (torch.eye(2), "multi-label", r"got an array of the shape \(2, 2\)"),
}


@pytest.mark.parametrize(
    ("label", "task", "message"), REFUSED_LABELS.values(), ids=REFUSED_LABELS.keys()
)
def test_other_label_is_refused(label: Any, task: str, message: str) -> None:
    text = refused(dataset=pairs(labels=[0, 1, label, 1]), task=task)
    assert re.search(message, text), text
    assert "sample 2" in text or "label: expected" in text


HALF = "x\ud800"
"""Half a character: Python holds it, and neither UTF-8 nor Arrow can."""


class _Odd:
    def __str__(self) -> str:
        return HALF


def _column(*cells: object, dtype: Any = object) -> pd.Series:
    return pd.Series(cells, dtype=dtype)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"attributes": pd.DataFrame({"site": _column("a", "b", HALF, "a")})},
            "attributes: attribute 'site': expected text; 'x\\ud800' in row 3",
        ),
        (
            {
                "attributes": pd.DataFrame(
                    {"site": _column("a", "b", HALF, "a", dtype=pd.StringDtype("python"))}
                )
            },
            "attributes: attribute 'site': expected text; 'x\\ud800' in row 3",
        ),
        (
            {"attributes": pd.DataFrame({"site": _column(1, 2, _Odd(), 4)})},
            "attributes: attribute 'site': expected text; 'x\\ud800' in row 3",
        ),
        ({"groups": ["a", HALF, "b", "b"]}, "groups: expected text; 'x\\ud800' in row 2"),
        ({"groups": _column("a", HALF, "b", "b")}, "groups: expected text; 'x\\ud800' in row 2"),
        (
            {"groups": np.array(["a", HALF, "b", "b"], object)},
            "groups: expected text; 'x\\ud800' in row 2",
        ),
        (
            {"groups": _column("a", "a", "b", "b").rename(HALF)},
            "groups: expected a printable name; got 'x\\ud800'",
        ),
        ({"weights": [1, 2, HALF, 4]}, "weights: expected text; 'x\\ud800' in row 3"),
        ({"classes": ["cat", HALF]}, "classes: "),
        (
            {"dataset": pairs(labels=("cat", "dog", HALF, "dog"))},
            "dataset: sample 2: label: expected text; 'x\\ud800' can't be written as UTF-8",
        ),
        (
            {"dataset": pairs(labels=(["cat"], ["dog", HALF], [], [])), "task": "multi-label"},
            "dataset: sample 1: label: expected text; 'x\\ud800' can't be written as UTF-8",
        ),
        (
            {"reference_images": pairs(labels=(0, HALF))},
            "reference_images: sample 1: label: expected text; 'x\\ud800'",
        ),
        (
            {
                "attributes": pd.DataFrame({"site": list("abab")}),
                "attribute_types": {"site": ["a", "b", HALF]},
            },
            "attribute_types: 'site': expected text; 'x\\ud800' in value 3",
        ),
        ({"missing": ["?", HALF]}, "missing[1]: expected text; 'x\\ud800' can't be written"),
        ({"name": HALF}, "name: expected text; 'x\\ud800' can't be written as UTF-8"),
        ({"about": {"purpose": HALF}}, "about.purpose: expected text; 'x\\ud800' can't be"),
        (
            {"display_names": {"classes": {"cat": HALF}}},
            "display_names.classes.cat: expected text; 'x\\ud800' can't be written",
        ),
        (
            {"display_names": {"classes": {HALF: "cat"}}},
            "display_names.classes: expected text; 'x\\ud800' can't be written",
        ),
    ],
)
def test_half_a_character_is_refused_with_its_place(options: dict[str, Any], words: str) -> None:
    message = refused(**({"classes": ["cat", "dog"]} | options))
    assert words in message
    message.encode()  # it can be printed
