"""The boundary around a data set of the caller: what it raises or returns becomes images and labels.

A data set from Python is the user's code: it may raise anything, and return samples of any form. What is
unambiguous is converted; anything else becomes one error that names the sample and the fix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from auditor.errors import AuditorError, DataError, UnreadableImageError
from auditor.imaging import upright_rgb
from auditor.imaging.arrays import image_of_array
from auditor.records import DecodedImage
from auditor.traceback_file import one_line, place_of

_IMAGE_KEYS = ("image", "img")
_LABEL_KEYS = ("label", "labels", "target")
_READ_TWICE = 8
"""Samples that are read a second time, to see whether they stay the same."""
_PAIR = "expected a pair (image, label)"

_Result = TypeVar("_Result")


class LabelledImages(Protocol):
    """Anything indexable that returns (image, label): a list, a torch data set."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """The image and the label of a sample.

        A pair (what follows is ignored), or a mapping with the keys ``image`` or ``img``, and ``label``,
        ``labels`` or ``target``. The image is a PIL image, or an array or tensor that
        `imaging.arrays.image_of_array` converts; see `user_labels` for the label.
        """
        ...


def n_samples(dataset: LabelledImages, option: str = "dataset") -> int:
    """Number of samples of a data set of the caller.

    Args:
        dataset: of the caller.
        option: its name, for the message.

    Raises:
        DataError: it has no length or no positions, or its ``__len__`` raises.
    """
    name = type(dataset).__name__
    wanted = f"{option}: expected an indexable data set of pairs (image, label); got {name}"
    if isinstance(dataset, Mapping):
        keys = ", ".join(str(key) for key in list(dataset)[:5])
        raise DataError(
            f"{wanted} with the keys {keys}: pass one of its values, or a list of pairs"
        )
    if isinstance(dataset, str | bytes | Path | pd.DataFrame):
        raise DataError(
            f"{wanted}: open the images, as in `[(Image.open(path), label), …]`, or use a configuration "
            "file and `auditor run`"
        )
    if type(dataset).__module__.startswith("torch.utils.data.dataloader"):
        raise DataError(
            f"{wanted}: pass its data set (`loader.dataset`), with the images before normalisation"
        )
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(f"{wanted}, without `__len__` or `__getitem__`: pass `list(dataset)`")
    call = f"{option}: `__len__` of {name}"
    return _guarded(call, "return the number of samples", lambda: len(dataset))


def read_labels(
    dataset: LabelledImages, plain: Callable[[Any, str], _Result], option: str = "dataset"
) -> list[_Result]:
    """Reads every sample once: its label, and whether its image can be used.

    Args:
        dataset: of the caller.
        plain: converts a label; its second argument names the sample, for the message.
        option: the name of the data set, for the message.

    Raises:
        DataError: a sample can't be read, or is no image with a label, or it changes when it is read
            again.
    """
    return read_samples(dataset, plain, (), option)[0]


def read_samples(
    dataset: LabelledImages,
    plain: Callable[[Any, str], _Result],
    names: Sequence[str],
    option: str,
) -> tuple[list[_Result], dict[str, list[Any]]]:
    """Reads labels, as `read_labels` does, and further values of the samples.

    Args:
        dataset: of the caller.
        plain: converts a label; its second argument names the sample, for the message.
        names: keys of the values: of the sample if it is a mapping, else of its third element.
        option: the name of the data set, for the message.

    Returns:
        The labels, and a list of values for each name; None where a sample has none.

    Raises:
        DataError: as for `read_labels`; or no sample has one of the names.
    """
    n = n_samples(dataset, option)
    read_twice = set(np.linspace(0, n - 1, min(n, _READ_TWICE), dtype=int).tolist())
    labels = []
    others: list[Mapping[Any, Any]] = []
    for position in range(n):
        place = f"{option}: sample {position}"
        image, label, further = _sample(dataset, position, option)
        _require_image(image, place)
        labels.append(plain(label, place))
        if names:
            others.append(further)
        if position in read_twice:
            again = plain(_sample(dataset, position, option)[1], place)
            _require_same_label(labels[-1], again, place)
            _require_same_image(UserImages(dataset), position, place)
    known = sorted({str(key) for one in others for key in one})
    for name in names:
        if name not in known:
            raise DataError(
                f"{option}: expected samples with a value {name!r}; they have {', '.join(known) or 'none'}: "
                "return a mapping of names to values as the third element, or as further keys"
            )
    return labels, {name: [one.get(name) for one in others] for name in names}


@dataclass(frozen=True)
class UserImages:
    """The images of a data set of the caller."""

    dataset: LabelledImages

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DecodedImage:
        try:
            image = _as_pil(_sample(self.dataset, index)[0])
        except (DataError, ValueError) as error:
            # It could be read when the audit started. One image does not end it.
            raise UnreadableImageError("unreadable", str(error)) from error
        image = upright_rgb(image)
        return DecodedImage(image, hashlib.sha256(image.tobytes()).hexdigest())


def _sample(
    dataset: LabelledImages, position: int, option: str = "dataset"
) -> tuple[Any, Any, Mapping[Any, Any]]:
    """Image and label of one sample, and its further values by name."""
    fix = f"read this sample alone, as in `{option}[{position}]`, and correct or leave it out"
    call = f"{option}: `__getitem__({position})` of {type(dataset).__name__}"
    sample = _guarded(call, fix, lambda: dataset[position])
    place = f"{option}: sample {position}"
    if isinstance(sample, Mapping):
        return _of_mapping(sample, place)
    if isinstance(sample, Sequence) and not isinstance(sample, str | bytes) and len(sample) >= 2:
        further = sample[2] if len(sample) > 2 else None
        return sample[0], sample[1], further if isinstance(further, Mapping) else {}
    got = type(sample).__name__
    if hasattr(sample, "shape"):
        got += f" of the shape {tuple(sample.shape)}"
    elif isinstance(sample, Sequence) and not isinstance(sample, str | bytes):
        got += f" of length {len(sample)}"
    raise DataError(f"{place}: {_PAIR}; got {got}: pass pairs, such as `list(zip(images, labels))`")


def _of_mapping(sample: Mapping[Any, Any], place: str) -> tuple[Any, Any, Mapping[Any, Any]]:
    images = [key for key in _IMAGE_KEYS if key in sample]
    labels = [key for key in _LABEL_KEYS if key in sample]
    if len(images) == 1 and len(labels) == 1:
        return sample[images[0]], sample[labels[0]], sample
    keys = ", ".join(repr(key) for key in list(sample)[:8])
    raise DataError(
        f"{place}: {_PAIR}, or a mapping with one of the keys {', '.join(_IMAGE_KEYS)} and one of "
        f"{', '.join(_LABEL_KEYS)}; got the keys {keys}: pass pairs, such as "
        "`[(row['image'], row['label']) for row in dataset]`"
    )


def _require_image(image: object, place: str) -> None:
    """Checks an image as far as possible without decoding its file."""
    if isinstance(image, Image.Image):
        return
    try:
        _as_pil(image)
    except ValueError as error:
        raise DataError(f"{place}: image: {error}") from error


def _require_same_label(first: object, second: object, place: str) -> None:
    if str(first) != str(second):
        raise DataError(
            f"{place}: expected the same label whenever it is read; got {first} and {second}: remove what "
            "is random from the data set"
        )


def _require_same_image(images: UserImages, position: int, place: str) -> None:
    try:
        first, second = images[position], images[position]
    except UnreadableImageError:
        return  # counted when it is predicted
    if first.sha256 != second.sha256:
        raise DataError(
            f"{place}: expected the same image whenever it is read; it differs between two "
            "reads: remove random transforms from the data set"
        )


def _as_pil(image: object) -> Image.Image:
    """Any accepted image as a PIL image; ValueError for others."""
    if isinstance(image, Image.Image):
        return image
    is_tensor = hasattr(image, "detach")
    if isinstance(image, str | bytes | Path):
        raise ValueError(  # noqa: TRY004 - one type for all that is no image
            f"expected a PIL image, an array or a tensor; got {type(image).__name__}: open the file, as "
            "in `PIL.Image.open(path)`"
        )
    try:
        array = _from_tensor(image) if is_tensor else np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected a PIL image, an array or a tensor; got {type(image).__name__}, which is no array "
            f"({one_line(error)})"
        ) from error
    if array.dtype == object or array.ndim == 0:
        raise ValueError(
            f"expected a PIL image, an array or a tensor; got {type(image).__name__}: convert it with "
            "`PIL.Image` or numpy"
        )
    return image_of_array(array, channels_first=is_tensor)


def _from_tensor(image: Any) -> np.ndarray[Any, Any]:
    tensor = image.detach().cpu()
    # NumPy has no bfloat16.
    return np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)


def _guarded(call: str, fix: str, run: Callable[[], _Result]) -> _Result:
    """Runs code of the data set; whatever it raises becomes a ``DataError``."""
    try:
        return run()
    except (AuditorError, KeyboardInterrupt):
        raise
    except BaseException as error:  # `sys.exit` too
        raise DataError(
            f"{call} raised {type(error).__name__}{place_of(error)}: {one_line(error)}: {fix}"
        ) from error
