"""Two audits that would write to the same place at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auditor import folder_lock
from auditor.errors import OutputExistsError
from auditor.run_folder import RunFolder

BEGIN = """
import sys
from pathlib import Path
from auditor.run_folder import RunFolder
RunFolder.begin(Path(sys.argv[1]))
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_audit_beside_a_running_one_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(OutputExistsError, match="another process is writing there: wait"):
            RunFolder.begin(place)
        assert sorted(tmp_path.rglob("*")) == before
        other.communicate("")
    # The lock ends with its process; what an aborted audit left is replaced.
    RunFolder.begin(place).discard()
    assert not list(tmp_path.iterdir())


def test_audit_can_begin_again_in_the_same_process(tmp_path: Path) -> None:
    RunFolder.begin(tmp_path / "run")
    again = RunFolder.begin(tmp_path / "run")
    assert not folder_lock.is_locked(again.path)
    again.discard()
