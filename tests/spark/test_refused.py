"""Where no listener can be loaded: the job is unharmed, one warning says why, and the application is told anyway."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dagtrace.identity import SpanContext, _digest, spark_application
from dagtrace.semconv import attributes as names
from support.cells import PRODUCTS


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Driver
    from dagtrace.record import SpanRecord

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

REFUSES = """
from py4j import java_gateway
from py4j.protocol import Py4JError
denied = {DENIED}
call, new_array = java_gateway.JavaMember.__call__, java_gateway.JavaGateway.new_array
def security(name):
    return Py4JError(f"An error occurred while calling {name}. Trace:\\npy4j.security.Py4JSecurityException: Method "
                     f"{name} is not whitelisted\\n\\tat py4j.security.WhitelistingPy4JSecurityManager.check")
def checked(self, *args):
    if self.name in denied:
        raise security(self.name)
    return call(self, *args)
def no_array(self, *args):
    raise security("java.net.URL[]")
java_gateway.JavaMember.__call__, java_gateway.JavaGateway.new_array = checked, no_array
"""
PROGRAM = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("refused").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
sc = spark.sparkContext
print("ROWS", spark.range(10).count())
"""
FACTS = """
from py4j.java_gateway import JavaMember
JavaMember.__call__ = call
conf = sc.getConf()
print("FACTS", sc.applicationId, sc.startTime, conf.get("spark.driver.host"), sc.version, sc.sparkUser())
"""


def refusal(*also: str) -> str:
    """Return code that makes py4j answer as Databricks' shared clusters do: no new arrays, nor these methods."""
    return REFUSES.replace("{DENIED}", repr(set(also)))


def applications(done: Driver) -> list[SpanRecord]:
    """Return the application spans."""
    return [span for span in done.spans if span.name.startswith("spark.application ")]


