"""
Collector, Jaeger, Prometheus and Alertmanager on loopback, with the files of ``collector_config/`` as they are.

``python tests/support/stack.py`` (``make stack``) runs them until Ctrl-C, with ``dev.yaml`` or the collector files that
are given; the tests use the same class. Ports come from the environment (``PORTS``), logs and data are in
``.cache/stack``.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from support import backends


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

PORTS = {
    "DAGTRACE_OTLP_GRPC_PORT": 4317,
    "DAGTRACE_OTLP_HTTP_PORT": 4318,
    "DAGTRACE_HEALTH_PORT": 13133,
    "DAGTRACE_COLLECTOR_METRICS_PORT": 8888,
    "DAGTRACE_JAEGER_OTLP_PORT": 14317,
    "DAGTRACE_JAEGER_UI_PORT": 16686,
    "DAGTRACE_JAEGER_GRPC_PORT": 16685,
    "DAGTRACE_JAEGER_HEALTH_PORT": 14133,
    "DAGTRACE_PROMETHEUS_PORT": 9090,
    "DAGTRACE_ALERTMANAGER_PORT": 9093,
}
"""Variables that the files read, and their defaults there."""

PROMETHEUS_FLAGS = (
    "--storage.tsdb.retention.time=60d",
    "--web.enable-otlp-receiver",
    "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion,otlp-native-delta-ingestion",
)
"""What ``prometheus.yml`` counts on; ``compose.yaml`` has the same."""

OWN = {"jaeger": {"OTEL_TRACES_SAMPLER": "always_off"}}
"""Variables of one program alone: Jaeger would trace itself, into the collector."""

_WEBHOOK = "http://127.0.0.1:5001/"

ORDER = ("jaeger", "prometheus", "alertmanager", "otelcol")
"""What is sent to starts before what sends."""


class Stack:
    """The four programs; a context manager. ``collector`` are its files, each over those before it."""

    def __init__(
        self,
        folder: Path,
        collector: Iterable[str] = ("dev.yaml",),
        ports: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        webhook: str = "",
    ) -> None:
        self.folder = folder
        self._webhook = webhook
        """In place of the one in ``alertmanager.yml``, in which no variables can stand."""
        self._ports = ports or {name: int(os.environ.get(name) or port) for name, port in PORTS.items()}
        self._collector = [str(backends.CONFIG / name) for name in collector]
        at = {name: f"127.0.0.1:{port}" for name, port in self._ports.items()}
        self.env = {
            **os.environ,
            "DAGTRACE_COLLECTOR_HOME": str(folder / "otelcol"),
            "DAGTRACE_JAEGER_OTLP": at["DAGTRACE_JAEGER_OTLP_PORT"],
            "DAGTRACE_PROMETHEUS": at["DAGTRACE_PROMETHEUS_PORT"],
            "DAGTRACE_JAEGER_URL": f"http://{at['DAGTRACE_JAEGER_UI_PORT']}",
            **{name: str(port) for name, port in self._ports.items()},
            **(env or {}),
        }
        self.urls = {
            "otlp": f"http://{at['DAGTRACE_OTLP_HTTP_PORT']}",
            "jaeger": f"http://{at['DAGTRACE_JAEGER_UI_PORT']}",
            "prometheus": f"http://{at['DAGTRACE_PROMETHEUS_PORT']}",
            "alertmanager": f"http://{at['DAGTRACE_ALERTMANAGER_PORT']}",
        }
        self.own_metrics = f"http://{at['DAGTRACE_COLLECTOR_METRICS_PORT']}/metrics"
        self._health = {
            "otelcol": f"http://{at['DAGTRACE_HEALTH_PORT']}/",
            "jaeger": f"http://{at['DAGTRACE_JAEGER_HEALTH_PORT']}/status",
            "prometheus": f"{self.urls['prometheus']}/-/ready",
            "alertmanager": f"{self.urls['alertmanager']}/-/ready",
        }
        self._targets = {
            "collector": at["DAGTRACE_COLLECTOR_METRICS_PORT"],
            "alertmanager": at["DAGTRACE_ALERTMANAGER_PORT"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name in ORDER:
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for name in reversed(ORDER):
            if name in self._processes:
                self.stop(name)

    def start(self, name: str, timeout: float = 120) -> None:
        """Start one of the programs and wait until it says that it is healthy."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(backends.binary(name)), *self._arguments(name)],
                env={**self.env, **OWN.get(name, {})},
                cwd=self.folder / name,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for us, who stop them in order
                preexec_fn=_end_with_us,  # noqa: PLW1509 - one system call, and no thread of ours holds a lock
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if name in self.ended():
                break
            try:
                with urllib.request.urlopen(self._health[name], timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        log_end = self.log(name)[-3000:]
        self.stop(name)
        raise RuntimeError(f"{name} is not healthy at {self._health[name]}:\n{log_end}")

    def stop(self, name: str, timeout: float = 30) -> None:
        """Ask one of the programs to end (SIGTERM) and wait for it; end it where it does not."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self, name: str) -> None:
        """End one of the programs as the kernel does when memory is out."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def ended(self) -> list[str]:
        """Return which of the programs have ended by themselves."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def log(self, name: str) -> str:
        """Return what one of the programs printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _arguments(self, name: str) -> list[str]:
        if name == "otelcol":
            return [f"--config={file}" for file in self._collector]
        if name == "jaeger":
            return [f"--config={backends.CONFIG / 'jaeger.yaml'}"]
        listen = f"--web.listen-address={self.urls[name].removeprefix('http://')}"
        if name == "alertmanager":
            file = backends.CONFIG / "alertmanager.yml"
            if self._webhook:
                text = file.read_text()
                assert _WEBHOOK in text, f"{file} sends nothing to {_WEBHOOK}"
                file = self.folder / name / "alertmanager.yml"
                file.write_text(text.replace(_WEBHOOK, f"{self._webhook}/"))
            return [
                f"--config.file={file}",
                f"--storage.path={self.folder / name}",
                listen,
                "--cluster.listen-address=",
            ]
        config = self.folder / name / "etc"
        lay_out(config, self._targets)
        data = f"--storage.tsdb.path={self.folder / name / 'data'}"
        return [f"--config.file={config / 'prometheus.yml'}", data, listen, *PROMETHEUS_FLAGS]


def lay_out(folder: Path, targets: Mapping[str, str]) -> None:
    """Lay Prometheus' files out as an installation has them: its own, the rules, and where the others are."""
    shutil.copytree(backends.CONFIG / "targets", folder / "targets", dirs_exist_ok=True)
    shutil.copy(backends.CONFIG / "prometheus.yml", folder)
    for name, address in targets.items():
        (folder / "targets" / f"{name}.json").write_text(json.dumps([{"targets": [address]}]))
    rules = backends.ROOT / "dashboards" / "rules"
    if rules.exists():
        shutil.copytree(rules, folder / "rules", dirs_exist_ok=True)


def _end_with_us() -> None:
    """Have the kernel end this process when its parent is gone, however that came about (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def main(collector: list[str]) -> str:
    """Run the stack until it is interrupted or a program ends by itself; return what went wrong."""
    why = backends.missing()
    if why:
        return f"not built yet: {', '.join(why)}. Run `make backends` first (it needs Go)"
    # Both, because a shell that starts something in the background has it ignore the first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Stack(backends.ROOT / ".cache" / "stack", collector or ("dev.yaml",)) as stack:
            for name, url in stack.urls.items():
                print(f"{name:13} {url}")
            print(f"logs          {stack.folder}")
            print(f"export DAGTRACE_ENABLED=true OTEL_EXPORTER_OTLP_ENDPOINT={stack.urls['otlp']}")
            print("Ctrl-C stops all of them", flush=True)
            while not stack.ended():
                time.sleep(0.5)
            return f"{', '.join(stack.ended())} ended by itself:\n{stack.log(stack.ended()[0])[-2000:]}"
    except KeyboardInterrupt:
        print("stopped")
        return ""
    except RuntimeError as failed:
        return str(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or None)
