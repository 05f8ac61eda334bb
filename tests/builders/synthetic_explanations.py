"""Images and maps of a synthetic run, written as an audit writes them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from builders.synthetic_images import GRID, cam, draw, guided, jpeg, overlay
from builders.synthetic_plan import Plan
from PIL import ImageFilter

from auditor.records import (
    Estimate,
    ExplanationsRecord,
    MapRecord,
    MapTestRecord,
    MeanMap,
    PanelRecord,
    PreflightRecord,
    Role,
    UnitRecord,
)
from auditor.records.explanations import LocalisationRecord, MapTestName

Row = dict[str, Any]
_ROWS_PER_FILE = 64


def write_explanations(
    folder: Path,
    plan: Plan,
    failures: pd.DataFrame,
    contrasts: pd.DataFrame,
    rng: np.random.Generator,
) -> ExplanationsRecord:
    """Draws the images and maps of failures and contrasts and writes them below the run folder."""
    drawings = _Drawings(plan, rng)
    failed = _maps(folder, "failure", failures, drawings)
    right = _maps(folder, "contrast", contrasts, drawings)
    exciting = [
        {
            "sample": row["sample"],
            "label": row["label"],
            "channel": 17,
            "overlay": maps[0]["overlay"],
        }
        for row, (_, maps) in zip(failures.head(6).to_dict("records"), drawings.made, strict=False)
    ]
    unit_refs = _write(folder, "units", exciting)
    return ExplanationsRecord(
        explainer="guided-grad-cam",
        preflight=PreflightRecord(
            status="valid" if plan.guided else "undefined",
            reason="every activation is a ReLU" if plan.guided else "the network has no ReLU",
        ),
        sanity={
            "n_samples": 50.0,
            "hirescam_disagreement": 0.04,
            "localisation": LocalisationRecord(
                n_samples=200,
                pointing_game=0.46,
                object_share=0.21,
                mass_inside=0.35,
                box_found=0.11,
            ),
        },
        map_tests=_map_tests(plan.guided),
        failures=failed,
        contrasts=right,
        means=_means(folder, plan, rng),
        panels=_panels(folder, failures, drawings),
        units=[
            UnitRecord(finding="performance-gap-1", channel=channel, share=share, images=unit_refs)
            for channel, share in ((4, 0.08), (17, 0.34))
        ],
    )


def _map_tests(guided: bool) -> list[MapTestRecord]:
    """Grad-CAM passes two tests of four, guided backpropagation none of two."""

    def made(
        test: MapTestName,
        value: tuple[float, float, float],
        mark: float,
        *,
        passed: bool,
        explainer: Literal["grad-cam", "guided-backprop"] = "grad-cam",
        areas: tuple[float, float] | tuple[None, None] = (None, None),
    ) -> MapTestRecord:
        mean, low, high = value
        return MapTestRecord(
            test=test,
            explainer=explainer,
            n_samples=50,
            value=Estimate(value=mean, low=low, high=high),
            mark=mark,
            passed=passed,
            map_area=areas[0],
            random_area=areas[1],
        )

    own = [
        made("deletion", (0.31, 0.24, 0.38), 0.0, passed=True, areas=(0.31, 0.62)),
        made("insertion", (0.02, -0.03, 0.07), 0.0, passed=False, areas=(0.55, 0.53)),
        made("occlusion", (0.06, -0.05, 0.17), 0.0, passed=False),
        made("randomization", (-0.02, -0.14, 0.1), 0.41, passed=True),
    ]
    if not guided:
        return own
    return [
        *own,
        made("randomization", (0.7, 0.6, 0.8), 0.2, passed=False, explainer="guided-backprop"),
        made("edges", (0.5, 0.45, 0.55), 0.15, passed=False, explainer="guided-backprop"),
    ]


@dataclass
class _Drawings:
    """Images with two maps each; the first ones again where no more are to be drawn."""

    plan: Plan
    rng: np.random.Generator
    made: list[tuple[Row, list[Row]]] = field(default_factory=list)
    asked: int = 0

    def of(self, row: Mapping[Hashable, Any]) -> tuple[Row, list[Row]]:
        plan, place = self.plan, self.asked
        self.asked += 1
        if plan.drawn is not None and place >= plan.drawn:
            return self.made[place % len(self.made)]
        first = row[plan.attributes[0]] == plan.levels[0][0]
        image = draw(
            self.rng, plan.side, dark_corners=first, crack=bool(row["label"] == plan.classes[1])
        )
        maps = []
        for height in (6.3, 3.0):
            values = cam(self.rng, row=height, column=0.4 if first else 3.4)
            fine = jpeg(guided(self.rng, values, plan.side)) if plan.guided else None
            maps.append(
                {
                    "mass": float(values.sum()),
                    "cam": values.tobytes(),
                    "cam_height": GRID,
                    "cam_width": GRID,
                    "overlay": jpeg(overlay(image, values)),
                    "guided": fine,
                }
            )
        self.made.append(({"image": jpeg(image), "width": plan.side, "height": plan.side}, maps))
        return self.made[-1]


def _maps(folder: Path, kind: str, rows: pd.DataFrame, drawings: _Drawings) -> list[MapRecord]:
    images: list[Row] = []
    maps: list[Row] = []
    for row in rows.to_dict("records"):
        image, drawn = drawings.of(row)
        images.append({"sample": row["sample"], **image})
        targets: list[tuple[Role, str]] = [("predicted", row["predicted"]), ("label", row["label"])]
        for (role, target), numbers in zip(
            targets[: 2 if kind == "failure" else 1], drawn, strict=False
        ):
            maps.append({"sample": row["sample"], "target": target, "role": role, **numbers})
    image_refs = dict(
        zip(
            [one["sample"] for one in images],
            _write(folder, f"images-{kind}", images),
            strict=True,
        )
    )
    return [
        MapRecord(
            sample=one["sample"],
            target=one["target"],
            role=one["role"],
            map=ref,
            image=image_refs[one["sample"]],
            mass=one["mass"],
        )
        for one, ref in zip(maps, _write(folder, f"maps-{kind}", maps), strict=True)
    ]


def _means(folder: Path, plan: Plan, rng: np.random.Generator) -> list[MeanMap]:
    means: list[Row] = []
    for label in plan.classes:
        for value in plan.levels[0]:
            first = value == plan.levels[0][0]
            image = draw(rng, plan.side, dark_corners=first, crack=False)
            values = cam(rng, row=6.2 if first else 3, column=0.3 if first else 3.2)
            means.append(
                {
                    "attribute": plan.attributes[0],
                    "value": value,
                    "label": label,
                    "n": 40,
                    "cam": values.tobytes(),
                    "cam_height": GRID,
                    "cam_width": GRID,
                    "overlay": jpeg(overlay(image.filter(ImageFilter.GaussianBlur(3)), values)),
                }
            )
    return [
        MeanMap(
            attribute=one["attribute"], value=one["value"], label=one["label"], n=one["n"], map=ref
        )
        for one, ref in zip(means, _write(folder, "means", means), strict=True)
    ]


def _panels(folder: Path, failures: pd.DataFrame, drawings: _Drawings) -> list[PanelRecord]:
    """Two samples beside an edge detector; one drawing stands for all of its maps."""
    samples = list(failures["sample"].head(2))
    rows = [
        {
            "sample": sample,
            "image": image["image"],
            "overlay": maps[0]["overlay"],
            "gradient": maps[0]["guided"] or maps[0]["overlay"],
            "edges": image["image"],
        }
        for sample, (image, maps) in zip(samples, drawings.made, strict=False)
    ]
    return [
        PanelRecord(sample=row["sample"], gradient="guided-backprop", panel=ref)
        for row, ref in zip(rows, _write(folder, "panels", rows), strict=True)
    ]


def _write(folder: Path, stem: str, rows: Sequence[Row]) -> list[str]:
    refs = []
    for place, start in enumerate(range(0, len(rows), _ROWS_PER_FILE)):
        part = list(rows[start : start + _ROWS_PER_FILE])
        name = f"{stem}-{place:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(part), folder / "explanations" / name)
        refs += [f"explanations/{name}#{row}" for row in range(len(part))]
    return refs
