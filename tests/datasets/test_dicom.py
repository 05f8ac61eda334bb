from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.folder import Folder
from auditor.datasets.manifest import Manifest
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging import image_size, open_image
from auditor.records.predictions import GROUP

pydicom = pytest.importorskip("pydicom")
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
"""Files that pydicom ships."""


def _write(path: Path, stored: NDArray[Any] | None, **tags: Any) -> Path:
    """A DICOM file with these pixels and elements, uncompressed."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    if stored is not None:
        file.Rows, file.Columns = stored.shape[:2]
        file.SamplesPerPixel = 1 if stored.ndim == 2 else 3
        file.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
        file.BitsAllocated = file.BitsStored = 8 * stored.dtype.itemsize
        file.HighBit = file.BitsStored - 1
        file.PixelRepresentation = int(stored.dtype.kind == "i")
        if stored.ndim == 3:
            file.PlanarConfiguration = 0
        file.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path)
    return path


def _grey(path: Path, window: tuple[float, float] | None = None) -> list[int]:
    pixels = np.asarray(open_image(path, window).image)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    return [int(one) for one in pixels[0, :, 0]]


CT = np.array([[0, 474, 1024, 1574, 4000]], np.uint16)
"""In Hounsfield units, with an intercept of -1024: -1024, -550, 0, 550, 2976."""


@pytest.mark.parametrize(
    ("tags", "window", "expected"),
    [
        # PS3.3, C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255, with c = 0, w = 1101:
        # x = -550: (-549.5 / 1100 + 0.5) * 255 = 0.116; 0: 127.616; 550: 255 (clipped)
        ({"WindowCenter": 0, "WindowWidth": 1101}, None, [0, 0, 128, 255, 255]),
        ({"WindowCenter": [0, 9], "WindowWidth": [1101, 9]}, None, [0, 0, 128, 255, 255]),
        ({}, (0, 1101), [0, 0, 128, 255, 255]),
        ({"WindowCenter": 5000, "WindowWidth": 7}, (0, 1101), [0, 0, 128, 255, 255]),
        ({"WindowCenter": 0, "WindowWidth": 1101, "PhotometricInterpretation": "MONOCHROME1"},
         None, [255, 255, 127, 0, 0]),
        # Linear exact: ((x - c) / w + 0.5) * 255, with w = 2200: -550 → 63.75, 550 → 191.25
        ({"WindowCenter": 0, "WindowWidth": 2200, "VOILUTFunction": "LINEAR_EXACT"},
         None, [9, 64, 128, 191, 255]),
        # Sigmoid: 255 / (1 + exp(-4 x / w)), with w = 2200: -1024 → 34.3, -550 → 68.6, 550 → 186.4,
        # 2976 → 253.9
        ({"WindowCenter": 0, "WindowWidth": 2200, "VOILUTFunction": "SIGMOID"},
         None, [34, 69, 128, 186, 254]),
        # No window: from minimum to maximum; 474 / 4000 * 255 = 30.2, 65.28, 100.3
        ({}, None, [0, 30, 65, 100, 255]),
    ],
)  # fmt: skip
def test_grey_values_are_rescaled_and_windowed(
    tmp_path: Path, tags: dict[str, Any], window: tuple[float, float] | None, expected: list[int]
) -> None:
    path = _write(tmp_path / "ct.dcm", CT, RescaleIntercept=-1024, RescaleSlope=1, **tags)
    assert _grey(path, window) == expected


def test_eight_bit_values_without_a_window_are_kept(tmp_path: Path) -> None:
    stored = np.array([[3, 90, 200]], np.uint8)
    assert _grey(_write(tmp_path / "a.dcm", stored)) == [3, 90, 200]


def test_constant_image_is_black_without_a_window(tmp_path: Path) -> None:
    assert _grey(_write(tmp_path / "a.dcm", np.full((1, 3), 700, np.uint16))) == [0, 0, 0]


def test_colours_of_8_and_16_bits_are_kept(tmp_path: Path) -> None:
    stored = np.array([[[255, 0, 0], [0, 128, 255]]], np.uint8)
    eight = open_image(_write(tmp_path / "a.dcm", stored)).image
    sixteen = open_image(_write(tmp_path / "b.dcm", stored.astype(np.uint16) * 257)).image
    assert np.array_equal(np.asarray(eight), stored)
    assert np.array_equal(np.asarray(sixteen), stored)


@pytest.mark.parametrize(
    "name",
    ["examples_rgb_color.dcm", "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_rle.dcm",
     "SC_rgb_jpeg_dcmtk.dcm", "examples_palette.dcm"],
)  # fmt: skip
def test_colour_files_of_pydicom_agree_with_its_own_conversion(name: str) -> None:
    file = pydicom.dcmread(SAMPLES / name)
    expected = pydicom.pixels.pixel_array(file, index=0)
    if "PALETTE" in file.PhotometricInterpretation:
        expected = pydicom.pixels.apply_color_lut(expected, file) / 257
    difference = np.abs(np.asarray(open_image(SAMPLES / name).image, float) - expected)
    assert difference.max() <= 0.5


def test_first_of_several_frames_is_read() -> None:
    two, one = SAMPLES / "SC_rgb_rle_2frame.dcm", SAMPLES / "SC_rgb_rle.dcm"
    assert open_image(two).image.size == image_size(two) == open_image(one).image.size


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("MR_truncated.dcm", "truncated", "8130 vs 8192 bytes"),
        ("test-SR.dcm", "not-an-image", "without pixels"),
        ("JPEGLSNearLossless_08.dcm", "unreadable", "JPEG-LS"),
    ],
)
def test_unusable_file_is_refused_with_its_reason(name: str, reason: str, text: str) -> None:
    with pytest.raises(UnreadableImageError, match=text) as caught:
        open_image(SAMPLES / name)
    assert caught.value.reason == reason


@pytest.mark.parametrize("share", [0.04, 0.2, 0.5, 0.9])
def test_file_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    data = (SAMPLES / "CT_small.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnreadableImageError):
        open_image(tmp_path / "cut.dcm")


def test_too_many_pixels_are_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "a.dcm", np.zeros((2, 2), np.uint8), Rows=60000, Columns=60000)
    with pytest.raises(UnreadableImageError, match="60000 × 60000") as caught:
        open_image(path)
    assert caught.value.reason == "too-large"


def _study(folder: Path, n: int = 40) -> None:
    """Dark and bright images of n / 2 patients, one with a name and a birth date."""
    rows = []
    for k in range(n):
        stored = np.full((16, 20), 500 + 2000 * (k % 2) + k, np.uint16)
        ages = ["045Y", "018M", "026W", "", None]
        _write(
            folder / "images" / f"{k:02d}.dcm", stored,
            WindowCenter=2000, WindowWidth=4000, PatientName="Doe^Jane", PatientID=f"MRN-{99 - k // 2}",
            PatientBirthDate="19700102", PatientSex="FM"[k % 3 == 0], PatientAge=ages[k % 5],
            StudyDate="20230405", SliceThickness=2.5,
        )  # fmt: skip
        rows.append({"file": f"images/{k:02d}.dcm", "label": ["dark", "bright"][k % 2]})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)


def test_manifest_reads_the_tags_that_are_asked_for(tmp_path: Path) -> None:
    _study(tmp_path, 10)
    (tmp_path / "images" / "09.dcm").write_bytes(b"damaged")
    dicom = {
        "attributes": ["PatientSex", "PatientAge", "StudyDate", "SliceThickness"],
        "group": "PatientID",
    }
    options = {"path": str(tmp_path / "table.csv"), "dicom": dicom}
    data = Manifest.model_validate(options).open()
    assert data.attributes == ("PatientSex", "PatientAge", "StudyDate", "SliceThickness")
    assert data.samples["PatientSex"].tolist()[:9] == [*"MFFMFFMFF"]
    # 18 months are 1.5 years; 26 weeks are 26 * 7 / 365.25 = 0.498.
    assert data.samples["PatientAge"].tolist()[:3] == [45, 1.5, 0.5]
    assert (
        data.samples["PatientAge"].isna().tolist()
        == [False] * 3 + [True] * 2 + [False] * 3 + [True] * 2
    )
    assert data.samples["StudyDate"].tolist()[0] == "2023"
    assert data.samples["SliceThickness"].tolist()[0] == 2.5
    assert data.samples[GROUP].tolist()[:9] == ["1", "1", "2", "2", "3", "3", "4", "4", "5"]
    assert data.samples[GROUP].isna().tolist()[9]
    assert data.group == "PatientID"
    assert "images/09.dcm" in data.notes[-1].text
    assert not any("Doe" in str(one) or "MRN" in str(one) for one in data.samples.to_numpy().flat)


@pytest.mark.parametrize(
    "tag", ["PatientName", "PatientID", "PatientBirthDate", "PatientAddress", "AccessionNumber"]
)
def test_identifying_tag_as_attribute_is_refused(tag: str) -> None:
    options = {"path": "table.csv", "dicom": {"attributes": [tag]}}
    with pytest.raises(ValidationError, match="identifies a person and is never stored"):
        Manifest.model_validate(options)


@pytest.mark.parametrize(
    ("dicom", "message"),
    [
        ({"attributes": ["OperatorsName"]}, "OperatorsName holds names of persons"),
        ({"attributes": ["StudyInstanceUID"]}, "holds identifiers and is never stored"),
        ({"attributes": ["ImageComments"]}, "holds free text"),
        ({"attributes": ["PatientSexs"]}, "expected the keyword of a DICOM tag"),
        ({"attributes": ["PixelData"]}, "expected a tag with text or numbers"),
    ],
)
def test_unusable_tag_is_refused(tmp_path: Path, dicom: dict[str, Any], message: str) -> None:
    _study(tmp_path, 2)
    options = {"path": str(tmp_path / "table.csv"), "dicom": dicom}
    with pytest.raises(DataError, match=message):
        Manifest.model_validate(options).open()


def test_folder_of_dicom_files_uses_the_window(tmp_path: Path) -> None:
    for name in ("dark", "bright"):
        _write(tmp_path / name / "a.dcm", np.array([[0, 100]], np.int16), PatientSex="F")
    dicom = {"window": [0, 201], "attributes": ["PatientSex"]}
    data = Folder.model_validate({"path": str(tmp_path), "dicom": dicom}).open()
    # ((0 - (0 - 0.5)) / 200 + 0.5) * 255 = 128.1
    assert np.asarray(data.images[0].image)[0, :, 0].tolist() == [128, 255]
    assert data.samples["PatientSex"].tolist() == ["F", "F"]
    assert not data.notes


MODEL = """
import torch
from torch import nn

