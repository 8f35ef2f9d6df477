"""Local files: one line per write, shared by all processes of a host, private, capped, and never a reason to fail."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from dagtrace.telemetry import local
from dagtrace.telemetry.local import LocalFile


if TYPE_CHECKING:
    from pathlib import Path

    from conftest import InPython

pytestmark = pytest.mark.usefixtures("fresh")
GIB = 2**30


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dagtrace"]


def test_a_line_lies_in_the_file_of_host_and_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder is made, the name says signal, host and UTC day, and no host name can leave the folder."""
    monkeypatch.setattr(local, "host_name", lambda: "../node-1.example")
    home = tmp_path / "a" / "b"
    assert LocalFile(home, "traces", GIB).append(b"{}\n")
    assert LocalFile(home, "traces", GIB).append(b"[]\n")
    [file] = home.iterdir()
    day = datetime.now(timezone.utc).strftime("%Y%m%d")
    assert file.name == f"traces-.._node_1.example-{day}.jsonl"
    assert file.read_bytes() == b"{}\n[]\n"
    assert _messages(caplog) == []


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """Traces may hold what others on the host must not read: file 0600, folder 0700."""
    before = os.umask(0)
    try:
        LocalFile(tmp_path / "home", "metrics", GIB).append(b"{}\n")
    finally:
        os.umask(before)
    [file] = (tmp_path / "home").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_many_processes_share_one_file(tmp_path: Path, in_python: InPython) -> None:
    """Six processes write fifty long lines each at the same time: every line arrives, whole and once."""
    code = f"""
import json, os, pathlib
from dagtrace.telemetry.local import LocalFile
children = []
for child in range(6):
    pid = os.fork()
    if not pid:
        file = LocalFile(pathlib.Path({str(tmp_path)!r}), "traces", 2**30)
        for number in range(50):
            assert file.append(json.dumps([child, number, "x" * (child * 20_000)]).encode() + b"\\n")
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
"""
    in_python(code)
    [file] = tmp_path.glob("traces-*.jsonl")
    found = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert sorted(entry[:2] for entry in found) == [[child, number] for child in range(6) for number in range(50)]
    assert all(len(entry[2]) == entry[0] * 20_000 for entry in found)


def test_a_writer_waits_for_the_lock(tmp_path: Path) -> None:
    """A line is written under ``flock``: while another process holds it, nothing is added; then all of it is."""
    file = LocalFile(tmp_path, "traces", GIB)
    file.append(b"first\n")
    [path] = tmp_path.iterdir()
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer = threading.Thread(target=file.append, args=(b"second\n",))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert path.read_bytes() == b"first\n"
        fcntl.flock(held, fcntl.LOCK_UN)
        writer.join(10)
    assert path.read_bytes() == b"first\nsecond\n"


def test_without_locks_each_process_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems refuse ``flock``: nothing is lost, all goes to a file with the process id."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError("No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    file = LocalFile(tmp_path, "traces", GIB)
    assert [file.append(line) for line in (b"1\n", b"2\n", b"3\n")] == [True] * 3
    own = [path for path in tmp_path.iterdir() if f"-{os.getpid()}-" in path.name]
    assert [path.read_bytes() for path in own] == [b"1\n2\n3\n"]
    assert b"".join(sorted(path.read_bytes() for path in tmp_path.iterdir())) == b"1\n2\n3\n"


