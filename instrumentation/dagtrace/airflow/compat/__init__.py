"""
Every difference between Airflow's versions, and the names of Airflow's that dagtrace leans on: 2.10 to 3.3.

Airflow 2 runs a task in two processes: ``airflow tasks run --local`` (LocalTaskJob, the supervisor) forks
``airflow tasks run --raw`` (the task). Both have the database, and both end in ``os._exit``, which runs no exit
handlers. Airflow 3 forks the task from the executor's own process, gives it no database, and runs the exit handlers
that were registered in it.
"""

from __future__ import annotations

import importlib
import logging
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dagtrace.patch import Patch


if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def _version() -> tuple[int, int]:
    text: str = getattr(sys.modules.get("airflow"), "__version__", None) or version("apache-airflow")
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


VERSION = _version()
"""Airflow's, as ``(3, 3)``."""

TASK_SDK = VERSION >= (3, 0)
"""Tasks run under the Task SDK's supervisor, without the database."""

SUPERVISOR = "airflow.sdk.execution_time.supervisor" if TASK_SDK else "airflow.executors.local_executor"
"""Imported by every process that forks tasks."""

_MASKER = (
    "airflow.sdk._shared.secrets_masker"
    if VERSION >= (3, 1)
    else "airflow.sdk.execution_time.secrets_masker"
    if TASK_SDK
    else "airflow.utils.log.secrets_masker"
)

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

TRIGGERS_DAG_RUN = "DagRunTriggerException"
"""By this one an operator has Airflow trigger a run, and wait for it, in the same process after its ``execute``."""

TERMINATED = "AirflowTaskTerminated"
"""What a task process of Airflow 2 raises where its supervisor asks it to end."""


def patches() -> list[Patch]:
    """Return the places to wrap."""
    from dagtrace.airflow import scheduler, trigger
    from dagtrace.airflow.compat import parsing

    return [
        Patch("airflow.jobs.scheduler_job_runner", "SchedulerJobRunner._run_scheduler_loop", scheduler.around_loop),
        Patch("airflow.models.trigger", "Trigger.bulk_fetch", trigger.around_fetch),
        Patch("airflow.jobs.triggerer_job_runner", "TriggerRunner.run_trigger", trigger.around_run),
        *(_sdk_patches() if TASK_SDK else _airflow_2_patches()),
        *_native_patches(),
        *parsing.patches(),
    ]


def _sdk_patches() -> list[Patch]:
    from dagtrace.airflow import dag_test, execution, pulls, resumable, runtimes, supervisor, trigger

    execute = "_run_execute_callable" if VERSION >= (3, 3) else "_execute_task"
    xcoms = "airflow.sdk.bases.xcom"
    found = [
        Patch("airflow.sdk.execution_time.task_runner", "run", execution.around_task),
        Patch(xcoms, "BaseXCom.get_one", pulls.around_one),
        Patch(xcoms, "BaseXCom.get_all", pulls.around_all),
        Patch("airflow.sdk.execution_time.lazy_sequence", "LazyXComSequence.__getitem__", pulls.around_item),
        Patch("airflow.sdk.execution_time.task_runner", execute, execution.around_execute),
        Patch("airflow.sdk.execution_time.task_runner", "_handle_trigger_dag_run", execution.around_trigger_dag_run),
        Patch("airflow.sdk.definitions.dag", "DAG.test", dag_test.around_test),
        Patch("airflow.sdk.definitions.dag", "_run_inline_trigger", trigger.around_inline),
        Patch(SUPERVISOR, "ActivitySubprocess.start", supervisor.around_fork),
        Patch(SUPERVISOR, "ActivitySubprocess.update_task_state_if_needed", supervisor.around_final_state),
        Patch("airflow.sdk.api.client", "TaskInstanceOperations.start", supervisor.around_started),
        Patch("airflow.sdk.api.client", "TaskInstanceOperations.heartbeat", supervisor.around_heartbeat),
    ]
    if VERSION >= (3, 3):
        resumes = "airflow.sdk.bases.resumablejobmixin"
        found += [
            Patch(SUPERVISOR, "ActivitySubprocess._on_child_started", runtimes.around_told),
            Patch(SUPERVISOR, "ActivitySubprocess._send_terminal_state_msg", runtimes.around_report),
            Patch(xcoms, "BaseXCom.aget_one", pulls.around_one_async),
            Patch(xcoms, "BaseXCom.aget_all", pulls.around_all_async),
            Patch(resumes, "tracer.start_as_current_span", resumable.around_decision),
        ]
    return found


