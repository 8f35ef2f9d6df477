"""What a supervisor says of the end of a process that another runtime ran in."""

from __future__ import annotations

import pytest

from dagtrace.airflow.runtimes import outcome
from dagtrace.semconv import attributes as names


@pytest.mark.parametrize(
    ("code", "failed", "error", "attributes"),
    [
        (0, False, None, {}),
        (0, True, "its runtime reported a failure", {names.ERROR_TYPE: "failed"}),
        (3, True, "ended with exit code 3", {names.ERROR_TYPE: "exit code 3", names.PROCESS_EXIT_CODE: 3}),
        (-9, True, "killed by SIGKILL", {names.ERROR_TYPE: "SIGKILL", names.PROCESS_EXIT_SIGNAL: "SIGKILL"}),
    ],
)
def test_an_end_is_named(code: int, failed: bool, error: str | None, attributes: dict[str, object]) -> None:  # noqa: FBT001
    """Success is no error; a failure is named by signal, exit code, or the runtime's own word."""
    assert outcome(code, failed=failed) == (error, attributes)


def test_an_unwanted_process_is_no_error() -> None:
    """A process that is killed because its task was marked by hand is cancelled, and may outlive its try."""
    error, attributes = outcome(-15, failed=True, unwanted=True)
    assert error is None
    assert attributes == {names.PROCESS_EXIT_SIGNAL: "SIGTERM", names.DAGTRACE_ASYNC: True}
