"""The files of ``collector_config/``: each as the program it is for takes it, and the compose file beside them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dagtrace.semconv import attributes
from support import backends
from support.backends import CONFIG
from support.stack import PROMETHEUS_FLAGS, lay_out


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_backends = [pytest.mark.real, pytest.mark.backends]

ALONE = ["dev.yaml", "gateway.yaml"]
OVER_GATEWAY = sorted(
    {file.name for file in CONFIG.glob("*.yaml")} - {*ALONE, "builder.yaml", "compose.yaml", "jaeger.yaml"}
)
COLLECTORS = [
    *([name] for name in ALONE),
    *(["gateway.yaml", name] for name in OVER_GATEWAY),
    ["gateway.yaml", "files.yaml", "logs.yaml", "tempo.yaml"],
]


@pytest.fixture
def built() -> None:
    """Fail with one line where the real programs are not there."""
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)


def _ask(name: str, *arguments: str, **env: str) -> str:
    done = subprocess.run(
        [str(backends.binary(name)), *arguments], capture_output=True, text=True, check=False, env=env or None
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class TestRealPrograms:
    """What the programs themselves say of their files."""

    pytestmark = needs_backends

    @pytest.mark.parametrize("files", COLLECTORS, ids="+".join)
    def test_the_collector_takes_it(self, built: None, files: list[str], tmp_path: Path) -> None:
        """The collector validates each file, and each variant over the one it belongs over, without a deprecation."""
        said = _ask(
            "otelcol",
            "validate",
            *(f"--config={CONFIG / name}" for name in files),
            DAGTRACE_COLLECTOR_HOME=str(tmp_path),
        )
        assert "deprecated" not in said.lower()

    def test_every_component_is_used(self, built: None) -> None:
        """What is built in is what the files use: no component that costs minutes to build for nothing."""
        listed: dict[str, list[dict[str, str]]] = yaml.safe_load(_ask("otelcol", "components"))
        kinds = ("receivers", "processors", "exporters", "connectors", "extensions")
        there = {(kind, component["name"]) for kind in kinds if kind in listed for component in listed[kind]}
        assert there == {(kind, name.partition("/")[0]) for kind, name in _components(kinds)}

    def test_jaeger_takes_it(self, built: None) -> None:
        """Jaeger validates its file."""
        _ask("jaeger", "validate", f"--config={CONFIG / 'jaeger.yaml'}")

    def test_prometheus_takes_it(self, built: None, tmp_path: Path) -> None:
        """``promtool`` takes prometheus.yml as an installation lays it out."""
        lay_out(tmp_path, {})
        assert "SUCCESS" in _ask("promtool", "check", "config", str(tmp_path / "prometheus.yml"))

    def test_alertmanager_takes_it(self, built: None) -> None:
        """``amtool`` takes alertmanager.yml."""
        assert "SUCCESS" in _ask("amtool", "check-config", str(CONFIG / "alertmanager.yml"))


def _components(kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in (*ALONE, *OVER_GATEWAY):
        document: dict[str, dict[str, Any]] = yaml.safe_load((CONFIG / name).read_text())
        yield from ((kind, component) for kind in kinds if kind in document for component in document[kind])


def test_compose_is_the_tested_stack() -> None:
    """Compose mounts files that exist, runs the versions that are tested, and gives Prometheus the same flags."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    tested = {program.version for program in backends.PROGRAMS}
    for name, service in services.items():
        if name != "grafana":  # none can be had here; its boards are asked and drawn without it
            assert service["image"].rpartition(":")[2].removeprefix("v") in tested
        mounted = [volume.split(":")[0] for volume in service["volumes"] if volume.startswith(".")]
        assert mounted
        assert [path for path in mounted if not (CONFIG / path).exists()] == []
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert set(PROMETHEUS_FLAGS) <= set(services["prometheus"]["command"])
    assert {path.name for path in (CONFIG / "targets").iterdir()} == {
        path.name for path in (CONFIG / "compose" / "targets").iterdir()
    }


def test_names_are_those_of_semconv() -> None:
    """An Airflow attribute that a file names is one that dagtrace's spans have, so that logs and metrics join them."""
    known = {value for value in vars(attributes).values() if isinstance(value, str)}
    named = {
        name
        for file in CONFIG.glob("*.y*ml")
        for name in re.findall(r"airflow\.[a-z_]+(?:\.[a-z_]+)*", file.read_text())
    }
    assert {"airflow.dag_id", "airflow.component"} <= named <= known


def test_the_readme_names_every_file() -> None:
    """No file lies there that nobody explains."""
    readme = (CONFIG / "README.md").read_text()
    files = [path.name for path in CONFIG.iterdir() if path.is_file() and path.name != "README.md"]
    assert [name for name in files if f"`{name}`" not in readme] == []


def test_no_go_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Go, or with one that is too old, the build says what is wanted and what to do."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(backends.NoGo, match=r"Go 1\.\d+ or newer, and there is no go on the PATH: install one") as said:
        backends.go_version()
    assert "\n" not in str(said.value)


def test_an_old_go_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The version is read as Go says it."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(backends.NoGo, match=r"the one on the PATH is go1\.19\.8: install one"):
        backends.go_version()
