"""Every difference between Airflow's versions, and the names of Airflow's that dagtrace leans on. Written for 3.3."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dagtrace.patch import Patch


if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SUPERVISOR = "airflow.sdk.execution_time.supervisor"
"""Imported by every process that forks tasks."""

TRIGGERER = "airflow.jobs.triggerer_job_runner"

CONTROL_FLOW = frozenset(
    {
        "TaskDeferred",
        "TaskAwaitingInput",
        "AirflowRescheduleException",
        "AirflowSkipException",
        "DagRunTriggerException",
        "DownstreamTasksSkipped",
    }
)
"""Exceptions by which a task says what comes next; none is an error. Looked up by name in the exception's MRO."""

FINAL_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a task instance that no longer change by themselves (``airflow.utils.state.State.finished``)."""

BETWEEN_POKES = "up_for_reschedule"
"""State of a sensor in reschedule mode that waits for its next poke, which will overwrite ``start_date``."""

RUNNING = "running"

RUN_FINAL_STATES = ("success", "failed")

TEST_TRIGGER = "test"
"""``dag_run.triggered_by`` of ``dag.test()``: its own process tells that run."""


def patches() -> list[Patch]:
    """Return the places to wrap."""
    from dagtrace.airflow import dag_test, execution, native, reader, supervisor, trigger

    return [
        Patch("airflow.sdk.execution_time.task_runner", "_run_execute_callable", execution.around_execute),
        Patch("airflow.jobs.scheduler_job_runner", "SchedulerJobRunner._run_scheduler_loop", reader.around_loop),
        Patch("airflow.sdk.definitions.dag", "DAG.test", dag_test.around_test),
        Patch(SUPERVISOR, "ActivitySubprocess.start", supervisor.around_fork),
        Patch(SUPERVISOR, "ActivitySubprocess.update_task_state_if_needed", supervisor.around_final_state),
        Patch(TRIGGERER, "TriggerRunnerSupervisor._create_workload", trigger.around_workload),
        Patch(TRIGGERER, "TriggerRunner.run_trigger", trigger.around_run),
        Patch("airflow._shared.observability.traces", "configure_otel", native.around_configure),
        Patch("airflow.sdk._shared.observability.traces", "configure_otel", native.around_configure),
        Patch("airflow.sdk.api.client", "TaskInstanceOperations.start", supervisor.around_started),
    ]


def task_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return (task instance, task) from the arguments of the wrapped execute function."""
    context: Any = kwargs.get("context", args[0] if args else None)
    task = kwargs.get("task", args[2] if len(args) > 2 else None)  # noqa: PLR2004 - (context, execute, task)
    return context["ti"], task


def run_start(ti: Any) -> datetime | None:
    """Return ``dag_run.start_date`` as the task process has it, in ``TIRunContext.dag_run`` from the API server."""
    context = getattr(ti, "_ti_context_from_server", None)
    return context.dag_run.start_date if context is not None else None


def mask_as_airflow(text: str) -> str:
    """Return ``text`` masked by Airflow's secrets masker, which knows the connections' passwords."""
    masker: Any = importlib.import_module("airflow.sdk._shared.secrets_masker")
    return str(masker.redact(text))


def bind_to_logs(**ids: str) -> Any:
    """Put ids on every line the task logs from here on: Airflow 3's processors merge structlog's context variables."""
    structlog: Any = importlib.import_module("structlog.contextvars")
    return structlog.bind_contextvars(**ids)


def unbind_from_logs(bound: Any) -> None:
    """Undo one ``bind_to_logs``."""
    structlog: Any = importlib.import_module("structlog.contextvars")
    structlog.reset_contextvars(**bound)


def engine() -> Any:
    """Return Airflow's own SQLAlchemy engine, or None before Airflow has one."""
    return getattr(importlib.import_module("airflow.settings"), "engine", None)


def ti_key(ti_id: str) -> Any:
    """Return a task instance's id as the database compares it."""
    return UUID(ti_id)


def tables() -> tuple[Any, ...]:
    """Return dag_run, task_instance, task_instance_history, task_reschedule, dag, dag_tag and dag_version."""
    models = (
        ("dagrun", "DagRun"),
        ("taskinstance", "TaskInstance"),
        ("taskinstancehistory", "TaskInstanceHistory"),
        ("taskreschedule", "TaskReschedule"),
        ("dag", "DagModel"),
        ("dag", "DagTag"),
        ("dag_version", "DagVersion"),
    )
    return tuple(getattr(importlib.import_module(f"airflow.models.{m}"), name).__table__ for m, name in models)
