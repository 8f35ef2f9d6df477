"""Options: each variable does what the design says, and nonsense is one warning and the default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dagtrace.options import Options, options


if TYPE_CHECKING:
    from conftest import InPython


DEFAULTS: dict[str, tuple[str, Any]] = {
    "DAGTRACE_ENABLED": ("enabled", False),
    "DAGTRACE_HOME": ("home", Path.home() / ".dagtrace"),
    "DAGTRACE_FLUSH_TIMEOUT": ("flush_timeout", 2.0),
    "DAGTRACE_LOCAL_MAX_BYTES": ("local_max_bytes", 1024**3),
    "DAGTRACE_SPOOL_MAX_BYTES": ("spool_max_bytes", 256 * 1024**2),
    "DAGTRACE_INCLUDE": ("include", ()),
    "DAGTRACE_EXCLUDE": ("exclude", ()),
    "DAGTRACE_NATIVE": ("native", "replace"),
    "DAGTRACE_CAPTURE": ("capture", frozenset[str]()),
    "DAGTRACE_STARTED_AFTER": ("started_after", 60.0),
    "DAGTRACE_SPARK_DETAIL": ("spark_detail", "stage"),
    "DAGTRACE_SPARK_ATTACH": ("spark_attach", False),
    "DAGTRACE_SQL_COMMENT": ("sql_comment", False),
    "DAGTRACE_SPARK_EVENTLOG": ("spark_eventlog", ""),
    "DAGTRACE_TRACE_URL": ("trace_url", ""),
}
"""The table of the design's second chapter, written down a second time."""


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dagtrace"]


def test_the_variables_are_those_of_the_design() -> None:
    """A variable that appears or goes is a change of the contract."""
    assert sorted(Options.VARIABLES) == sorted(DEFAULTS)


