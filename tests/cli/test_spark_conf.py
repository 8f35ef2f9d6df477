"""``dagtrace spark-conf``: lines that are true, and that hold no secret."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from dagtrace.cli import main, spark_conf
from dagtrace.spark.attachment import CLASS, JAR, public_endpoint


SECRETIVE = "https://user:hunter2@collector:4318/base/?token=hunter3#f"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set no endpoint."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_lines_of_a_properties_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line that is no comment is a property that spark-defaults.conf takes; the endpoint has lost its secrets."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", SECRETIVE)
    assert main(["spark-conf"]) == 0
    said = capsys.readouterr().out
    pairs = dict(line.split(None, 1) for line in said.splitlines() if not line.startswith("#"))
    assert pairs == {
        "spark.driver.extraClassPath": str(JAR),
        "spark.extraListeners": CLASS,
        "spark.dagtrace.endpoint": "https://collector:4318/base",
    }
    assert "hunter" not in said


def test_options_of_spark_submit(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, as a shell splits it; without an endpoint none is named."""
    assert main(["spark-conf", "--submit"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    words = shlex.split(said.out)
    assert words == said.out.split()  # what $(…) makes of it
    assert words == ["--conf", f"spark.driver.extraClassPath={JAR}", "--conf", f"spark.extraListeners={CLASS}"]


def test_a_path_with_blanks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line on stderr says that ``$(…)`` would break it, and how a shell gets it whole: that way is true."""
    jar = tmp_path / "my jars" / "dagtrace.jar"
    jar.parent.mkdir()
    jar.touch()
    monkeypatch.setattr(spark_conf, "JAR", jar)
    assert main(["spark-conf", "--submit"]) == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert 'eval "spark-submit $(dagtrace spark-conf --submit) …"' in said.err
    program = """eval "printf '%s\\n' $(printf '%s' "$SAID") app.py" """
    done = subprocess.run(
        ["bash", "-c", program], env={"SAID": said.out.strip()}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        *("--conf", f"spark.driver.extraClassPath={jar}", "--conf", f"spark.extraListeners={CLASS}", "app.py"),
    ]


def test_the_jar_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Only its path, for who copies it to where drivers run."""
    assert main(["spark-conf", "--jar"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


def test_a_jar_that_was_never_built(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to do, and exit code 1."""
    monkeypatch.setattr(spark_conf, "JAR", Path("gone.jar"))
    assert main(["spark-conf"]) == 1
    assert "gone.jar is missing: install a wheel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", SECRETIVE, "https://collector:4318/base"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4318", "http://[::1]:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", ""),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces", "http://c"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:nonsense", ""),
    ],
)
def test_the_public_part(variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheme, host, port and path of the traces' endpoint, else of all signals'; what is no URL is none."""
    monkeypatch.setenv(variable, value)
    assert public_endpoint() == expected
