"""Which errors are the same: by their class and the user's own functions, whatever else is different."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any

from dagtrace.airflow.failures import failure_of, points, qualified_name
from dagtrace.airflow.fingerprints import of_kind
from dagtrace.identity import SpanContext
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

SOURCE = """
import json

class OwnError(Exception): pass

def divides(by): return 1 / by
def one(): return divides(0)
def other(): return divides(0)
def reads(text): return json.loads(text)
def sinks(depth): return sinks(depth - 1) if depth else 1 / 0
def loops(): return [divides(n) for n in (1, 0)]
def own(): raise OwnError()
def says(message): raise ValueError(message)
"""


def a_dag_file(name: str = "flights", *, file: str = "/dags/flights.py", above: str = "") -> Any:
    """Return a module as Airflow makes it of a DAG file."""
    module = types.ModuleType(name)
    exec(compile(above + SOURCE, file, "exec"), module.__dict__)  # noqa: S102 - text of the lines above
    return module


def of(call: Callable[..., object], *arguments: object) -> str:
    """Return the fingerprint on the span of an execution that ended in what ``call`` raises."""
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return str(failure_of(error, 0).attributes[names.ERROR_FINGERPRINT])
    raise AssertionError("it did not fail")


def test_the_same_error_elsewhere_is_the_same() -> None:
    """Another line, message, path, bundle version or host: the same fingerprint, 16 hex digits long."""
    here, below = a_dag_file(), a_dag_file(above="\n\nimport os\n\n", file="/bundles/8d21/flights.py")
    prefixed = a_dag_file(f"unusual_prefix_{'0f' * 20}_flights")
    assert of(here.says, "a") == of(here.says, "b") == of(below.says, "c") == of(prefixed.says, "d")
    assert len(of(here.says, "a")) == 16
    int(of(here.says, "a"), 16)


def test_another_error_is_another() -> None:
    """Another class, another way through the code or another file is another error."""
    flights, trains = a_dag_file(), a_dag_file("trains")
    found = [of(flights.one), of(flights.other), of(flights.divides, 0), of(flights.reads, "{"), of(trains.one)]
    assert len({*found, of(flights.divides, None)}) == 6


def test_only_the_users_frames_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's library, installed packages, Airflow and generated code may change: the error stays the same."""
    dag = a_dag_file()
    plain = of(dag.reads, "{")

    def loads(_: str) -> object:
        return json.JSONDecoder().decode("{")

    monkeypatch.setattr(dag.json, "loads", types.FunctionType(loads.__code__.replace(co_filename="<made>"), globals()))
    assert of(dag.reads, "{") == plain
    library = a_dag_file("library", file="/venv/lib/python3.11/site-packages/library.py")
    airflow = a_dag_file("airflow.models.xcom", file="/src/airflow/models/xcom.py")
    assert of(library.one) == of(airflow.one) == of_kind("ZeroDivisionError", (f"{__name__}:of",))


def test_recursion_and_comprehensions_do_not_count() -> None:
    """How deep a function has called itself is no other error; nor is it Python 3.12, which inlines comprehensions."""
    dag = a_dag_file()
    assert of(dag.sinks, 1) == of(dag.sinks, 50)
    assert of(dag.loops) == of_kind("ZeroDivisionError", ("flights:divides", "flights:loops", f"{__name__}:of"))


def test_a_dag_files_own_class_is_named_without_its_path() -> None:
    """Airflow puts a hash of the path before the module's name, another in each version of a bundle."""
    dag = a_dag_file(f"unusual_prefix_{'0f' * 20}_flights")
    assert qualified_name(dag.OwnError) == "flights.OwnError"
    assert of(dag.own) == of(a_dag_file().own)


def test_an_error_is_counted_once() -> None:
    """What a process tells as an error is one point, by DAG, class and fingerprint, of its span; success is none."""
    span = SpanContext(1, 2)
    assert points("d", {"user.rows": 1}, span) == []
    (point,) = points("d", {names.ERROR_TYPE: "E", names.ERROR_FINGERPRINT: "00ff", "user.rows": 1}, span)
    assert (point.value, point.span) == (1, span)
    assert point.attributes == {"airflow.dag_id": "d", "error.type": "E", "error.fingerprint": "00ff"}