class Bright(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x):
        shade = x.mean((1, 2, 3)) + 0 * self.features(x).mean((1, 2, 3))
        return torch.stack([0.4 - shade, shade - 0.4], 1)
"""


def test_audit_of_dicom_files_stores_no_identifying_value(tmp_path: Path) -> None:
    _study(tmp_path)
    (tmp_path / "images" / "07.dcm").write_bytes((SAMPLES / "test-SR.dcm").read_bytes())
    (tmp_path / "bright_dicom.py").write_text(MODEL)
    config = {
        "name": "study",
        "model": {
            "adapter": "python",
            "factory": "bright_dicom:Bright",
            "classes": ["dark", "bright"],
        },
        "data": {
            "adapter": "manifest",
            "path": "table.csv",
            "dicom": {"attributes": ["PatientSex", "PatientAge"], "group": "PatientID"},
        },
        "preprocess": {},
        "workers": 1,
        "report": {"formats": ["json", "html"]},
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    result = run.read_result()
    assert (result.summary.n_evaluated, result.summary.n_failures) == (39, 0)
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert table["status"].tolist()[7] == "not-an-image"
    for path in run.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(one in content for one in (b"Doe^Jane", b"MRN-", b"19700102")), path


def test_png_beside_dicom_keeps_working(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png", (0, 10)).image.getpixel((0, 0)) == (1, 2, 3)
