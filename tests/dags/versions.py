"""What DAGs import, under one name for every Airflow under test: the tests' DAGs run on all of them."""

from __future__ import annotations

from datetime import timedelta

from airflow import __version__ as airflow_version


try:  # Airflow 3
    from airflow.sdk import (
        DAG,
        Asset,
        AssetAlias,
        BaseOperator,
        BaseSensorOperator,
        Param,
        PokeReturnValue,
        dag,
        setup,
        task,
        task_group,
        teardown,
    )
except ImportError:
    from airflow.datasets import Dataset as Asset
    from airflow.datasets import DatasetAlias as AssetAlias
    from airflow.decorators import dag, setup, task, task_group, teardown
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.param import Param
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue

    from airflow import DAG

try:  # Airflow 3.1
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:
    from airflow.exceptions import AirflowFailException, AirflowSkipException

AIRFLOW = tuple(int(part) for part in airflow_version.split(".")[:2])

if AIRFLOW >= (2, 11):
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
    from airflow.providers.standard.sensors.time_delta import TimeDeltaSensorAsync
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
else:  # the provider of its days imports what only Airflow 3 has
    from airflow.operators.bash import BashOperator
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.trigger_dagrun import TriggerDagRunOperator
    from airflow.sensors.date_time import DateTimeSensorAsync
    from airflow.sensors.time_delta import TimeDeltaSensorAsync
    from airflow.triggers.temporal import TimeDeltaTrigger

AFTER_A_KILL = timedelta(seconds=0 if AIRFLOW >= (3, 0) else 45)
"""Airflow 2 finds a killed task in two ways, and the slower one fails whatever try there is by then."""


__all__ = [
    "AFTER_A_KILL",
    "AIRFLOW",
    "DAG",
    "AirflowFailException",
    "AirflowSkipException",
    "Asset",
    "AssetAlias",
    "BaseOperator",
    "BaseSensorOperator",
    "BashOperator",
    "DateTimeSensorAsync",
    "EmptyOperator",
    "Param",
    "PokeReturnValue",
    "TimeDeltaSensorAsync",
    "TimeDeltaTrigger",
    "TriggerDagRunOperator",
    "dag",
    "setup",
    "task",
    "task_group",
    "teardown",
]
