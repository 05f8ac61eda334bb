from __future__ import annotations

from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_difference_of_mean_images_has_its_description(run_folder: RunFolder) -> None:
    (difference,) = build_view(run_folder).findings[0].image_differences
    assert difference.title.startswith("37 images that are darker at the corners")
    assert difference.description == "darker at the lower right corner"
    assert difference.values == ((0.1, -0.2), (0.3, -1.4))