def _airflow_2_patches() -> list[Patch]:
    from dagtrace.airflow import dag_test, execution, local_task_job, pulls, trigger

    runner = "airflow.task.task_runner.standard_task_runner"
    return [
        Patch("airflow.models.taskinstance", "_run_raw_task", execution.around_task),
        Patch("airflow.models.taskinstance", "_execute_task", execution.around_execute),
        Patch("airflow.models.taskinstance", "TaskInstance.xcom_pull", pulls.around_pull),
        Patch("airflow.cli.commands.task_command", "_run_raw_task", execution.around_process),
        Patch("airflow.models.dag", "DAG.test", dag_test.around_test),
        Patch("airflow.models.dag", "_run_inline_trigger", trigger.around_inline),
        Patch(runner, "StandardTaskRunner.start", local_task_job.around_start),
        Patch(runner, "StandardTaskRunner.terminate", local_task_job.around_terminate),
        Patch("airflow.jobs.local_task_job_runner", "LocalTaskJobRunner._execute", local_task_job.around_job),
    ]


def _native_patches() -> list[Patch]:
    """Return where Airflow sets its own tracing up: a global provider since 3.2, tracers of its own before."""
    from dagtrace.airflow import native

    if VERSION >= (3, 2):
        return [
            Patch(_NATIVE, "configure_otel", native.around_configure),
            Patch("airflow.sdk._shared.observability.traces", "configure_otel", native.around_configure),
            Patch("airflow.models.dagrun", "DagRun._emit_dagrun_span", native.around_run_span),
            Patch("airflow.sdk.definitions.dag", "_run_task", native.around_test_task),
        ]
    return [Patch("airflow.traces.otel_tracer", "get_otel_tracer", native.around_tracer)]


_NATIVE = "airflow._shared.observability.traces"
"""Airflow's own tracing since 3.2; what there was before makes its own providers and its ids are in no column."""


def traces_itself() -> bool:
    """Return whether Airflow's own tracing is switched on, of the kind whose spans others can hang below."""
    conf = importlib.import_module("airflow.configuration").conf
    return _NATIVE in sys.modules and bool(conf.getboolean("traces", "otel_on", fallback=False))


def id_generator() -> Any:
    """Return a generator of ids that lets Airflow choose those of its own spans."""
    return importlib.import_module(_NATIVE).OverrideableRandomIdGenerator()


def tell_native_run(dag_id: str, run_id: str) -> None:
    """Let Airflow tell its own span of a run that has ended."""
    run_type = importlib.import_module("airflow.models.dagrun").DagRun
    with importlib.import_module("airflow.utils.session").create_session() as session:
        run = session.query(run_type).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
        if run is not None:
            run_type._emit_dagrun_span.__wrapped__(run, state=run.state)


def no_tracer() -> Any:
    """Return what Airflow before 3.2 uses where its tracing is off."""
    tracer: Any = importlib.import_module("airflow.traces.tracer")
    return tracer.EmptyTrace()


def task_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """
    Return (task instance, task) from the arguments of the wrapped execute function.

    Those are (task_instance, context, …) in 2.x, (context, ti, log) in 3.0 to 3.2, (context, execute, task) in 3.3.
    """
    if not TASK_SDK:
        ti: Any = kwargs.get("task_instance", args[0] if args else None)
        return ti, ti.task
    context: Any = kwargs.get("context", args[0] if args else None)
    return context["ti"], context["ti"].task


def is_lazy(values: Any) -> bool:
    """Return whether pulled XComs (2.x) are a query that is asked when they are iterated over."""
    return type(values).__name__.startswith("Lazy")


