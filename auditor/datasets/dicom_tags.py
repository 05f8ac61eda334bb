"""Attributes and patients from the headers of DICOM files: only tags that are asked for."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, field_validator

from auditor.config import AttributeNames, stated_types
from auditor.datasets.images import FileImages
from auditor.datasets.tables import require_free_names
from auditor.errors import DataError, MissingDependencyError, UnreadableImageError
from auditor.imaging.decode import read_image_file
from auditor.imaging.dicom import dicom_errors, is_dicom, read_dicom
from auditor.phrasing import plural
from auditor.records import DataNote, Dataset
from auditor.records.predictions import GROUP
from auditor.registry import Options

_IDENTIFYING = frozenset(
    (
        *("AccessionNumber", "AdditionalPatientHistory", "AdmissionID", "AdmittingDate"),
        *("BranchOfService", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"),
        *("CountryOfResidence", "CurrentPatientLocation", "FillerOrderNumberImagingServiceRequest"),
        *("InsurancePlanIdentification", "IssuerOfAdmissionID", "IssuerOfPatientID"),
        *("IssuerOfServiceEpisodeID", "MedicalRecordLocator", "MilitaryRank", "Occupation"),
        *("OrderCallbackPhoneNumber", "OtherPatientIDs", "PatientAddress", "PatientBirthDate"),
        *("PatientBirthDateInAlternativeCalendar", "PatientBirthTime", "PatientComments"),
        *(
            "PatientDeathDateInAlternativeCalendar",
            "PatientID",
            "PatientInstitutionResidence",
            "PatientName",
        ),
        *("PatientReligiousPreference", "PatientState", "PatientTelecomInformation"),
        *("PatientTelephoneNumbers", "PatientTransportArrangements", "PerformedProcedureStepID"),
        *("PersonAddress", "PersonTelecomInformation", "PersonTelephoneNumbers"),
        *("PlacerOrderNumberImagingServiceRequest", "ReferringPhysicianAddress"),
        *("ReferringPhysicianTelephoneNumbers", "RegionOfResidence", "RequestedProcedureID"),
        *("ResponsibleOrganization", "ScheduledProcedureStepID", "ServiceEpisodeID", "StudyID"),
    )
)
"""Elements that identify a person, of PS3.15, table E.1-1."""
_IDENTIFYING_TYPES = {
    "PN": "names of persons",
    "UI": "identifiers",
    "LT": "free text, which may name persons",
    "ST": "free text, which may name persons",
    "UT": "free text, which may name persons",
}
_NOT_PLAIN = frozenset({"SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN"})
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""Years per unit of an age (PS3.5, 6.2)."""


