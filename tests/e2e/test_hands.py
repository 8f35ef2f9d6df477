"""Whatever people and machines do to a task or a run from outside, the trace says what the database says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from support.audit import audit
from support.cells import AIRFLOW
from support.hands import MARKED, RUN


if TYPE_CHECKING:
    from dagtrace.cli.traces import Node
    from support.runs import Ran

pytestmark = pytest.mark.real


def tries(ran: Ran, task_id: str, dag_id: str = "hands", run_id: str = RUN) -> list[Node]:
    """Return the tries of a task by number."""
    (root,) = ran.trace(dag_id, run_id).roots
    found = [node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id]
    return sorted(found, key=lambda node: str(node.span.attributes[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER]))


def state(node: Node) -> Any:
    """Return the state of a try."""
    return node.span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE]


def test_all_of_it_is_as_the_database_has_it(fates: Ran) -> None:
    """Every run and every try that hands were laid on is told once, field by field and in sum; so is all else."""
    found = audit(fates, "hands", "stopped", "timed_out", marked=MARKED)
    assert (found.runs, found.traces) == (4, 4)
    assert found.tries > 20
    assert audit(fates, marked=MARKED).runs == 8


@pytest.mark.parametrize("wanted", ["success", "failed"])
def test_a_task_marked_while_it_runs(fates: Ran, wanted: str) -> None:
    """Its try has the state somebody chose; its process was cancelled, which is no error, and outlived the try."""
    (task,) = tries(fates, f"marked_{wanted}")
    (execute,) = task.children
    assert state(task) == wanted
    assert execute.span.error is None
    assert names.ERROR_TYPE not in execute.span.attributes
    assert execute.span.attributes[names.PROCESS_EXIT_SIGNAL] in ("SIGTERM", "SIGKILL")
    assert execute.span.attributes[names.DAGTRACE_ASYNC] is True
    assert execute.span.end_ns > task.span.end_ns


def test_a_task_marked_after_its_end(fates: Ran) -> None:
    """A trace keeps saying how a try ended; what was upstream_failed because of it is told, and its run after that."""
    (task,) = tries(fates, "marked_late")
    assert state(task) == "failed"
    first, *again = [state(node) for node in tries(fates, "after_marked_late")]
    assert first == "upstream_failed"
    (row,) = fates.query("select state from task_instance where task_id = 'after_marked_late'")
    assert again == (["success"] if row["state"] == "success" else [])  # see `Hands`; on 3.0 and 3.1 both were seen


def test_a_task_cleared_while_the_run_goes_on(fates: Ran) -> None:
    """Both tries are in the run's one trace, the second linked to the first."""
    first, second = tries(fates, "cleared")
    assert (state(first), state(second)) == ("success", "success")
    assert [link.span_id for link in second.span.links] == [first.span.span_id]


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow itself loses that it was cleared (see dags/hands.py)")
def test_a_task_cleared_while_it_runs(fates: Ran) -> None:
    """The history says that the first try failed, when it was cleared; its process was cancelled and told."""
    first, second = tries(fates, "restarted")
    assert (state(first), state(second)) == ("failed", "success")
    assert first.children[0].span.error is None
    assert first.children[0].span.attributes[names.DAGTRACE_ASYNC] is True
    assert [link.span_id for link in second.span.links] == [first.span.span_id]


def test_a_task_cleared_before_it_began(fates: Ran) -> None:
    """Airflow writes a failed try that never started into the history: it is told as it stands there."""
    cleared, real = tries(fates, "ends")
    assert (state(cleared), cleared.children) == ("failed", [])
    assert (state(real), len(real.children)) == ("success", 1)


def test_a_process_killed_by_another(fates: Ran) -> None:
    """A SIGKILL out of nowhere, as the kernel's when memory is short, is the error of the execution."""
    (task,) = tries(fates, "is_killed_by_another")
    (execute,) = task.children
    assert state(task) == "failed"
    assert execute.span.attributes[names.ERROR_TYPE] == "SIGKILL"
    assert execute.span.attributes.get(names.DAGTRACE_ASYNC) is None


