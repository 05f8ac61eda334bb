"""What works with each classifier adapter, and with 40 families of timm; all weights are random.

    python -m benchmarks.adapters

writes ``docs/adapters-table.md``. For each adapter, a small classifier is saved by its own library, and
audited twice: with one label and a box for each image, and with several labels. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image

from auditor import explain, runner
from auditor.config import AuditConfig
from auditor.errors import AuditorError
from auditor.records import AuditResult
from benchmarks.adapter_models import MAKERS, SIDE, Made, quiet

OUT = Path(__file__).resolve().parent.parent / "docs" / "adapters-table.md"
N_IMAGES = 40
CLASSES = ("cat", "dog")
_FAMILIES = (
    "botnet26t_256 caformer_s18 cait_xxs24_224 coat_lite_tiny coatnet_nano_rw_224 convformer_s18 "
    "convit_tiny convnext_atto convnextv2_atto crossvit_tiny_240 cspresnet50 davit_tiny "
    "deit_tiny_patch16_224 densenet121 dla34 dpn48b edgenext_xx_small efficientformerv2_s0 "
    "efficientnet_b0 efficientvit_b0 eva02_tiny_patch14_224 fastvit_t8 focalnet_tiny_srf "
    "ghostnet_050 hgnetv2_b0 levit_128s mixer_s32_224 mobilenetv3_small_050 mobilevit_xxs "
    "poolformer_s12 pvt_v2_b0 regnety_002 repvgg_a0 resmlp_12_224 resnet18 rexnet_100 "
    "swin_tiny_patch4_window7_224 swinv2_cr_tiny_ns_224 vit_tiny_patch16_224 xcit_nano_12_p16_224 "
)
FAMILIES = tuple(_FAMILIES.split())


@dataclass(frozen=True)
class Row:
    """What works with one adapter."""

    name: str
    predictions: str
    failures: str
    layer: str
    guided: str
    localisation: str
    several_labels: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        return (
            self.name,
            self.predictions,
            self.failures,
            self.layer,
            self.guided,
            self.localisation,
            self.several_labels,
        )


def _images(folder: Path) -> None:
    """Images with a bright square, its box, one label, and several labels."""
    generator = np.random.default_rng(0)
    rows = []
    for k in range(N_IMAGES):
        low = generator.integers(0, 256, (8, 8, 3), np.uint8)
        image = Image.fromarray(low).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        left, top = (int(one) for one in generator.integers(0, SIDE // 2, 2))
        image.paste((250, 240, 60), (left, top, left + 20, top + 20))
        image.save(folder / f"{k:02d}.png")
        box = f"{left},{top},{left + 20},{top + 20}"
        labels = "|".join(name for name in CLASSES if generator.random() < 0.5)
        rows.append((f"{k:02d}.png", CLASSES[k % 2], labels, box))
    columns = ["file", "label", "labels", "box"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "images.csv", index=False)


def _audit(folder: Path, made: Made, *, several: bool) -> AuditResult:
    data: dict[str, Any] = {"adapter": "manifest", "path": "images.csv"}
    data |= {"label": "labels", "separator": "|"} if several else {"box": "box"}
    config = {
        "name": "adapter",
        "model": made.model | {"classes": list(CLASSES), "output": "logits"},
        "data": data,
        "preprocess": made.preprocess,
        "report": {"formats": []},
        "explain": {"trust_samples": 4},
        "workers": 0,
        "device": "cpu",
    }
    if several:
        config["task"] = "multi-label"
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    out = folder / f"{made.name.replace(' ', '-')}-{several}"
    return runner.run(AuditConfig.load(path), out).read_result()


def adapter_row(folder: Path, made: Made) -> Row:
    """Audits one classifier twice."""
    result = _audit(folder, made, several=False)
    explanations, model = result.explanations, result.provenance.model
    assert explanations is not None
    located = explanations.sanity.get("localisation") if explanations.sanity else None
    n_located = getattr(located, "n_samples", 0)
    occlusion = model.target_layer == "occlusion"
    several = _audit(folder, made, several=True)
    return Row(
        name=made.name,
        predictions=f"{result.summary.n_samples} of {N_IMAGES}",
        failures=str(result.summary.n_failures),
        layer="occlusion maps instead" if occlusion else f"`{model.target_layer}`",
        guided="no" if occlusion else explanations.preflight.status,
        localisation=f"{n_located:.0f} boxes" if n_located else "no",
        several_labels="yes" if several.summary.n_samples == N_IMAGES else "no",
    )


def family_row(name: str) -> tuple[str, ...]:
    """Explains two random images by a model of timm with random weights."""
    import timm

    torch.manual_seed(0)
    model: Any = timm.create_model(name, pretrained=False, num_classes=3).eval()
    for (
        parameter
    ) in model.parameters():  # heads and gates that start as zeros hide all that is before them
        if parameter.ndim > 1 and not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.1)
    size = model.pretrained_cfg["input_size"][1:]
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    try:
        found = explain(model, images, [0, 1], "grad-cam")
        detail = explain(model, images, [0, 1])
    except AuditorError as error:
        return name, f"no: {str(error)[:80]}", "", "", ""
    differs = not torch.allclose(found.maps[:1], explain(model, images[:1], 1, "grad-cam").maps)
    shown = "no: empty" if not bool(found.maps.any()) else f"`{found.target_layer}`"
    return (
        name,
        "yes" if bool(torch.isfinite(found.logits).all()) else "no",
        shown,
        detail.preflight.status,
        "yes" if differs else "no",
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--families", type=int, default=len(FAMILIES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        _images(folder)
        rows = [adapter_row(folder, make(folder)).cells for make in MAKERS]
        families = [family_row(one) for one in FAMILIES[: options.families]]
    options.out.write_text(page(rows, families), encoding="utf-8")


def page(rows: list[tuple[str, ...]], families: list[tuple[str, ...]]) -> str:
    """The Markdown page."""
    head = (
        "adapter",
        "predictions",
        "failures",
        "Grad-CAM at",
        "guided backpropagation",
        "localisation",
        "several labels",
    )
    family_head = (
        "model",
        "predictions",
        "Grad-CAM at",
        "guided backpropagation",
        "class-specific",
    )
    return f"""\
# What works with each adapter

Written by `python -m benchmarks.adapters`. For each adapter, a small classifier with random weights is saved
by its own library and audited on {N_IMAGES} images: once with one label and a box each, once with several
labels. About half of the predictions of a random classifier are failures; their number shows that failures
are found and explained.

Guided backpropagation is `undefined` for networks without ReLU-like activations; the detail view is then
the signed gradient. Models without layers (ONNX Runtime, TorchScript) are explained by occlusion maps.

{_table(head, rows)}

## Families of timm

{len(families)} models of timm with random weights, in the size of their own configuration. "Class-specific"
says whether the maps of two classes differ.

{_table(family_head, families)}
"""


if __name__ == "__main__":
    main()
