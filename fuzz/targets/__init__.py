"""The targets, one module each with a `TARGET`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from fuzz.target import Target

_DECODERS = tuple(
    f"PIL.{name}"
    for name in (
        *("AvifImagePlugin", "BmpImagePlugin", "GifImagePlugin", "IcoImagePlugin", "ImageFile"),
        *("ImagePalette", "Jpeg2KImagePlugin", "JpegImagePlugin", "MpoImagePlugin"),
        *("PcxImagePlugin", "PngImagePlugin", "PpmImagePlugin", "QoiImagePlugin"),
        *("SgiImagePlugin", "TgaImagePlugin", "TiffImagePlugin", "WebPImagePlugin"),
    )
)
_DATASETS = ("auditor.datasets", "auditor.attributes", "auditor.imaging")

INSTRUMENTED: Mapping[str, tuple[str, ...]] = {
    "images": ("auditor.imaging", *_DECODERS),
    "dicom": ("auditor.imaging", "auditor.datasets.dicom_tags", "pydicom"),
    "tables": _DATASETS,
    "parquet": _DATASETS,
    "coco": _DATASETS,
    "webdataset": (*_DATASETS, "tarfile"),
    "configurations": ("auditor.config", "yaml"),
    "overrides": ("auditor.config", "yaml"),
    "class_files": ("auditor.config", "auditor.datasets", "auditor.file_system"),
    "weights": ("auditor.classifiers.weight_files", "auditor.classifiers.other_formats"),
    "results": ("auditor.records", "auditor.report.view"),
    "predictions": ("auditor.records",),
    "maps": ("auditor.report.image_data", "auditor.report.view", "PIL.JpegImagePlugin"),
    "manifests": ("auditor.manifest", "auditor.verification"),
    "reviews": ("auditor.review_log", "auditor.about_file"),
    "signatures": ("auditor.signature",),
    "documents": ("auditor.report.view", "auditor.report.renderers.pdf"),
    "models": ("auditor.classifiers.keras", "auditor.classifiers.onnx"),
    "states": ("auditor.resuming", "auditor.resume_state", "auditor.blocks", "auditor.run_folder"),
}
"""All targets, with the packages whose branches guide the search."""
NAMES = tuple(INSTRUMENTED)


def load(name: str) -> Target:
    """The target of a name."""
    target: Target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    return target
