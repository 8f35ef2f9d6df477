"""
The task process's own environment while the operator runs: every child process inherits ``TRACEPARENT`` from it.

That reaches what no row of the table could: ``subprocess`` in a Python callable, ``spark-submit`` in a shell script,
dbt in a virtual environment. Airflow gives each task a process; ``dag.test()`` runs them in the user's own, one after
the other, and finds its environment as it was. Rows of the table are for environments that are made from scratch.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dagtrace.submit.carrier import TRACEPARENT, TRACESTATE


if TYPE_CHECKING:
    from dagtrace.submit.carrier import Carrier


class Environment:
    """
    Sets the variables when made.

    What the worker itself was started with goes under meanwhile: it names what started the worker, not the task. What
    the task's own code sets stays.
    """

    def __init__(self, carrier: Carrier | None) -> None:
        self._ours = carrier.environment if carrier is not None else {}
        self._before = {name: os.environ.get(name) for name in (TRACEPARENT, TRACESTATE)} if self._ours else {}
        for name in self._before:
            _set(name, self._ours.get(name))

    def restore(self) -> None:
        """Put back what was there, unless the task's code has set something else since."""
        for name, value in self._before.items():
            if os.environ.get(name) == self._ours.get(name):
                _set(name, value)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
