"""The dag processor's hooks with stand-ins for Airflow's objects; with the real ones in ``e2e/test_parsing.py``."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.airflow import compat, dag_files, parsing, statements
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from dagtrace.record import Point, SpanRecord


class Told:
    """What was measured and told."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.spans: list[SpanRecord] = []

    def measure(self, *points: Point) -> None:
        """Keep measurements."""
        self.points += points

    def tell(self, *spans: SpanRecord) -> None:
        """Keep spans."""
        self.spans += spans

    def values(self, metric: str) -> dict[Any, float]:
        """Return a metric's last values by path."""
        return {p.attributes[names.AIRFLOW_DAG_FILE_PATH]: p.value for p in self.points if p.metric.name == metric}


@pytest.fixture
def told(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Begin as a new dag processor."""
    found = Told()
    monkeypatch.setattr(telemetry, "measure", found.measure)
    monkeypatch.setattr(telemetry, "tell", found.tell)
    monkeypatch.setattr(parsing, "_teller", parsing._Teller())
    parsing._tallies.clear()
    return found


@dataclass(frozen=True)
class File:
    """A ``DagFileInfo``."""

    rel_path: Path
    bundle_name: str = "b"


class Manager:
    """Airflow 3's manager, as far as it is looked at."""

    def __init__(self, *paths: str) -> None:
        self.files = [File(Path(path)) for path in paths]
        self._processors: dict[Any, Any] = {file: SimpleNamespace(parsing_result=None) for file in self.files}
        self._file_stats = {
            file: SimpleNamespace(last_duration=300.0, num_dags=0, import_errors=1) for file in self.files
        }

    def kill(self) -> str:
        """Do as ``_kill_timed_out_processors`` with the first file."""
        del self._processors[self.files[0]]
        return "killed"


def test_a_file_that_takes_too_long_is_told(told: Told) -> None:
    """What it asked for before it was killed is counted, once; the one that still runs is not told yet."""
    manager = Manager("slow.py", "other.py")
    message = type("GetVariable", (), {})()
    slow = manager._processors[manager.files[0]]
    for _ in range(3):
        assert parsing.around_request(lambda *_: "answer", slow, (message, None, 1), {}) == "answer"
    parsing.around_request(lambda *_: None, slow, (type("MaskSecret", (), {})(), None, 1), {})
    assert parsing.around_collect(manager.kill, manager, (), {}) == "killed"
    assert parsing.around_collect(lambda: None, manager, (), {}) is None
    (span,) = told.spans
    assert span.attributes[names.AIRFLOW_DAG_FILE_PATH] == "slow.py"
    assert span.attributes[names.AIRFLOW_DAG_FILE_API_CALLS] == 3
    assert span.error is not None
    assert told.values("airflow.dag_file.parse.duration") == {"slow.py": 300.0}
    assert not parsing._tallies


def test_a_file_that_is_gone_has_nothing_left(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gauges go to 0 within a minute: an import error that was removed with its file is no alarm any more."""
    monkeypatch.setattr(parsing, "_EVERY", 0.0)
    manager = Manager("broken.py", "other.py")
    parsing.around_collect(manager.kill, manager, (), {})
    assert told.values("airflow.dag_file.import_errors") == {"broken.py": 1}
    del manager._file_stats[manager.files.pop(0)]
    parsing.around_collect(manager.kill, manager, (), {})
    assert told.values("airflow.dag_file.import_errors") == {"broken.py": 0, "other.py": 1}


def test_files_are_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap they are counted together, and no span is told of each."""
    monkeypatch.setattr(dag_files, "MOST", 1)
    for path in ("first.py", "second.py", "third.py"):
        manager = Manager(path)
        parsing.around_collect(manager.kill, manager, (), {})
    assert told.values("airflow.dag_file.parse.duration").keys() == {"first.py", dag_files.OTHERS}
    assert len(told.spans) == 1


def test_the_same_again_is_no_news(told: Told) -> None:
    """Twice a minute the file is measured; its span is told once."""
    for _ in range(5):
        manager = Manager("same.py")
        parsing.around_collect(manager.kill, manager, (), {})
    assert len(told.spans) == 1
    assert sum(point.metric.name == "airflow.dag_file.parse.duration" for point in told.points) == 5


def test_airflow_2_sends_the_numbers_with_its_result() -> None:
    """The child's tuple is what Airflow made of it, and has what was asked for when it arrives in the parent."""

    def process_file() -> tuple[int, int, int]:
        statements.called("variable")
        assert statements._taken is not None
        statements._taken.ran("select 1")
        return 2, 0, 7

    sent = pickle.loads(pickle.dumps(parsing.around_file(process_file, None, (), {})))  # noqa: S301 - as multiprocessing
    dags, errors, queries = sent
    assert (dags, errors, queries) == sent == (2, 0, 7)
    assert (sent.tally.queries, sent.tally.calls) == (1, Counter(variable=1))
    assert statements._taken is None


def test_airflow_2_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is told relative to the DAGs folder; of one that is elsewhere, its name."""
    monkeypatch.setattr(compat, "TASK_SDK", False)
    manager = SimpleNamespace(get_dag_directory=lambda: "/dags")
    assert parsing.compat.file_key("/dags/team/etl.py", manager) == ("", "team/etl.py")
    assert parsing.compat.file_key("/plugins/etl.py", manager) == ("", "etl.py")
