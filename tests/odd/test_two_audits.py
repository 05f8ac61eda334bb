"""Two audits that would write to the same place at the same time, and locks that ended audits left."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from auditor import folder_lock
from auditor.errors import OutputExistsError
from auditor.folder_lock import LockOwner
from auditor.run_folder import RunFolder

BEGIN = """
import os, sys, time
from pathlib import Path
from auditor.run_folder import RunFolder
RunFolder.begin(Path(sys.argv[1]))
ready, begun = os.pipe()
if os.fork() == 0:  # a worker that outlives the audit
    os.write(begun, b"1")
    time.sleep(60)
    os._exit(0)  # else it would wait for its own byte, for ever
os.read(ready, 1)
print("begun", flush=True)
sys.stdin.read()
"""
RACE = """
import sys
from pathlib import Path
from auditor.errors import OutputExistsError
from auditor.run_folder import RunFolder
print("ready", flush=True)
sys.stdin.readline()
try:
    run = RunFolder.begin(Path(sys.argv[1]))
except OutputExistsError:
    sys.exit(2)
(run.path / "audit.json").write_text(sys.argv[2])
sys.stdin.readline()
run.finish()
"""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="states of processes in /proc")


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@LINUX
def test_audit_beside_a_running_one_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with started(BEGIN, str(place)) as other:
        before = sorted(tmp_path.rglob("*"))
        found = (
            rf"run\.lock: .* another process is writing there \(process {other.pid} of .*\): wait"
        )
        for _ in range(2):
            with pytest.raises(OutputExistsError, match=found):
                RunFolder.begin(place)
        assert sorted(tmp_path.rglob("*")) == before
        os.kill(other.pid, 9)
        other.wait()
        # The lock ends with its process, although a worker is alive; nothing was predicted.
        RunFolder.begin(place).discard()
        assert not list(tmp_path.iterdir())


@LINUX
@pytest.mark.parametrize("left_behind", [False, True])
def test_one_of_three_audits_that_begin_at_once_writes_its_result(
    left_behind: bool, tmp_path: Path
) -> None:
    if left_behind:
        _leave_lock(tmp_path / "run.lock", boot="another boot")
    racing = [started(RACE, str(tmp_path / "run"), str(number)) for number in range(3)]
    for line in ("begin\n", "finish\n"):
        for one in racing:
            assert one.stdin is not None
            if one.poll() is None:
                one.stdin.write(line)
                one.stdin.flush()
        if line == "begin\n":
            for one in racing:
                _settled(one, tmp_path)
    codes = []
    for one in racing:
        with one:
            one.communicate()
        codes.append(one.returncode)
    assert sorted(codes) == [0, 2, 2]
    assert (tmp_path / "run" / "audit.json").read_text() == str(codes.index(0))
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def _settled(process: subprocess.Popen[str], folder: Path) -> None:
    """Waits until a process was refused, or has begun."""
    while process.poll() is None:
        written = ""
        with suppress(FileNotFoundError):  # not there yet, or just being replaced
            written = (folder / "run.lock").read_text()
        if f'"pid": {process.pid},' in written and (folder / "run.unfinished/audit.json").exists():
            return


def _leave_lock(path: Path, **changes: object) -> LockOwner:
    """Writes a lock as another process would have."""
    owner = folder_lock._this_process(locked=True)
    owner = owner.model_copy(update=changes)
    path.write_text(owner.model_dump_json())
    return owner


@LINUX
@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, ""),  # the system has released its lock
        ({"boot": "another boot", "locked": False}, ""),
        ({"locked": False}, "another process is writing there"),  # this process is alive
        ({"locked": False, "pid": 2**22 + 1}, ""),  # above the largest number of a process
        ({"locked": False, "started": "1"}, ""),  # the number was given to a new process
        ({"locked": False, "processes": "pid:[1]"}, "which can't be checked from here: remove"),
        ({"host": "other"}, "on other, since .* which can't be checked from here: remove the file"),
        ({"host": "other", "boot": "another boot"}, "can't be checked from here"),
    ],
)
def test_lock_of_an_ended_audit_is_replaced_and_others_are_refused(
    changes: dict[str, object], refused: str, tmp_path: Path
) -> None:
    _leave_lock(tmp_path / "run.lock", **changes)
    before = (tmp_path / "run.lock").read_bytes()
    if not refused:
        RunFolder.begin(tmp_path / "run").discard()
        assert not list(tmp_path.iterdir())
        return
    with pytest.raises(OutputExistsError, match=refused):
        RunFolder.begin(tmp_path / "run")
    assert [one.name for one in tmp_path.iterdir()] == ["run.lock"]
    assert (tmp_path / "run.lock").read_bytes() == before


@pytest.mark.parametrize("content", ["", "mine", '{"program": "poetry"}', "{" * 5000])
def test_other_file_in_the_place_of_the_lock_is_kept(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text(content)
    with pytest.raises(OutputExistsError, match=r"run\.lock: .*: (try again, or )?remove it"):
        RunFolder.begin(tmp_path / "run")
    assert (tmp_path / "run.lock").read_text() == content


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_in_the_place_of_the_lock_is_kept(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "run.lock"
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to("nowhere")
    else:
        os.mkfifo(place)
    with pytest.raises(OutputExistsError, match="it is something else: remove it"):
        RunFolder.begin(tmp_path / "run")
    assert [one.name for one in tmp_path.iterdir()] == ["run.lock"]


def test_second_audit_of_the_same_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = RunFolder.begin(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="another audit of this process is writing there"):
        RunFolder.begin(tmp_path / "run")
    first.keep()
    RunFolder.begin(tmp_path / "run").discard()


@LINUX
def test_lock_on_a_file_system_without_locks_is_judged_by_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_LOCK", None)
    run = RunFolder.begin(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(folder_lock, "_held", {})  # as another process of this computer sees it
        with pytest.raises(OutputExistsError, match="another process is writing there"):
            RunFolder.begin(tmp_path / "run")
    run.discard()
    assert not list(tmp_path.iterdir())