def what_failed(ti: Any, error: BaseException | None, result: Any) -> BaseException | None:
    """
    Return what failed a task, from what Airflow's run of it raised or returned.

    3.x returns (state, message, error). 2.x raises; also where it raises after the task's success is committed, because
    of a listener or of SIGTERM.
    """
    if not TASK_SDK:
        return None if ti.state in ("success", "skipped") else error
    return error if error is not None or result is None else result[2]


def start_and_conf(ti: Any) -> tuple[datetime | None, Any]:
    """
    Return ``dag_run.start_date`` and ``.conf`` as the task process has them.

    In 3.x from the API server's ``TIRunContext``; in 2.x from the run's own row.
    """
    if not TASK_SDK:
        # Over the session of the task instance: one that `get_dagrun` opened would be the same one, and be committed.
        session = importlib.import_module("sqlalchemy.orm").object_session(ti)
        run = ti.get_dagrun() if session is None else ti.get_dagrun(session=session)
        return run.start_date, run.conf
    context = getattr(ti, "_ti_context_from_server", None)
    return (context.dag_run.start_date, context.dag_run.conf) if context is not None else (None, None)


def started_at(ti: Any) -> datetime | None:
    """Return when the process at work on a try started, by Airflow; None of one that resumes after a deferral."""
    context = getattr(ti, "_ti_context_from_server", None) if TASK_SDK else ti
    return None if getattr(context, "next_method", None) else getattr(ti, "start_date", None)


def mask_as_airflow(text: str) -> str:
    """Return ``text`` masked by Airflow's secrets masker, which knows the connections' passwords."""
    masker: Any = importlib.import_module(_MASKER)
    return str(masker.redact(text))


def coordinator_of(queue: str) -> str | None:
    """Return the class of the coordinator that runs a queue's tasks in another runtime (3.3), None for Python's own."""
    manager: Any = importlib.import_module("airflow.sdk.execution_time.coordinator").get_coordinator_manager()
    return type(manager.for_queue(queue)).__name__


def bind_to_logs(**ids: str) -> Any:
    """
    Put ids on every line the task logs from here on.

    Airflow 3's processors merge structlog's context variables. Airflow 2 logs by ``logging``: every record gets the
    ids as attributes, for a format or a JSON formatter that names them, and the log itself says them once.
    """
    if not TASK_SDK:
        return _bind_records(ids)
    structlog: Any = importlib.import_module("structlog.contextvars")
    return structlog.bind_contextvars(**ids)


def unbind_from_logs(bound: Any) -> None:
    """Undo one ``bind_to_logs``."""
    if not TASK_SDK:
        logging.setLogRecordFactory(bound)
        return
    structlog: Any = importlib.import_module("structlog.contextvars")
    structlog.reset_contextvars(**bound)


def _bind_records(ids: Mapping[str, str]) -> Any:
    make = logging.getLogRecordFactory()

    def with_ids(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.__dict__.update(ids)
        return record

    logging.setLogRecordFactory(with_ids)
    logging.getLogger("airflow.task").info(" ".join(f"{name}={value}" for name, value in ids.items()))
    return make


_CARRIED = "dagtrace"


def give_traceparent(ti: Any, traceparent: str) -> None:
    """
    Leave a traceparent with a task instance that the triggerer loaded.

    In 3.x in its ``context_carrier``, which goes to the child process that runs triggers, under a key Airflow does not
    read; as a value that SQLAlchemy takes for the committed one, so that it is never written back.
    """
    if not TASK_SDK:
        ti._dagtrace = traceparent
        return
    attributes: Any = importlib.import_module("sqlalchemy.orm.attributes")
    attributes.set_committed_value(ti, "context_carrier", {**(ti.context_carrier or {}), _CARRIED: traceparent})


def given_traceparent(ti: Any) -> str | None:
    """Return the traceparent that was left with a task instance."""
    if not TASK_SDK:
        return getattr(ti, "_dagtrace", None)
    carrier: dict[str, str] = getattr(ti, "context_carrier", None) or {}
    return carrier.get(_CARRIED)


def trigger_timeout(trigger: Any) -> datetime | None:
    """Return when a trigger is cancelled because its time is up; 2.x keeps that with the task instance."""
    return getattr(trigger, "timeout_after", None) or getattr(trigger.task_instance, "trigger_timeout", None)
