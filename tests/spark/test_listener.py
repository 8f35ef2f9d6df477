"""The listener's own classes, asked without a SparkContext by ``Checks.java``: bounds, wrong settings, odd machines."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dagtrace.options import Options
from dagtrace.spark.attachment import JAR
from support.cluster import spark_home
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.real

LOG = """
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = LOG=%p %c: %m%n
"""


@pytest.fixture(scope="module")
def sink() -> Sink:
    """Return a collector that one request after the other goes to."""
    return Sink()


@pytest.fixture(scope="module")
def said(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Return what the checks said under a name, in their order."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "log4j2.properties").write_text(LOG)
    classes = f"{JAR}:{spark_home() / 'jars' / '*'}"
    source = Path(__file__).parent / "Checks.java"
    compiled = ["javac", "-nowarn", "-Xlint:none", "-encoding", "UTF-8", "-cp", classes, "-d", str(folder), str(source)]
    subprocess.run(compiled, check=True)
    (folder / "io/dagtrace/spark/Checks$Missing.class").unlink()
    done = subprocess.run(
        [
            "java",
            f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
            "-Dfile.encoding=UTF-8",
            *("-cp", f"{folder}:{classes}", "io.dagtrace.spark.Checks", sink.url),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    pairs = [line.partition("=") for line in done.stdout.splitlines()]
    return lambda name: [value for key, _, value in pairs if key == name]


def test_waiting_spans_are_bounded_by_bytes(said: Callable[[str], list[str]]) -> None:
    """16 MiB of heap, however long a span is and whatever it is written in; the oldest go, are counted and measured."""
    kept = [int(text.split()[0]) for text in said("outbox kept")]
    letters, widths = (16 << 20) // 10_000, (1, 2)
    assert kept == [pytest.approx(letters / width, rel=0.03) for width in widths]
    assert all(int(size) * width <= 16 << 20 for size, width in zip(said("outbox bytes"), widths, strict=True))
    assert [text.split(" ", 1)[1] for text in said("outbox kept")] == ['{"n":"2999",'] * 2
    assert said("outbox lost") == [f"queue_full {3000 - number}" for number in kept]
    assert said("outbox measured") == ["3000", "3000"]


def test_a_span_goes_back_with_what_python_must_know(said: Callable[[str], list[str]]) -> None:
    """What the JVM has counted in its metrics already says so; a loss is news once."""
    firsts = [3000 - int(text.split()[0]) for text in said("outbox kept")]
    assert said("outbox back") == [f'{{"measured":true,"n":"{n}",'[:27] for n in firsts]
    assert said("outbox news") == [f"queue_full {n}; " for n in firsts]


def test_wrong_options_are_a_line_each(said: Callable[[str], list[str]], caplog: pytest.LogCaptureFixture) -> None:
    """Variable, value and what is used instead, in Python's very words where Python has that option, too."""
    assert said("options") == ["stage 1073741824 10000 2000 60000 true", "job 1536 3000"]
    lines = [line.removeprefix("WARN dagtrace: ") for line in said("LOG") if " is ignored: expected" in line]
    Options.from_environ(
        {
            "DAGTRACE_SPARK_DETAIL": "everything",
            "DAGTRACE_LOCAL_MAX_BYTES": "much",
            "DAGTRACE_FLUSH_TIMEOUT": "password=hunter2",
        }
    )
    python = [record.getMessage() for record in caplog.records]
    assert len(python) == 3
    assert sorted(lines) == sorted(
        [
            *python,
            "OTEL_EXPORTER_OTLP_TIMEOUT='0' is ignored: expected a number above 0; using 10",
            "OTEL_METRIC_EXPORT_INTERVAL='soon' is ignored: expected a number above 0; using 60000",
            "OTEL_TRACES_SAMPLER_ARG='half' is ignored: expected a number, 0 or more; using 1",
            "spark.dagtrace.detail='deep' is ignored: expected one of application, job, stage, task; using stage",
        ]
    )


def test_the_switch_is_pythons(said: Callable[[str], list[str]]) -> None:
    """Every word that turns dagtrace off in Python turns an attached listener off; nothing said leaves it on."""
    assert said("off") == ["true"] * 4 + ["false"] * 2


def test_nobody_knows_a_home(said: Callable[[str], list[str]]) -> None:
    """A user id without a name has the home "?" in Java: no folder of that name is made."""
    assert said("home") == [
        *(".dagtrace", "x", ".", "/there"),
        *("/home/me/.dagtrace", "/home/me/x", "/home/me", "/there"),
    ]


def test_malformed_headers(said: Callable[[str], list[str]]) -> None:
    """What is no header of HTTP's is left out with one line, which has no value in it; the others are sent."""
    assert said("headers") == ["{good=1, percent=%zz, spaced=a b, utf=é}"]
    (line,) = (line for line in said("LOG") if "header" in line)
    assert line == "WARN dagtrace: a header of OTLP's requests is ignored: it is no NAME=VALUE that HTTP knows"
    assert not [line for line in said("LOG") if "hunter2" in line]


def test_userinfo_is_decoded(said: Callable[[str], list[str]], sink: Sink) -> None:
    """User and password of an endpoint are percent-encoded there and plain in the header; neither is in any text."""
    assert said("http") == [f"{sink.url}/v1/traces", "0", "0"]
    found = [base64.b64decode(headers["Authorization"].split()[1]).decode() for headers in sink.headers]
    assert found == ["us@er:p w+:", "us%zzer:pw"]


def test_a_class_that_cannot_be_linked(said: Callable[[str], list[str]]) -> None:
    """An object of somebody's whose methods name a missing class answers nothing, rather than to stop the context."""
    assert said("scala") == ["null 4"]


def test_what_never_ends_is_forgotten(said: Callable[[str], list[str]]) -> None:
    """A job whose stage's end got lost is written when there are too many, and holds what is above it no longer."""
    assert said("forgotten") == ["10000 5000 false", "10000 1"]
