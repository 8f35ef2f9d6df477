"""
The porch: the only code of dagtrace that runs at interpreter start, and the only one that knows how it got there.

Four doors lead here: ``dagtrace.pth`` and ``dagtrace.start`` in site-packages, Airflow's ``airflow.policy`` entry point
(loaded in every Airflow process, also from ``--target`` installs where ``.pth`` files never run), and
``opentelemetry-instrument``. It imports nothing outside the standard library, may run any number of times (a venv runs
``.pth`` lines twice), and does nothing but wait for ``airflow``, ``pyspark`` or, in a child
process of a task, ``opentelemetry`` to be imported. A failing policy entry
point would break every ``airflow`` command, so nothing here can raise.
"""

from __future__ import annotations

import os
import sys


MYPY = False
if MYPY:  # pyright reads this; typing itself would cost every Python start a few milliseconds
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


_ON = ("1", "true", "yes", "on")
_OFF = ("", "0", "false", "no", "off")
_ROOMS = {"airflow": "dagtrace.airflow", "pyspark": "dagtrace.spark"}

_waiting: dict[str, list[Callable[[], object]]] = {}


def main() -> None:
    """Wait for Airflow and PySpark if the switch is on; a second call changes nothing."""
    value = os.environ.get("DAGTRACE_ENABLED", "").strip().lower()
    if value in _OFF or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    disabled = [name.strip() for name in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")]
    for target, room in _ROOMS.items():
        if value not in _ON:
            when_imported(target, _refuse)
        elif target not in disabled and "*" not in disabled:
            when_imported(target, _opens(room))
    if value in _ON and os.environ.get("TRACEPARENT") and "*" not in disabled and not _is_sparks_worker():
        when_imported("opentelemetry.trace", _receive)


def when_imported(module: str, callback: Callable[[], object]) -> None:
    """Call ``callback`` once ``module`` has been executed, or now if it has been; the same one is never added twice."""
    if module in sys.modules:
        _call(callback)
        return
    callbacks = _waiting.setdefault(module, [])
    if callback not in callbacks:
        callbacks.append(callback)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _is_sparks_worker() -> bool:
    """Return whether this is a Python worker of an executor's, which has its driver's environment."""
    return any(name.startswith("PYTHON_WORKER_FACTORY_") for name in os.environ)


def _receive() -> None:
    """Make the span that started this process the parent of what its code traces."""
    from dagtrace.submit.received import receive

    receive()


_opened: dict[str, Callable[[], object]] = {}


def _opens(room: str) -> Callable[[], object]:
    """Return the one callback that arms ``room``; the same object each time, so that a second run adds nothing."""

    def open_room() -> None:
        import importlib

        importlib.import_module(room).watch()

    return _opened.setdefault(room, open_room)


def _refuse() -> None:
    """Say once that the switch has a value nobody understands."""
    if not _opened:
        _opened["refused"] = _refuse
        import logging

        value = os.environ.get("DAGTRACE_ENABLED", "")
        logging.getLogger("dagtrace").warning(
            "DAGTRACE_ENABLED=%r is ignored: expected true or false; dagtrace stays off", value
        )


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - nothing at this edge may reach the importing program
        import logging

        logging.getLogger("dagtrace").warning("dagtrace could not start: %s: %s", type(error).__name__, error)


def __getattr__(name: str) -> object:
    """
    Return ``AirflowPlugin``, what the entry point ``airflow.plugins`` names: None unless there is a trace URL.

    Airflow passes over what is no plugin's class without a word; of an entry point that fails it logs the traceback.
    """
    if name != "AirflowPlugin":
        raise AttributeError(name)
    return _plugin()


def _plugin() -> object:
    """Return the plugin's class where the switch is on and the UI is to have links."""
    if "dagtrace.airflow" not in sys.modules or not os.environ.get("DAGTRACE_TRACE_URL", "").strip():
        return None
    try:
        from dagtrace.airflow.compat.ui import plugin_base
        from dagtrace.options import options

        base = plugin_base() if options().trace_url else None
        if base is None:
            return None
        from dagtrace.airflow.plugin import make

        return make(base)
    except Exception as error:  # noqa: BLE001 - as above
        import logging

        logging.getLogger("dagtrace").warning("the UI has no links to traces: %s: %s", type(error).__name__, error)
        return None


class Door:
    """
    What ``opentelemetry-instrument`` and ``OTEL_CONFIG_FILE`` open, by the ``opentelemetry_instrumentor`` entry points.

    It has a BaseInstrumentor's methods without importing one: the loader imports it even while the switch is off, and
    it stays off then.
    """

    def instrument(self, **_kwargs: object) -> None:
        """Do what the start-up files do."""
        main()

    def uninstrument(self, **_kwargs: object) -> None:
        """Patches stay until the process ends: taking them from a running scheduler would tear its traces."""


class _Finder:
    """
    A meta path finder that finds nothing itself: it lets the others find a module and calls back after its execution.

    A third of ``wrapt.register_post_import_hook``, because that one's import costs 76 ms in every Python process.
    """

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _waiting or name in self._busy:
            return None
        self._busy.add(name)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                spec = find(name, path, target) if find is not None and finder is not self else None
                if spec is not None:
                    _announce(name, spec)
                    return spec
            return None
        finally:
            self._busy.discard(name)


def _announce(name: str, spec: ModuleSpec) -> None:
    """Shadow the loader's ``exec_module`` on this one loader object, and take the shadow away when it ran."""
    loader = spec.loader
    execute = getattr(loader, "exec_module", None)
    if loader is None or execute is None:
        return

    def exec_module(module: ModuleType) -> None:
        try:
            del loader.exec_module
        except AttributeError:
            pass
        execute(module)
        for callback in _waiting.pop(name, ()):
            _call(callback)

    try:
        loader.exec_module = exec_module
    except AttributeError:  # a loader with slots: nothing to shadow, so this module goes unseen
        pass


main()
