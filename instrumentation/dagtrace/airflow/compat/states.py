"""States of runs and tries, and the events of the audit log by which they come, in Airflow's words."""

from __future__ import annotations

from dagtrace.airflow.compat import VERSION


FINAL_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a task instance that no longer change by themselves (``airflow.utils.state.State.finished``)."""

ACTIVE_STATES = (
    *("scheduled", "queued", "running", "restarting", "deferred", "awaiting_input"),
    *("up_for_retry", "up_for_reschedule"),
)
"""States of a task instance that the scheduler has taken up and that is not final."""

BETWEEN_POKES = "up_for_reschedule"
"""State of a sensor in reschedule mode that waits for its next poke, which will overwrite ``start_date``."""

RUNNING = "running"
DEFERRED = "deferred"
AWAITING_INPUT = "awaiting_input"
"""State of a task that waits for a person (3.3); it is resumed like a deferred one."""

WAITS = (RUNNING, DEFERRED, AWAITING_INPUT, BETWEEN_POKES)
"""
Events of the audit log that say from when on a started try worked or waited. 3.2 and later write all of them, 3.0 and
3.1 none; Airflow 2 the first: its pokes are in ``task_reschedule``, of its deferrals the database keeps no time.
"""

AT_WORK = (RUNNING, "restarting", DEFERRED, AWAITING_INPUT, BETWEEN_POKES)
"""States of a try that has started and not ended."""

LOGS_WAITS = VERSION >= (3, 2)

BEGINS_AGAIN = (RUNNING, "post_clear_task_instances", "clear_dag_run")
"""
Events of the audit log (``log.event``) by which a run that had ended may be at work again: a task began, or the REST
API, and with it the UI, cleared it. 3.0 and 3.1 do not write the first.
"""

FAILED_STATES = ("failed", "up_for_retry")
"""What a supervisor reports of a process that failed, by its exit code or by its word."""

RUN_FINAL_STATES = ("success", "failed")

TEST_TRIGGER = "test"
"""``dag_run.triggered_by`` of ``dag.test()``: its own process tells that run."""
