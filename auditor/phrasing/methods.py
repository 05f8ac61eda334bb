"""Names of explainers as documents write them."""

from __future__ import annotations

_TITLES = {
    "grad-cam": "Grad-CAM",
    "guided-grad-cam": "Guided Grad-CAM (detail view)",
    "guided-backprop": "Guided backpropagation",
    "gradient": "Gradient",
    "hirescam": "HiResCAM",
    "cam": "CAM",
    "occlusion": "Occlusion",
    "deconvnet": "Deconvnet",
    "grad-cam-counterfactual": "Counterfactual Grad-CAM",
}


def method_title(name: str) -> str:
    """The method of an explainer as a caption names it; those of other distributions keep their names."""
    return _TITLES.get(name, name)
