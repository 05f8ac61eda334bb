"""A distribution of its own adds one plug-in of each kind, each in one file, through entry points."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor import registry
from auditor.records import Finding, Quantities
from auditor.run_folder import RunFolder

pytestmark = pytest.mark.slow

DATASET = '''
"""Squares in the left or right half of a grey image."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from auditor.records import Dataset, DecodedImage
from auditor.registry import Options, plugin


@dataclass(frozen=True)
class Drawn:
    """Images that are drawn on access."""

    right: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, index: int) -> DecodedImage:
        levels = np.full((16, 16, 3), 60, np.uint8)
        left = 9 if self.right[index] else 1
        levels[5 + index % 4 : 9 + index % 4, left : left + 6] = 130 + index % 100
        digest = hashlib.sha256(levels.tobytes()).hexdigest()
        return DecodedImage(Image.fromarray(levels), digest)


@plugin("dataset", "squares")
class Squares(Options):
    """Images with a square in the left or right half; some labels are wrong."""

    samples: int = 240
    """Number of images."""

    def open(self) -> Dataset:
        """Lists the images."""
        random = np.random.default_rng(0)
        right = random.random(self.samples) < 0.5
        wrong = random.random(self.samples) < 0.25
        samples = pd.DataFrame(
            {
                "path": [f"square-{k}" for k in range(self.samples)],
                "label": np.where(right ^ wrong, "right", "left"),
                "site": random.choice(["north", "south"], self.samples),
            },
            index=pd.Index([f"square-{k}" for k in range(self.samples)], name="sample"),
        )
        return Dataset(
            samples=samples,
            images=Drawn(tuple(right.tolist())),
            attributes=("site",),
            adapter=self.plugin_name,
        )
'''

CLASSIFIER = '''
"""A network that compares the brightness of the two halves of an image."""

import torch
from torch import nn

from auditor.classifiers import Classifier
from auditor.config import Preprocess
from auditor.registry import Options, plugin


@plugin("classifier", "brighter-half")
class BrighterHalf(Options):
    """Predicts the half of the image that is brighter."""

    scale: float = 12.0
    """Factor of the logits."""

    def load(self) -> Classifier:
        """Builds the network; its weights are constants."""
        convolution = nn.Conv2d(3, 1, 3, padding=1)
        read_out = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            convolution.weight.fill_(1 / 27)
            convolution.bias.fill_(-0.2)
            read_out.weight.copy_(self.scale * torch.eye(2))
        module = nn.Sequential(
            convolution, nn.ReLU(), nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), read_out
        )
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description="brighter half",
            classes=("left", "right"),
            preprocess=Preprocess(),
        )
'''

EXPLAINER = '''
"""The absolute gradient of a class's logit."""

from typing import ClassVar

from auditor.registry import Options, plugin


@plugin("explainer", "absolute-gradient")
class AbsoluteGradient(Options):
    """Absolute gradient of the logit by each pixel."""

    rule: ClassVar[str] = "plain"
    needs_layer: ClassVar[bool] = False

    def attribute(self, recording, targets, rows=None):
        """(n, 3, H, W), at least 0."""
        return recording.input_gradient(targets, "plain", rows).abs()
'''

RENDERER = '''
"""The findings as plain text."""

from pathlib import Path

from auditor.registry import Options, plugin
from auditor.report.view.report_view import ReportView


