"""Matched pairs: recipients and donors share the label; search and test share no image."""

from __future__ import annotations

import numpy as np
from builders.image_evidence import audit_data
from builders.marked_images import confident, labels, turns

from auditor.interventions.matched_pairs import draw_pairs
from auditor.interventions.value_contrasts import ValueContrast
from auditor.records import AuditData
from auditor.records.predictions import codes

MARKED = ValueContrast("mark", "yes", "no", np.ones(3))


def audited() -> AuditData:
    mark = np.where(turns(360, 2) == 0, "yes", "no")
    return audit_data(labels(360), confident(labels(360)), {"mark": mark})


def test_search_and_test_share_no_image() -> None:
    pairs = draw_pairs(audited(), MARKED, 24, 150)
    search, test = (
        set(np.concatenate([part.rows, part.with_value, part.without_value]).tolist())
        for part in (pairs.search, pairs.test)
    )
    assert search
    assert test
    assert not search & test


def test_donors_have_the_recipients_label_and_are_other_images() -> None:
    audit = audited()
    pairs = draw_pairs(audit, MARKED, 24, 150)
    label = codes(audit.predictions["label"])
    mark = (audit.predictions["mark"] == "yes").to_numpy()
    for part in (pairs.search, pairs.test):
        assert (label[part.rows] == part.label).all()
        assert (label[part.with_value] == part.label).all()
        assert (label[part.without_value] == part.label).all()
        assert mark[part.with_value].all()
        assert not mark[part.without_value].any()
        assert (mark[part.rows] == part.has_value).all()
        assert not (part.rows == part.with_value).any()
        assert not (part.rows == part.without_value).any()


def test_recipients_are_as_many_with_the_value_as_without_it() -> None:
    pairs = draw_pairs(audited(), MARKED, 24, 60)
    # 24 and 60 of each side over three labels: 8 and 20 of each side in each label.
    for part, n in ((pairs.search, 8), (pairs.test, 20)):
        for code in range(3):
            sides = np.bincount(part.has_value[part.label == code], minlength=2)
            assert sides.tolist() == [n, n]


def test_partners_of_other_labels_have_another_label() -> None:
    test = draw_pairs(audited(), MARKED, 24, 60).test
    partners = test.of_other_labels(0)
    assert partners is not None
    assert (test.label[partners] != test.label).all()


def test_partners_of_other_labels_are_none_with_one_label() -> None:
    audit = audited()
    frame = audit.predictions
    mark = frame["mark"].where(frame["label"] == "b", "yes")  # only label b has both values
    only_b = audit_data(labels(360), confident(labels(360)), {"mark": mark.to_numpy(dtype=str)})
    test = draw_pairs(only_b, MARKED, 24, 60).test
    assert set(test.label.tolist()) == {1}
    assert test.of_other_labels(0) is None