def test_a_folder_that_cannot_be_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A home below a regular file: each write says False, one line names the variable, the folder and the reason."""
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    for signal in ("traces", "metrics", "traces"):
        assert LocalFile(home, signal, GIB).append(b"{}\n") is False
    assert _messages(caplog) == [
        f"DAGTRACE_HOME={home} cannot be written (Not a directory): telemetry is not kept",
    ]


def _old(folder: Path, name: str, size: int, age: int) -> Path:
    path = folder / name
    path.write_bytes(b"x" * size)
    os.utime(path, (1_000_000_000 - age, 1_000_000_000 - age))
    return path


def test_the_cap_takes_the_oldest_file_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Signals share one cap; only as many files go as needed, the oldest first, and the loss is said in bytes."""
    oldest = _old(tmp_path, "metrics-h-20250101.jsonl", 40, 30)
    older = _old(tmp_path, "traces-h-20250102.jsonl", 30, 20)
    newer = _old(tmp_path, "traces-h-20250103.jsonl", 20, 10)
    assert LocalFile(tmp_path, "traces", 60).append(b"123456789\n")
    assert (oldest.exists(), older.exists(), newer.exists()) == (False, True, True)
    assert _messages(caplog) == [
        "40 bytes of the oldest local telemetry went, to keep DAGTRACE_LOCAL_MAX_BYTES",
    ]


def test_up_to_the_cap_nothing_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is exactly full after the write is not over its cap."""
    old = _old(tmp_path, "traces-h-20250101.jsonl", 50, 10)
    assert LocalFile(tmp_path, "traces", 60).append(b"123456789\n")
    assert old.exists()
    assert _messages(caplog) == []


def test_the_cap_leaves_other_files_alone(tmp_path: Path) -> None:
    """Only our own names are ever removed, and none below ``spool/``."""
    (tmp_path / "spool").mkdir()
    others = [
        _old(tmp_path, "notes.txt", 100, 50),
        _old(tmp_path, "traces.jsonl", 100, 50),
        _old(tmp_path, "traces-h-20250101.jsonl.bak", 100, 50),
        _old(tmp_path / "spool", "traces-h-20250101.jsonl", 100, 50),
    ]
    own = _old(tmp_path, "logs-h-20250101.jsonl", 100, 1)
    assert LocalFile(tmp_path, "traces", 10).append(b"123\n")
    assert all(path.exists() for path in others)
    assert not own.exists()


def test_a_file_that_goes_meanwhile_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two processes keep the cap at once: what one has just removed the other finds gone. The line is written still."""
    (tmp_path / "traces-h-20250101.jsonl").symlink_to(tmp_path / "gone")  # listed, and no longer there
    assert LocalFile(tmp_path, "traces", GIB).append(b"{}\n")
    assert _messages(caplog) == []


@pytest.mark.parametrize("locks", [True, False])
def test_a_short_write_leaves_no_torn_line(
    locks: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk takes half a line: that is a failure and one warning, and the half is taken back."""
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:3])

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError("No locks available")

    if not locks:
        monkeypatch.setattr(fcntl, "flock", refuse)
    file = LocalFile(tmp_path, "traces", GIB)
    assert file.append(b'{"a":1}\n')
    with monkeypatch.context() as patched:
        patched.setattr(local.os, "write", short)
        assert [file.append(b'{"b":2}\n') for _ in range(2)] == [False, False]
    assert file.append(b'{"c":3}\n')
    assert b"".join(path.read_bytes() for path in tmp_path.iterdir()) == b'{"a":1}\n{"c":3}\n'
    assert _messages(caplog) == [
        f"DAGTRACE_HOME={tmp_path} cannot be written (only 3 of 8 bytes fitted): telemetry is not kept",
    ]


def test_a_file_that_another_process_removed_counts_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between looking and removing, too: the line is written, and only what went by us is said."""
    for age in (30, 20):
        _old(tmp_path, f"traces-h-202501{age}.jsonl", 40, age)
    unlink = local.Path.unlink

    def late(path: Path) -> None:
        unlink(path)
        if "30" in path.name:
            unlink(path)

    monkeypatch.setattr(local.Path, "unlink", late)
    assert LocalFile(tmp_path, "traces", 10).append(b"{}\n")
    assert _messages(caplog) == [
        "40 bytes of the oldest local telemetry went, to keep DAGTRACE_LOCAL_MAX_BYTES",
    ]