@pytest.mark.real
@pytest.mark.matrix
def test_a_jvm_that_takes_no_class(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """One warning with the JVM's reason and what to do; the application below its parent, with the listener's id."""
    done = drive(refusal() + PROGRAM + FACTS + "spark.stop()", tmp_path, TRACEPARENT=PARENT)
    assert "ROWS 10" in done.process.stdout, done.process.stderr
    (warning,) = done.warnings
    assert "Py4JSecurityException: Method java.net.URL[] is not whitelisted" in warning
    assert "dagtrace spark-conf" in warning
    (application,) = done.spans
    (line,) = (line for line in done.process.stdout.splitlines() if line.startswith("FACTS"))
    _, application_id, start, host, version, user = line.split()
    assert application.name == "spark.application refused"
    assert (application.trace_id, application.parent_id) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert application.start_ns == int(start) * 1_000_000 < application.end_ns < time.time_ns()
    expected = _digest(8, ("spark.application", "b7ad6b7169203331", application_id, "", int(start), host))
    assert application.span_id == expected
    assert application.error is None
    assert dict(application.attributes) == {
        names.SPARK_APPLICATION_ID: application_id,
        names.SPARK_APPLICATION_NAME: "refused",
        names.SPARK_VERSION: version,
        names.SPARK_MASTER: "local[2]",
        names.SPARK_DEPLOY_MODE: "client",
        names.SPARK_USER: user,
    }


@pytest.mark.real
@pytest.mark.matrix
def test_a_jvm_that_answers_nothing(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """Facts the JVM refuses are left out, the others stay; an exception nobody caught is the application's error."""
    denied = ("listenerBus", "deployMode", "applicationAttemptId", "startTime", "sparkUser", "loadClass")
    ending = "raise RuntimeError('password=hunter2 is wrong')"
    done = drive(refusal(*denied) + PROGRAM + ending, tmp_path)
    assert done.process.returncode == 1
    assert "ROWS 10" in done.process.stdout, done.process.stderr
    (application,) = done.spans
    assert application.parent_id is None
    assert application.error == "RuntimeError: password=*** is wrong"
    assert application.attributes[names.ERROR_TYPE] == "RuntimeError"
    assert application.attributes[names.DAGTRACE_ASYNC] is True
    assert application.attributes[names.SPARK_MASTER] == "local[2]"
    assert names.SPARK_USER not in application.attributes
    assert len(done.warnings) == 1


@pytest.mark.real
@pytest.mark.matrix
def test_a_query_refused_in_a_jvm_that_refuses_us(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """A syntax error is a failed ``spark.sql`` below the application that Python tells."""
    attempt = "try:\n    spark.sql('select * FRM x')\nexcept Exception as error:\n    print('RAISED', type(error))\n"
    done = drive(refusal() + PROGRAM + attempt + "spark.stop()", tmp_path)
    assert "RAISED" in done.process.stdout, done.process.stderr
    query, application = sorted(done.spans, key=lambda span: span.name, reverse=True)
    assert (query.name, query.trace_id, query.parent_id) == ("spark.sql", application.trace_id, application.span_id)
    assert query.attributes[names.SPARK_ERROR_CONDITION] == "PARSE_SYNTAX_ERROR"


@pytest.mark.real
@pytest.mark.matrix
def test_threads_that_are_not_pinned(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """``PYSPARK_PIN_THREAD=false``: one warning, and everything is told below the application."""
    done = drive(PROGRAM + "spark.stop()", tmp_path, PYSPARK_PIN_THREAD="false")
    assert "ROWS 10" in done.process.stdout, done.process.stderr
    (warning,) = done.warnings
    assert "PYSPARK_PIN_THREAD=false" in warning
    assert "unset it" in warning
    (application,) = applications(done)
    assert {span.name for span in done.spans} == {"spark.application refused", "spark.sql", "spark.job", "spark.stage"}
    assert {s.parent_id for s in done.spans if s.name == "spark.sql"} == {application.span_id}


SERVER = """
import sys
from pyspark.sql import SparkSession
conf = {"spark.ui.enabled": "false", "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.port": sys.argv[1]}
spark = SparkSession.builder.master("local[2]").config(map=conf).getOrCreate()
print("READY", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start a Spark Connect server in another process, untraced; gives its port."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        cwd=tmp_path_factory.mktemp("server"),
        env={name: value for name, value in os.environ.items() if not name.startswith("DAGTRACE_")}
        | {"SPARK_LOCAL_IP": "127.0.0.1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "READY"
        yield port
    finally:
        process.stdin.close()
        process.wait(60)


CONNECT = """
import logging
logging.getLogger("pyspark").setLevel(logging.CRITICAL)
from pyspark.sql import SparkSession
def start(name):
    remote = "sc://127.0.0.1:PORT/;user_id=somebody;x-api-token=hunter2"
    return SparkSession.builder.remote(remote).appName(name).getOrCreate()
spark = start("there")
print("ROWS", spark.range(10).count())
print("ID", getattr(spark, "session_id", None) or spark.client._session_id)  # no property before 3.5
"""
TWICE = f"""
{'assert start("not another one") is spark' if PRODUCTS["spark"].version() >= (3, 5) else ""}
spark.stop()
spark = start("again")
print("ROWS", spark.range(10).count())
print("ID", getattr(spark, "session_id", None) or spark.client._session_id)  # no property before 3.5
raise RuntimeError("mine")
"""


@pytest.mark.real
@pytest.mark.matrix
def test_connect(drive: Callable[..., Driver], server: int, tmp_path: Path) -> None:
    """Each session that connects is an application: stopped, or async and failed at an exit by an exception."""
    began = time.time_ns()
    done = drive((CONNECT + TWICE).replace("PORT", str(server)), tmp_path, TRACEPARENT=PARENT)
    assert done.process.stdout.count("ROWS 10") == 2, done.process.stderr
    (warning,) = done.warnings
    assert "Spark Connect has no JVM in this process" in warning
    assert "attach dagtrace's listener to the server" in warning
    first, second = sorted(done.spans, key=lambda span: span.start_ns)
    assert (first.name, second.name) == ("spark.application there", "spark.application again")
    sessions = [line.split()[1] for line in done.process.stdout.splitlines() if line.startswith("ID")]
    for span, session in zip((first, second), sessions, strict=True):
        assert (span.trace_id, span.parent_id) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
        assert began - 1_000_000 <= span.start_ns < span.end_ns < time.time_ns()  # a start in ms
        assert span.attributes[names.SPARK_CONNECT_REMOTE] == f"sc://127.0.0.1:{server}"
        assert span.attributes[names.SPARK_CONNECT_SESSION_ID] == session
        assert "hunter2" not in str(span)
    assert first.end_ns < second.start_ns
    assert (first.error, second.error) == (None, "RuntimeError: mine")
    assert names.DAGTRACE_ASYNC not in first.attributes
    assert second.attributes[names.DAGTRACE_ASYNC] is True


@pytest.mark.real
@pytest.mark.matrix
@pytest.mark.skipif(PRODUCTS["spark"].version() < (4,), reason="before 4.0 Connect's server is a package of its own")
def test_connect_to_a_server_in_this_process(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """``remote("local[2]")`` is a SparkContext like any other: one application, all below it, and one warning."""
    code = CONNECT.replace("sc://127.0.0.1:PORT/;user_id=somebody;x-api-token=hunter2", "local[2]")
    done = drive(code + "spark.stop()", tmp_path)
    assert "ROWS 10" in done.process.stdout, done.process.stderr
    (warning,) = done.warnings
    assert "not to active spans" in warning
    (application,) = applications(done)
    assert application.attributes[names.SPARK_MASTER] == "local[2]"
    assert {"spark.sql", "spark.job", "spark.stage"} <= {span.name for span in done.spans}
    assert len({span.span_id for span in done.spans}) == len(done.spans)


def test_the_application_has_the_ids_of_the_listener() -> None:
    """In a trace of its own or in its parent's, with the parent's verdict."""
    identity = ("local-1", "", 17, "host")
    own = spark_application(None, *identity)
    assert own == SpanContext(
        _digest(16, ("spark.trace", "", *identity)), _digest(8, ("spark.application", "", *identity))
    )
    below = spark_application(SpanContext(1, 2, sampled=False), *identity)
    assert below == SpanContext(1, _digest(8, ("spark.application", f"{2:016x}", *identity)), sampled=False)
