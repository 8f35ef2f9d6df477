"""Tasks that start processes; each process leaves in STARTED_HOME what it was told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from versions import dag, task


try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator


HOME = os.environ.get("STARTED_HOME", "/nowhere")
LEAVE = 'echo "$TRACEPARENT" > "{home}/{name}"'
PROGRAM = """
from opentelemetry import trace
with trace.get_tracer("theirs").start_as_current_span("program"):
    pass
"""


@task
def python_subprocess():
    subprocess.run(["sh", "-c", LEAVE.format(home=HOME, name="python_subprocess")], check=True)


@task
def program():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@task.external_python(python=str(Path(sys.base_prefix) / "bin" / "python3"), expect_airflow=False)
def external_python(home):
    import os
    from pathlib import Path

    Path(home, "external_python").write_text(os.environ["TRACEPARENT"])


@dag(dag_id="started", schedule=None)
def started():
    BashOperator(task_id="bash", bash_command=LEAVE.format(home=HOME, name="bash"))
    own = {"PATH": "/bin:/usr/bin"}
    BashOperator(task_id="bash_env", bash_command=LEAVE.format(home=HOME, name="bash_env"), env=own)
    python_subprocess()
    program()
    external_python(HOME)


started()
