"""
An executor like Kubernetes': each task in a process of its own, which is told what to do on its command line.

Tasks of the queue ``untraced`` run as on a worker where dagtrace is not switched on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.utils.state import TaskInstanceState

from airflow import __version__ as airflow_version


class Pods(BaseExecutor):
    """Starts what KubernetesExecutor's pods start, without Kubernetes."""

    serve_logs = True

    def start(self) -> None:
        """Nothing runs yet."""
        self._pods: dict[Any, subprocess.Popen[bytes]] = {}

    if airflow_version.startswith(("3.0.", "3.1.")):  # which take an executor without it for one of Airflow 2

        def queue_workload(self, workload: Any, session: Any) -> None:
            """Take a task."""
            self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, workload_items: Any) -> None:
        module = "airflow.sdk.execution_time.execute_workload"
        for workload in workload_items:
            key = workload.ti.key
            self.queued_tasks.pop(key, None)
            self.running.add(key)
            command = [sys.executable, "-m", module, "--json-string", workload.model_dump_json()]
            self._begin(key, command, workload.ti.queue)

    def execute_async(self, key: Any, command: Any, queue: str | None = None, executor_config: Any = None) -> None:
        """Start a task of Airflow 2: its command is ``airflow tasks run --local …``."""
        self._begin(key, command, queue)

    def _begin(self, key: Any, command: list[str], queue: str | None) -> None:
        env = dict(os.environ)
        if queue == "untraced":
            del env["DAGTRACE_ENABLED"]
        self._pods[key] = subprocess.Popen(command, env=env)

    def sync(self) -> None:
        """Report the processes that have ended."""
        for key, pod in list(self._pods.items()):
            if pod.poll() is not None:
                del self._pods[key]
                self.change_state(  # pyright: ignore[reportUnknownMemberType]
                    key, TaskInstanceState.FAILED if pod.returncode else TaskInstanceState.SUCCESS
                )

    def end(self) -> None:
        """Wait for what still runs."""
        for pod in self._pods.values():
            pod.wait()
        self.sync()

    def terminate(self) -> None:
        """Kill what still runs."""
        for pod in self._pods.values():
            pod.kill()
