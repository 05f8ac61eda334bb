from __future__ import annotations

from auditor.records.explanations import LocalisationRecord, SanityRecord
from auditor.report.view import map_sanity

SANITY: SanityRecord = {
    "n_samples": 8.0,
    "deletion_area": 0.517,
    "deletion_area_random": 0.76,
    "randomization_grad_cam": -0.056,
    "made_up_measure": 0.5,
}


def test_measure_is_shown_beside_its_value_for_a_random_order() -> None:
    deletion = next(one for one in map_sanity.measures(SANITY) if one.name == "Deletion")
    assert deletion.value == "0.52; in random order 0.76"
    assert deletion.meaning
    assert not any("random order" in one.name.lower() for one in map_sanity.measures(SANITY))


def test_unknown_measure_is_shown_by_its_name() -> None:
    assert map_sanity.MapMeasure("Made up measure", "0.50", "") in map_sanity.measures(SANITY)


def test_summary_is_in_words() -> None:
    text = map_sanity.summary(SANITY)
    assert "a mean probability of 0.52; masking in random order, 0.76" in text
    assert "the correlation with the real maps is −0.06" in text
    assert text.endswith("Measured on 8 samples.")
    assert map_sanity.summary({}) == ""


def test_localisation_is_shown_beside_what_a_random_map_would_reach() -> None:
    found = LocalisationRecord(
        n_samples=200, pointing_game=0.46, object_share=0.21, mass_inside=0.35, box_found=0.11
    )
    point, mass, box = map_sanity.measures({"localisation": found})
    assert point.value == "on the object in 46 % of 200 samples"
    assert "A random point would be on it in 21 %" in point.meaning
    assert mass.value == "35 % of it, on 21 % of the image"
    assert box.value == "in 11 % of 200 samples"
    nothing = LocalisationRecord(n_samples=0)
    assert map_sanity.measures({"localisation": nothing})[0].value == "–"