@pytest.mark.parametrize("variable", DEFAULTS)
@pytest.mark.parametrize("text", [None, "", "  "])
def test_unset_or_blank_is_the_default(variable: str, text: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A variable that is unset, empty or blank means its default, without a word."""
    name, default = DEFAULTS[variable]
    environ = {} if text is None else {variable: text}
    assert getattr(Options.from_environ(environ), name) == default
    assert _warnings(caplog) == []


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("DAGTRACE_ENABLED", "true", True),
        ("DAGTRACE_ENABLED", " YES ", True),
        ("DAGTRACE_ENABLED", "on", True),
        ("DAGTRACE_ENABLED", "1", True),
        ("DAGTRACE_ENABLED", "Off", False),
        ("DAGTRACE_HOME", "/var/traces", Path("/var/traces")),
        ("DAGTRACE_HOME", "~/traces", Path.home() / "traces"),
        ("DAGTRACE_FLUSH_TIMEOUT", "0.5", 0.5),
        ("DAGTRACE_FLUSH_TIMEOUT", "0", 0.0),
        ("DAGTRACE_LOCAL_MAX_BYTES", "1000", 1000),
        ("DAGTRACE_LOCAL_MAX_BYTES", "1.5 KiB", 1536),
        ("DAGTRACE_LOCAL_MAX_BYTES", "2mb", 2_000_000),
        ("DAGTRACE_SPOOL_MAX_BYTES", "3GiB", 3 * 1024**3),
        ("DAGTRACE_INCLUDE", "etl_*, report", ("etl_*", "report")),
        ("DAGTRACE_EXCLUDE", ",a,,b ,", ("a", "b")),
        ("DAGTRACE_NATIVE", "Keep", "keep"),
        ("DAGTRACE_CAPTURE", "SQL, plan", frozenset({"sql", "plan"})),
        ("DAGTRACE_STARTED_AFTER", "0", 0.0),
        ("DAGTRACE_STARTED_AFTER", "Never", float("inf")),
        ("DAGTRACE_SPARK_DETAIL", "task", "task"),
        ("DAGTRACE_SPARK_ATTACH", "true", True),
        ("DAGTRACE_SPARK_EVENTLOG", "s3://logs/{app}", "s3://logs/{app}"),
        ("DAGTRACE_TRACE_URL", "http://jaeger/trace/{trace_id}", "http://jaeger/trace/{trace_id}"),
    ],
)
def test_a_good_value_is_taken(variable: str, text: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What people write (case, blanks, units) is understood, and changes that option alone."""
    name, _ = DEFAULTS[variable]
    read = Options.from_environ({variable: text})
    assert getattr(read, name) == value
    assert read == Options(**{name: value})
    assert _warnings(caplog) == []


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DAGTRACE_ENABLED", "maybe"),
        ("DAGTRACE_HOME", "a\0b"),
        ("DAGTRACE_FLUSH_TIMEOUT", "soon"),
        ("DAGTRACE_FLUSH_TIMEOUT", "-1"),
        ("DAGTRACE_FLUSH_TIMEOUT", "inf"),
        ("DAGTRACE_FLUSH_TIMEOUT", "nan"),
        ("DAGTRACE_LOCAL_MAX_BYTES", "lots"),
        ("DAGTRACE_LOCAL_MAX_BYTES", "-5"),
        ("DAGTRACE_LOCAL_MAX_BYTES", "5 parsec"),
        ("DAGTRACE_SPOOL_MAX_BYTES", "1,5 GiB"),
        ("DAGTRACE_NATIVE", "both"),
        ("DAGTRACE_CAPTURE", "sql,everything"),
        ("DAGTRACE_STARTED_AFTER", "inf"),
        ("DAGTRACE_SPARK_DETAIL", "atom"),
        ("DAGTRACE_SPARK_ATTACH", "2"),
        ("DAGTRACE_TRACE_URL", "http://jaeger/trace"),
        ("DAGTRACE_TRACE_URL", "javascript:alert('{trace_id}')"),
        ("DAGTRACE_HOME", "~no-such-user/x"),
        ("DAGTRACE_LOCAL_MAX_BYTES", "9" * 400),
    ],
)
def test_nonsense_is_one_warning_and_the_default(variable: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong value never raises: one line names the variable, the value and the default that holds."""
    _, default = DEFAULTS[variable]
    assert Options.from_environ({variable: text}) == Options()
    [warning] = _warnings(caplog)
    assert warning.startswith(f"{variable}={text!r} is ignored: ")
    assert warning.endswith(f"; using {default}")


def test_every_wrong_variable_is_named_on_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Three mistakes are three lines, and the good value beside them still counts."""
    environ = {
        "DAGTRACE_NATIVE": "x",
        "DAGTRACE_SPARK_DETAIL": "y",
        "DAGTRACE_FLUSH_TIMEOUT": "z",
        "DAGTRACE_INCLUDE": "a",
    }
    assert Options.from_environ(environ) == Options(include=("a",))
    assert sorted(warning.partition("=")[0] for warning in _warnings(caplog)) == [
        "DAGTRACE_FLUSH_TIMEOUT",
        "DAGTRACE_NATIVE",
        "DAGTRACE_SPARK_DETAIL",
    ]


@given(st.sampled_from(Options.VARIABLES), st.text())
@example("DAGTRACE_LOCAL_MAX_BYTES", "9" * 400)
@example("DAGTRACE_HOME", "~\udc80")
def test_no_text_whatever_raises(variable: str, text: str) -> None:
    """A variable's value comes from outside: any text gives options of the right types."""
    name, default = DEFAULTS[variable]
    assert type(getattr(Options.from_environ({variable: text}), name)) is type(default)


def test_a_warning_does_not_tell_a_password(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong URL is named without the secret in it."""
    Options.from_environ({"DAGTRACE_TRACE_URL": "http://ann:hunter2@jaeger/trace"})
    [warning] = _warnings(caplog)
    assert "http://ann:***@jaeger/trace" in warning


def test_a_user_without_a_home_can_import_us(in_python: InPython) -> None:
    """Containers run under any user id: without HOME and without an entry in passwd the working folder has to do."""
    code = """
import os
os.environ.pop("HOME", None)
import pwd
def unknown(_): raise KeyError
pwd.getpwuid = unknown
from dagtrace.options import Options
print(Options.from_environ({}).home)
"""
    assert in_python(code).stdout == ".dagtrace\n"


@pytest.mark.parametrize(
    ("include", "exclude", "dag_id", "traced"),
    [
        ("", "", "anything", True),
        ("etl_*", "", "etl_flights", True),
        ("etl_*", "", "report", False),
        ("etl_*,report", "", "report", True),
        ("", "tmp_*", "tmp_x", False),
        ("", "tmp_*", "etl", True),
        ("etl_*", "*_tmp", "etl_tmp", False),
        ("ETL_*", "", "etl_flights", False),
        ("etl_?", "", "etl_10", False),
        ("etl_[ab]", "", "etl_b", True),
    ],
)
def test_include_and_exclude_are_globs(include: str, exclude: str, dag_id: str, traced: bool) -> None:  # noqa: FBT001
    """Nothing named means all; an excluded DAG stays out even where it is included; case counts."""
    read = Options.from_environ({"DAGTRACE_INCLUDE": include, "DAGTRACE_EXCLUDE": exclude})
    assert read.traces(dag_id) is traced


@pytest.mark.usefixtures("fresh")
def test_the_process_reads_its_options_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong variable is one warning per process, however often the options are asked for."""
    monkeypatch.setenv("DAGTRACE_NATIVE", "nonsense")
    assert options() is options()
    assert options().native == "replace"
    assert len(_warnings(caplog)) == 1