class DicomOptions(Options):
    """How DICOM images are shown, and what of their headers is read."""

    window: tuple[float, float] | None = None
    """Centre and width of the grey values from black to white, such as `[-600, 1500]` for lungs in CT; null:
    the first window of each file."""
    attributes: AttributeNames = ()
    """Tags by which the audit slices, by keyword, such as `[PatientSex, PatientAge, Manufacturer]`: a list,
    or a mapping to types. Tags that identify a person are refused."""
    group: str | None = Field(None, min_length=1)
    """Tag whose images belong together, usually `PatientID`; only a number in order of appearance is
    stored."""

    @field_validator("window", mode="after")
    @classmethod
    def _has_width(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[1] <= 0:
            raise ValueError(f"expected a centre and a width above 0; got a width of {value[1]:g}")
        return value

    @field_validator("attributes", mode="after")
    @classmethod
    def _identifies_nobody(cls, value: AttributeNames) -> AttributeNames:
        bad = sorted(_IDENTIFYING.intersection(value))
        if bad:
            raise ValueError(
                f"{bad[0]} identifies a person and is never stored: remove it; `dicom.group` may name it"
            )
        return value


def with_tags(data: Dataset, images: FileImages, options: DicomOptions) -> Dataset:
    """The data with attributes and groups from the headers of its DICOM files.

    Args:
        data: read from other sources.
        images: its files.
        options: which tags.

    Raises:
        DataError: a tag does not exist, identifies a person, or is an attribute already; or two options
            name a group.
        MissingDependencyError: pydicom is not installed.
    """
    names = [*options.attributes, *filter(None, (options.group,))]
    if not names:
        return data
    require_free_names((*data.attributes, *options.attributes), "data.dicom")
    if options.group and data.group:
        raise DataError(
            f"data: expected one group; got {data.group!r} and the tag {options.group}: remove one"
        )
    kinds = {name: _type_of(name, attribute=name in options.attributes) for name in names}
    headers = [_header(images.path(position), names) for position in range(len(images))]
    samples = data.samples.copy()
    for name in options.attributes:
        cells = [None if one is None else _plain(one.get(name), kinds[name]) for one in headers]
        samples[name] = pd.Series(cells, index=samples.index, dtype=object).infer_objects()
    if options.group:
        samples[GROUP] = _numbered(
            [None if one is None else _plain(one.get(options.group), "LO") for one in headers],
            samples.index,
        )
    without = [str(path) for path, one in zip(samples["path"], headers, strict=True) if one is None]
    notes = data.notes
    if without:
        text = (
            f"{plural(len(without), 'file')} without a readable DICOM header, such as {without[0]}"
        )
        notes = (*notes, DataNote(f"{text}: attributes from tags are missing"))
    return replace(
        data,
        samples=samples,
        attributes=(*data.attributes, *options.attributes),
        group=options.group or data.group,
        stated_types={**data.stated_types, **stated_types(options.attributes)},
        notes=notes,
    )


def _type_of(name: str, *, attribute: bool) -> str:
    """The type ("value representation") of a tag.

    Raises:
        DataError: it is unknown, or can't be an attribute.
    """
    try:
        dictionary = importlib.import_module("pydicom.datadict")
    except ImportError as error:
        raise MissingDependencyError(
            "data.dicom: DICOM requires pydicom: `pip install 'classifier-auditor[dicom]'`"
        ) from error
    tag = dictionary.tag_for_keyword(name)
    if tag is None:
        raise DataError(
            f"data.dicom: expected the keyword of a DICOM tag, such as PatientSex; got {name!r}"
        )
    kind = str(dictionary.dictionary_VR(tag)).split(" or ", maxsplit=1)[0]
    if attribute and kind in _IDENTIFYING_TYPES:
        raise DataError(
            f"data.dicom.attributes: {name} holds {_IDENTIFYING_TYPES[kind]} and is never stored: remove it"
        )
    if kind in _NOT_PLAIN:
        raise DataError(f"data.dicom: expected a tag with text or numbers; {name} holds others")
    return kind


def _header(path: Path, names: Sequence[str]) -> Any:
    """The tags of a file; None if it is not DICOM or can't be read."""
    try:
        data = read_image_file(path)
        if not is_dicom(data):
            return None
        with warnings.catch_warnings():
            # pydicom warns of each value that departs from the standard.
            warnings.simplefilter("ignore")
            header = read_dicom(data, list(names))
            return {name: header.get(name) for name in names}
    except UnreadableImageError:
        return None
    except dicom_errors():
        return None  # the image counts as not evaluated, with its reason


def _plain(value: Any, kind: str) -> str | float | None:
    """The value of a tag: numbers as numbers, ages in years, of dates the year, else text."""
    if value is None or value == "" or (hasattr(value, "__len__") and not len(value)):
        return None
    if not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        return ", ".join(str(one) for one in value)
    if kind in {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"}:
        return float(value)
    text = str(value).strip()
    if kind == "AS":
        known = text[:-1].isdigit() and text[-1] in _YEARS
        return round(int(text[:-1]) * _YEARS[text[-1]], 2) if known else None
    return text[:4] if kind in {"DA", "DT"} else text or None


def _numbered(values: Sequence[str | float | None], index: pd.Index) -> pd.Series[Any]:
    """Numbers from 1 in order of appearance, as text; NA where there is no value."""
    cells: list[Any] = list(values)
    codes, _ = pd.factorize(pd.Series(cells, dtype=object))
    numbers = [str(code + 1) if code >= 0 else None for code in codes]
    return pd.Series(numbers, index=index, dtype="string")