@plugin("renderer", "plain-text")
class PlainText(Options):
    """The titles of the findings, one per line."""

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``findings.txt``."""
        path = folder / "findings.txt"
        titles = [finding.record.title for finding in view.findings]
        path.write_text("\\n".join(titles), encoding="utf-8")
        return path
'''


def check_in_the_docstring() -> str:
    """The complete check that the docstring of the registry shows."""
    text = inspect.cleandoc(registry.__doc__ or "")
    example = re.search(r"``confident_failures.py``::\n\n(.*?)\n\n(?=\S)", text, re.DOTALL)
    assert example is not None
    return textwrap.dedent(example[1])


MODULES: dict[registry.Kind, tuple[str, Callable[[], str]]] = {
    "dataset": ("squares", lambda: DATASET),
    "classifier": ("brighter-half", lambda: CLASSIFIER),
    "explainer": ("absolute-gradient", lambda: EXPLAINER),
    "check": ("confident-failures", check_in_the_docstring),
    "renderer": ("plain-text", lambda: RENDERER),
}

CONFIG = """
name: third-party
model: {adapter: brighter-half, scale: 12}
data: {adapter: squares, samples: 240}
explain: {explainer: absolute-gradient, trust_samples: 2}
checks: {confident-failures: {confidence: 0.7}}
report: {formats: [html, plain-text]}
gate: {severity: null}
workers: 0
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` with an installed distribution in it."""
    folder = tmp_path_factory.mktemp("site")
    information = folder / "third_party-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n"
    )
    lines = []
    for kind, (name, source) in MODULES.items():
        module = f"third_party_{kind}"
        (folder / f"{module}.py").write_text(source(), encoding="utf-8")
        lines += [f"[{registry.GROUPS[kind]}]", f"{name} = {module}", ""]
    (information / "entry_points.txt").write_text("\n".join(lines))
    return folder


def python(site: Path, *arguments: str | Path) -> str:
    """Standard output of a Python process that finds the distribution."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def auditor(site: Path, *arguments: str | Path) -> str:
    """Standard output of a command."""
    return python(site, "-m", "auditor", *arguments)


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """An audit in which all five plug-ins take part."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "audit.yaml").write_text(CONFIG, encoding="utf-8")
    auditor(site, "run", folder / "audit.yaml", "--out", folder / "run", "--quiet")
    return RunFolder.open(folder / "run")


def finding_of(run: RunFolder, check: str) -> Finding:
    (finding,) = [one for one in run.read_result().findings if one.check == check]
    return finding


def test_list_contains_plugins_of_the_distribution(site: Path) -> None:
    listed = auditor(site, "list")
    for name, _ in MODULES.values():
        assert re.search(rf"^  {name}  ", listed, re.MULTILINE), name
    assert "max_share (0.2)  Largest acceptable share of the failures (0 to 1)." in listed


def test_run_uses_dataset_classifier_and_explainer(run: RunFolder) -> None:
    result = run.read_result()
    assert result.summary.n_evaluated == 240
    assert result.provenance.data.adapter == "squares"
    assert result.provenance.model.adapter == "brighter-half"
    explain = result.provenance.config["explain"]
    assert isinstance(explain, dict)
    assert explain["explainer"] == "absolute-gradient"
    assert result.explanations.failures


def test_run_reports_the_finding_of_the_check(run: RunFolder) -> None:
    result = run.read_result()
    finding = finding_of(run, "confident-failures")
    assert finding.effect is not None
    assert finding.effect.unit == "share"
    assert finding.title.endswith(
        f"of {result.summary.n_failures} failures have a confidence of 0.7 or more"
    )
    (part,) = finding.evidence
    assert isinstance(part, Quantities)
    assert part.items[0].value == result.summary.n_failures


def test_html_shows_effect_and_evidence_of_the_check_with_units(run: RunFolder) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    finding = finding_of(run, "confident-failures")
    assert finding.effect is not None
    assert finding.title in page
    percent = f"{100 * finding.effect.value:.0f}\u202f%"  # the unit is a share
    assert re.search(
        rf'<p class="effect"><b>{percent}</b>\s*<span[^>]*>share of confident failures', page
    )
    failures = run.read_result().summary.n_failures
    assert f'<tr><th scope="row">failures</th><td>{failures}</td></tr>' in page


def test_renderer_writes_its_document(run: RunFolder) -> None:
    titles = (run.path / "findings.txt").read_text(encoding="utf-8").splitlines()
    assert finding_of(run, "confident-failures").title in titles


def test_selftest_uses_the_check_because_it_needs_no_model(site: Path, run: RunFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from auditor import selftest; "
        "from auditor.run_folder import RunFolder; "
        "print(*selftest.of_run(RunFolder.open(Path(sys.argv[1]))).checks)"
    )
    used = python(site, "-c", code, run.path).split()
    assert "confident-failures" in used
    assert "region-reliance" not in used  # it needs the model
    assert "site" in auditor(site, "selftest", run.path, "--seconds", "0", "--quiet")
