"""What a supervisor says of the end of a process that could not, or of one that another runtime ran in."""

from __future__ import annotations

import pytest

from dagtrace.airflow.ends import End
from dagtrace.semconv import attributes as names


@pytest.mark.parametrize(
    ("code", "reported", "error", "attributes"),
    [
        (0, False, None, {}),
        (0, True, "its runtime reported a failure", {names.ERROR_TYPE: "failed"}),
        (3, True, "ended with exit code 3", {names.ERROR_TYPE: "exit code 3", names.PROCESS_EXIT_CODE: 3}),
        (-9, True, "killed by SIGKILL", {names.ERROR_TYPE: "SIGKILL", names.PROCESS_EXIT_SIGNAL: "SIGKILL"}),
    ],
)
def test_an_end_is_named(code: int, reported: bool, error: str | None, attributes: dict[str, object]) -> None:  # noqa: FBT001
    """Success is no error; a failure is named by signal, exit code, or the process's own word."""
    end = End(1, 0, 1, code, reported=reported)
    found = end.attributes()
    assert (names.ERROR_FINGERPRINT in found) == (names.ERROR_TYPE in attributes)
    found.pop(names.ERROR_FINGERPRINT, None)
    assert (end.error(), found) == (error, attributes)


def test_an_unwanted_process_is_no_error() -> None:
    """A process that is killed because its task was marked by hand is cancelled, and may outlive its try."""
    end = End(1, 0, 1, -15, reported=True, unwanted=True)
    assert end.error() is None
    assert end.attributes() == {names.PROCESS_EXIT_SIGNAL: "SIGTERM", names.DAGTRACE_ASYNC: True}


def test_a_process_that_never_began_says_so() -> None:
    """Nobody should look for the fault in an operator that did nothing yet."""
    assert End(1, 0, 1, -9, begun=False).error() == "killed by SIGKILL before its operator began"
