from dataclasses import replace

import pytest
from builders.audited_models import audited
from torch import nn

from auditor.model_opening import OpenedModel
from auditor.records.decisions import DecisionRule

MULTI_LABEL = DecisionRule.multi_label(["cat", "dog"], [0.5, 0.5])
BINARY = DecisionRule.binary(["well", "ill"], "ill", 0.5)


@pytest.mark.parametrize(("rule", "n_outputs"), [(MULTI_LABEL, 2), (BINARY, 1)], ids=str)
def test_doubt_asks_about_independent_outputs_that_are_never_positive(
    rule: DecisionRule, n_outputs: int
) -> None:
    # The logarithm of a sigmoid is at most 0, and so are the logits of rare labels.
    model = replace(audited(nn.Identity()), rule=rule)
    opened = OpenedModel(
        model, "logits", n_outputs, stated=False, looks_like="logits", positive=False
    )
    assert opened.doubt is not None
    assert "log-probabilities" in opened.doubt
    assert replace(opened, positive=True).doubt is None
    assert replace(opened, stated=True).doubt is None


def test_doubt_is_none_for_two_logits_that_are_never_positive() -> None:
    model = replace(audited(nn.Identity()), rule=BINARY)
    opened = OpenedModel(model, "logits", 2, stated=False, looks_like="logits", positive=False)
    assert opened.doubt is None
