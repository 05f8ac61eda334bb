from __future__ import annotations

import pandas as pd

from auditor.report.view.confusion import LabelCounts, confusion_matrix


def test_confusion_matrix_counts_each_label_and_prediction() -> None:
    evaluated = pd.DataFrame({"label": ["a", "a", "b"], "predicted": ["a", "b", "b"]})
    found = confusion_matrix(("a", "b"), evaluated)
    assert found.counts == ((1, 1), (0, 1))
    assert found.supports == (2, 1)
    assert found.by_label == ()
    assert found.most_frequent() == ((0, 1, 1),)


def test_confusion_matrix_of_a_multi_label_task_counts_the_decisions_on_each_label() -> None:
    # Four samples: three with a cat, of which one is missed; one dog is seen where there is none.
    label = ["cat", "cat", "cat", "not cat", "dog", "not dog", "not dog", "not dog"]
    predicted = ["cat", "cat", "not cat", "not cat", "dog", "dog", "not dog", "not dog"]
    classes = ("cat", "not cat", "dog", "not dog")
    evaluated = pd.DataFrame({"label": label, "predicted": predicted})
    found = confusion_matrix(classes, evaluated, ("cat", "dog"))
    assert found.by_label == (
        LabelCounts("cat", 0, 1, hits=2, missed=1, false_alarms=0, rejected=1),
        LabelCounts("dog", 2, 3, hits=1, missed=0, false_alarms=1, rejected=2),
    )