@pytest.mark.skipif(AIRFLOW < (3,), reason="Airflow 2's process and scheduler overwrite each other's end")
def test_a_task_whose_supervisor_was_killed(fates: Ran) -> None:
    """The scheduler gives the try up; its process went on, told its own execution, and says that it outlived it."""
    (task,) = tries(fates, "outlives")
    (execute,) = task.children
    assert state(task) == "failed"
    assert execute.span.error is None
    assert names.PROCESS_EXIT_SIGNAL not in execute.span.attributes
    assert execute.span.attributes[names.DAGTRACE_ASYNC] is True
    assert execute.span.end_ns > task.span.end_ns


def test_a_task_removed_from_its_dag(fates: Ran) -> None:
    """A task that was removed while its run went on is told, without an execution, at the run's end."""
    (task,) = tries(fates, "goes")
    assert (state(task), task.children, task.span.error) == ("removed", [], None)


def test_a_worker_without_dagtrace(fates: Ran) -> None:
    """In a process like a Kubernetes pod's, where it is traced, the execution is told; where it is not, the try is."""
    (traced,), (untraced,) = tries(fates, "in_pod"), tries(fates, "in_untraced_pod")
    assert (state(traced), [child.span.name for child in traced.children]) == (
        "success",
        ["execute _PythonDecoratedOperator"],
    )
    assert (state(untraced), untraced.children) == ("success", [])


@pytest.mark.parametrize("wanted", ["success", "failed"])
def test_a_run_marked_while_its_tasks_run(fates: Ran, wanted: str) -> None:
    """Its running task has the run's state, what had not begun was settled with it; the process was cancelled."""
    (root,) = fates.trace("stopped", wanted).roots
    (running,) = tries(fates, "sleeps_on", "stopped", wanted)
    (pending,) = tries(fates, "never_begins", "stopped", wanted)
    assert (root.span.error is not None) == (wanted == "failed")
    skipped = AIRFLOW >= (3, 3) or wanted == "failed"
    assert (state(running), state(pending)) == (wanted, "skipped" if skipped else wanted)
    (execute,) = running.children
    assert (execute.span.error, execute.span.attributes[names.DAGTRACE_ASYNC]) == (None, True)


def test_a_run_that_took_too_long(fates: Ran) -> None:
    """``dagrun_timeout``: the run failed, its tasks were skipped, the running one until then; its process was told."""
    (root,) = fates.trace("timed_out", "late").roots
    (running,) = tries(fates, "sleeps_on", "timed_out", "late")
    pending = tries(fates, "never_begins", "timed_out", "late")
    assert root.span.error is not None
    assert state(running) == "skipped"
    assert [state(node) for node in pending] == (["skipped"] if AIRFLOW >= (3, 2) else [])  # others leave it without
    assert running.span.error is None
    assert running.span.end_ns == root.span.end_ns
    (execute,) = running.children
    assert execute.span.attributes[names.DAGTRACE_ASYNC] is True


def test_a_run_marked_and_cleared_while_no_scheduler_looked(fates: Ran) -> None:
    """Nobody saw the end of the first generation: its tries are told all the same, its root without a state."""
    old, new = (
        trace for trace in fates.read() if trace.roots[0].span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] == "blinked"
    )
    assert names.AIRFLOW_DAG_RUN_STATE not in old.roots[0].span.attributes
    assert new.roots[0].span.attributes[names.AIRFLOW_DAG_RUN_STATE] == "success"
    assert [link.trace_id for link in new.roots[0].span.links] == [old.trace_id]
    told = [[node.span.attributes[names.AIRFLOW_TASK_ID] for node in t.roots[0].children] for t in (old, new)]
    assert [sorted(map(str, ids)) for ids in told] == [["last", "quick", "quick", "quick", "sleeps"]] * 2
