from __future__ import annotations

from auditor.report.view import map_sanity as trust

SANITY = {
    "n_samples": 8.0,
    "deletion_area": 0.517,
    "deletion_area_random": 0.76,
    "randomization_grad_cam": -0.056,
    "made_up_measure": 0.5,
}


def test_a_measure_stands_beside_its_value_for_a_random_order() -> None:
    deletion = next(one for one in trust.measures(SANITY) if one.name == "Deletion")
    assert deletion.value == "0.52; in random order 0.76"
    assert deletion.meaning
    assert not any("random order" in one.name.lower() for one in trust.measures(SANITY))


def test_a_measure_that_is_not_known_is_shown_all_the_same() -> None:
    assert trust.MapMeasure("Made up measure", "0.50", "") in trust.measures(SANITY)


def test_the_first_page_says_it_in_words() -> None:
    said = trust.sentence(SANITY)
    assert "a probability of 0.52 on average; covering at random, 0.76" in said
    assert "correlate −0.06" in said
    assert said.endswith("Measured on 8 samples.")
    assert trust.sentence({}) == ""


def test_localisation_stands_beside_what_a_blind_map_would_reach() -> None:
    found = {
        "localisation": {
            "n_samples": 200.0,
            "pointing_game": 0.46,
            "object_share": 0.21,
            "mass_inside": 0.35,
            "box_found": 0.11,
        }
    }
    point, mass, box = trust.measures(found)
    assert point.value == "on the object in 46\u202f% of 200 samples"
    assert "blindly would be on it in 21\u202f%" in point.meaning
    assert mass.value == "35\u202f% of it, on 21\u202f% of the image"
    assert box.value == "in 11\u202f% of 200 samples"
    assert trust.measures({"localisation": {"n_samples": 0.0}})[0].value == "–"
