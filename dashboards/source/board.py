"""A board: its variables, its rows of panels, its links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.models import dashboard as model

from source.panels import PROMETHEUS, builders


if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Variable:
    """One of a board's choices: the values of a label."""

    name: str
    label: str
    metric: str
    title: str
    several: bool = True
    hidden: bool = False


ENVIRONMENT = Variable("environment", "deployment_environment_name", "airflow_dag_info", "Environment")
JOB = Variable("job", "job", 'airflow_dag_info{deployment_environment_name=~"$environment"}', "Airflow")
SERVICE = Variable(
    "service", "service_name", 'airflow_dag_info{job=~"$job"}', "Service in Jaeger", several=False, hidden=True
)
AIRFLOW = (ENVIRONMENT, JOB, SERVICE)
DAG = Variable(
    "dag",
    "airflow_dag_id",
    'airflow_dag_info{deployment_environment_name=~"$environment",job=~"$job"}',
    "DAG",
    several=False,
)
TASK = Variable(
    "task",
    "airflow_task_id",
    'airflow_task_instance_count_total{deployment_environment_name=~"$environment",job=~"$job",airflow_dag_id="$dag"}',
    "Task",
    several=False,
)


@dataclass
class Board:
    """What is made into one file; ``rows`` are a title and panels each."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    since: str = "now-24h"
    rows: list[tuple[str, Sequence[Any]]] = field(default_factory=list[tuple[str, "Sequence[Any]"]])

    def row(self, title: str, *panels: Any) -> None:
        """Add a row; an empty title is a row without a heading."""
        self.rows.append((title, panels))

    def build(self) -> model.Dashboard:
        """Return it as Grafana's classic model, schema 42."""
        made = (
            builders.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags(["dagtrace"])
            .editable()
            .refresh("1m")
            .time(self.since, "now")
            .timezone("browser")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .link(
                builders.DashboardLink("dagtrace")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags(["dagtrace"])
                .as_dropdown(as_dropdown=True)
                .include_vars(include_vars=True)
                .keep_time(keep_time=True)
            )
        )
        for variable in self.variables:
            made.with_variable(_variable(variable))
        for title, panels in self.rows:
            if title:
                made.with_row(builders.Row(title))
            for panel in panels:
                made.with_panel(panel)
        board = made.build()
        board.schema_version = SCHEMA
        for number, panel in enumerate(board.panels or [], start=1):
            panel.id_val = number
        for link in board.links or []:
            link.placement = ""  # beside the variables; the SDK's default puts it into a menu
        return board


SCHEMA = 42
"""Of Grafana 10 to 13; a v2 specification cannot be provisioned as a file by them all."""


def _variable(variable: Variable) -> Any:
    made = (
        builders.QueryVariable(variable.name)
        .label(variable.title)
        .datasource(PROMETHEUS)
        .query({"query": f"label_values({variable.metric}, {variable.label})", "refId": variable.name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(variable.several)
        .include_all(variable.several)
    )
    if variable.several:
        every = model.VariableOption(text="All", value="$__all", selected=True)
        made.all_value(".*").current(every)
    if variable.hidden:
        made.hide(model.VariableHide.HIDE_VARIABLE)
    return made
