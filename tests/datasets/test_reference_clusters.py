"""The clusters of training data that is passed from Python."""

from __future__ import annotations

import pandas as pd

from auditor.datasets.user_tables import with_clusters
from auditor.records.predictions import GROUP

TRAINING = pd.DataFrame({"label": ["cat", "dog", "dog"], "owner": [7, 7, None]})


def test_reference_with_the_column_of_the_groups_gets_its_clusters() -> None:
    found = with_clusters(TRAINING, "owner")
    assert found is not None
    assert found[GROUP].isna().tolist() == [False, False, True]
    assert found[GROUP][0] == found[GROUP][1]


def test_reference_without_the_column_of_the_groups_stays_as_it_is() -> None:
    assert with_clusters(TRAINING, "patient") is TRAINING
    assert with_clusters(TRAINING, None) is TRAINING
    assert with_clusters(None, "owner") is None
