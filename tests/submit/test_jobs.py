"""The spans of remote jobs: what an execution saw of them, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator

from dagtrace.submit.jobs import Fact, note


if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagtrace.record import SpanRecord
    from submit.conftest import Task


def see(task: Task, *facts: Fact) -> Sequence[SpanRecord]:
    """Let a task learn these facts, one after the other, and return its jobs."""

    def work() -> None:
        for fact in facts:
            note(fact)

    task.run(PythonOperator(task_id="t", python_callable=work))
    return task.jobs


def test_a_job_has_its_changes_as_events(task: Task) -> None:
    """An answer that says nothing new is no event, but the span lasts until the last one; the last state stays."""
    facts = [Fact("livy", 7, "https://livy/7"), *(Fact("livy", 7, state=s) for s in ("starting", "running", "running"))]
    (job,) = see(task, *facts)
    assert [event.attributes.get("remote_job.state") for event in job.events] == [None, "starting", "running"]
    assert job.events[-1].time_ns < job.end_ns <= task.span.end_ns
    assert job.attributes == {
        "remote_job.system": "livy",
        "remote_job.id": "7",
        "remote_job.url": "https://livy/7",
        "remote_job.state": "running",
    }


@pytest.mark.parametrize(
    ("state", "error"),
    [("FAILED", "emr says FAILED"), ("dead", "emr says dead"), ("CANCELLED", None), ("COMPLETED", None), (None, None)],
)
def test_a_job_that_failed_is_an_error(task: Task, state: Any, error: str | None) -> None:
    """By the words of the system it ran in; one that somebody cancelled did not fail."""
    (job,) = see(task, Fact("emr", "s-1"), Fact("emr", "s-1", state=state))
    assert job.error == error
    assert job.attributes.get("error.type") == (state if error else None)
    assert task.span.error is None


def test_each_job_of_a_task_has_its_span(task: Task) -> None:
    """Jobs side by side keep their states apart; what names no job is about the last one of its system."""
    jobs = see(
        task,
        *(Fact("emr", "s-1"), Fact("emr", "s-2"), Fact("glue", "g"), Fact("emr", "s-1", state="FAILED")),
        *(Fact("emr", "s-2", state="COMPLETED"), Fact("glue", url="https://glue/g")),
    )
    assert [(job.name, job.attributes["remote_job.id"], job.attributes.get("remote_job.state")) for job in jobs] == [
        ("remote_job emr", "s-1", "FAILED"),
        ("remote_job emr", "s-2", "COMPLETED"),
        ("remote_job glue", "g", None),
    ]
    assert jobs[2].attributes["remote_job.url"] == "https://glue/g"
    assert len({job.span_id for job in jobs}) == 3
    assert {job.parent_id for job in jobs} == {task.span.span_id}


def test_a_secret_in_a_page_is_masked(task: Task) -> None:
    """An address may have a key in it."""
    (job,) = see(task, Fact("acme", 1, "https://acme/1?api_key=hunter2"))
    assert "hunter2" not in str(job)


def test_jobs_without_number_are_bounded(task: Task) -> None:
    """A task that starts thousands has 128 spans, and its own says which was the last."""
    jobs = see(task, *(Fact("acme", number) for number in range(1_000)))
    assert len(jobs) == 128
    assert task.span.attributes["remote_job.id"] == "999"
