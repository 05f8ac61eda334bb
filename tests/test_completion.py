from __future__ import annotations

import os
import subprocess
import sys

from auditor import registry
from auditor.completion import formats, keys
from auditor.config import AuditConfig


def test_formats_are_the_built_in_renderers() -> None:
    own = {
        name
        for name, one in registry.all_of("renderer").items()
        if one.__module__.startswith("auditor.")
    }
    assert set(formats("")) == own
    assert formats("html,js") == ["html,json"]
    assert formats("x") == []


def test_keys_lead_through_the_sections() -> None:
    assert {one.rstrip(".=") for one in keys("")} == set(AuditConfig.model_fields)
    assert keys("gate.sev") == ["gate.severity="]
    assert keys("expl") == ["explain."]
    assert keys("nowhere.") == []
    assert keys("seed.") == []


def test_shell_completes_formats() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditor"],
        env=os.environ
        | {
            "_PYTHON _M AUDITOR_COMPLETE": "complete_bash",
            "_PYTHON_M_AUDITOR_COMPLETE": "complete_bash",
            "_AUDITOR_COMPLETE": "complete_bash",
            "COMP_WORDS": "auditor render run --format ht",
            "COMP_CWORD": "4",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["html"], done.stderr
