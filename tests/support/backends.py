"""
The real backends: collector, Jaeger, Prometheus, Alertmanager and pint, built from their sources at pinned versions.

``python tests/support/backends.py`` (``make backends``) builds what is missing; it needs Go, and of Python only what
comes with it. ``DAGTRACE_BACKENDS`` names the folder, ``~/.cache/dagtrace/backends`` by default. Each program is in a
folder of its own there, by version, beside Go's caches (``go``, ``build``: of no use once all is built).

A program is built in a copy of its module, as the main module that it is: with the ``replace`` and ``exclude`` lines of
its go.mod, which ``go install module@version`` refuses, and with its go.sum.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "collector_config"
MANIFEST = CONFIG / "builder.yaml"
HOME = Path(os.environ.get("DAGTRACE_BACKENDS") or Path.home() / ".cache" / "dagtrace" / "backends")

GO = (1, 25)
"""The oldest Go that the collector of ``MANIFEST`` builds with; its go.mod says so."""


@dataclass(frozen=True)
class Program:
    """What is built from one module: its binaries share a folder and say the same version."""

    name: str
    version: str
    """As the binaries say it."""
    module: str
    binaries: Mapping[str, str]
    """Name, and the package within the module."""
    stamp: str = ""
    """The variable that the version is linked into."""
    without: tuple[str, ...] = ()
    """Files of the module that are left out."""
    key: str = ""

    @property
    def folder(self) -> Path:
        """Where its binaries are."""
        return HOME / "bin" / "-".join(filter(None, (self.name, self.version, self.key)))

    def missing(self) -> str:
        """Return why it must be built, empty where it need not: every binary is asked for its version."""
        for binary in self.binaries:
            path = self.folder / binary
            if not path.exists():
                return f"{binary} is not there"
            command = [str(path), *_ASKED.get(binary, ("--version",))]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            if said.returncode or self.version not in said.stdout + said.stderr:
                return f"{binary} does not say {self.version}"
        return ""


_ASKED = {"builder": ("version",), "jaeger": ("version",), "pint": ("version",)}


def _manifest(pattern: str) -> str:
    found = re.search(pattern, MANIFEST.read_text(), re.MULTILINE)
    assert found, f"{MANIFEST} has no {pattern}"
    return found[1]


_COLLECTOR = _manifest(r"^  version: (\S+)")
_COMPONENTS = hashlib.sha256(repr(re.findall(r"gomod: .*", MANIFEST.read_text())).encode()).hexdigest()[:8]
BUILDER = Program(
    "builder",
    _COLLECTOR,
    f"go.opentelemetry.io/collector/cmd/builder@v{_COLLECTOR}",
    {"builder": "."},
    stamp="go.opentelemetry.io/collector/cmd/builder/internal.version",
)
PROGRAMS = (
    Program("otelcol", _COLLECTOR, "", {"otelcol": "."}, key=_COMPONENTS),
    # The newest Jaeger the module proxy has: its tags v2.* are no version of a module whose path lacks /v2. One commit
    # carries v1.76.0 and v2.13.0, and cmd/jaeger in it is Jaeger 2.
    Program(
        "jaeger",
        "2.13.0",
        "github.com/jaegertracing/jaeger@v1.76.0",
        {"jaeger": "./cmd/jaeger"},
        stamp="github.com/jaegertracing/jaeger/internal/version.latestVersion",
    ),
    # Without the service discoveries of every cloud (plugins.go): two thirds of the build, and of no use here.
    Program(
        "prometheus",
        "3.9.1",
        "github.com/prometheus/prometheus@v0.309.1",
        {"prometheus": "./cmd/prometheus", "promtool": "./cmd/promtool"},
        stamp="github.com/prometheus/common/version.Version",
        without=("plugins/plugins.go",),
    ),
    Program(
        "alertmanager",
        "0.31.1",
        "github.com/prometheus/alertmanager@v0.31.1",
        {"alertmanager": "./cmd/alertmanager", "amtool": "./cmd/amtool"},
        stamp="github.com/prometheus/common/version.Version",
    ),
    Program("pint", "0.87.0", "github.com/cloudflare/pint@v0.87.0", {"pint": "./cmd/pint"}, stamp="main.version"),
)


def binary(name: str) -> Path:
    """Return where one of the binaries is, built or not."""
    (program,) = (program for program in PROGRAMS if name in program.binaries)
    return program.folder / name


def missing() -> dict[str, str]:
    """Return the programs that must be built, and why."""
    return {program.name: why for program in PROGRAMS if (why := program.missing())}


class NoGo(Exception):  # noqa: N818 - it is no error of this program
    """There is no Go, or one that is too old; the message says what to do."""


def go_version() -> str:
    """Return the version of the Go on the PATH; raise ``NoGo`` where it will not do."""
    wanted = f"the backends are built from source with Go {GO[0]}.{GO[1]} or newer"
    then = "install one and run `make backends` again (with Docker, collector_config/compose.yaml needs no Go)"
    if not shutil.which("go"):
        raise NoGo(f"{wanted}, and there is no go on the PATH: {then}")
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)\S*", said)
    if found and (int(found[1]), int(found[2])) < GO:
        raise NoGo(f"{wanted}, and the one on the PATH is {found[0]}: {then}")
    return found[0] if found else said.strip()


class _Build:
    """One run of the builds; Go's caches lie beside the binaries, its other settings are the user's."""

    def __init__(self) -> None:
        flags = subprocess.run(["go", "env", "GOFLAGS"], capture_output=True, text=True, check=True).stdout.strip()
        self.env = {
            **os.environ,
            "GOPATH": str(HOME / "go"),
            "GOCACHE": str(HOME / "build"),
            "GOFLAGS": f"{flags} -modcacherw".strip(),  # so that rm -rf removes it
            "CGO_ENABLED": "0",
        }
        self.env.pop("GOBIN", None)

    def program(self, program: Program) -> None:
        """Build a program into its folder; what was there goes only when the new one has said its version."""
        fresh = program.folder.with_name(f".{program.folder.name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        log = HOME / "log" / f"{program.name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("")
        if program.module:
            self._compile(program, fresh, log)
        else:
            self._collector(program, fresh, log)
        shutil.rmtree(program.folder, ignore_errors=True)
        fresh.rename(program.folder)
        if why := program.missing():
            raise RuntimeError(f"{program.name}: {why} ({log})")

    def _compile(self, program: Program, into: Path, log: Path) -> None:
        got = self._run(["go", "mod", "download", "-json", program.module], log, wanted=True)
        link = "-s -w" + (f" -X {program.stamp}={program.version}" if program.stamp else "")
        with tempfile.TemporaryDirectory() as folder:  # Go lets nobody change what is in its module cache
            module = shutil.copytree(json.loads(got)["Dir"], Path(folder) / program.name)
            for name in program.without:
                (module / name).unlink()
            options = ["-trimpath", f"-ldflags={link}", "-o", f"{into}/"]
            self._run(["go", "build", "-C", str(module), *options, *program.binaries.values()], log)

    def _collector(self, program: Program, into: Path, log: Path) -> None:
        if BUILDER.missing():
            self.program(BUILDER)
        with tempfile.TemporaryDirectory() as folder:
            manifest = Path(folder) / "builder.yaml"
            manifest.write_text(MANIFEST.read_text().replace("dist:\n", f"dist:\n  output_path: {folder}/src\n", 1))
            self._run([str(BUILDER.folder / "builder"), "--config", str(manifest), "--ldflags=-s -w"], log)
            for name in program.binaries:
                shutil.move(f"{folder}/src/{name}", into)

    def _run(self, command: list[str], log: Path, *, wanted: bool = False) -> str:
        with log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n")
            file.flush()
            out = subprocess.PIPE if wanted else file
            done = subprocess.run(command, env=self.env, stdout=out, stderr=file, text=True, check=False)
        if done.returncode:
            end = "\n".join(f"{done.stdout or ''}\n{log.read_text()}".splitlines()[-15:])
            raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}:\n{end}\n({log})")
        return done.stdout or ""


def build() -> None:
    """Build what is missing, one program after the other, and say so; raise ``NoGo`` where Go is wanted and lacks."""
    HOME.mkdir(parents=True, exist_ok=True)
    with _alone():
        wanted = missing()
        go = go_version() if wanted else ""
        for program in PROGRAMS:
            if program.name not in wanted:
                print(f"{program.name} {program.version}: there", flush=True)
                continue
            print(f"{program.name} {program.version}: {wanted[program.name]}, building …", flush=True)
            started, before = time.monotonic(), _cpu()
            _Build().program(program)
            took = {"wall_s": round(time.monotonic() - started), "cpu_s": round(_cpu() - before), "go": go}
            (program.folder / "built.json").write_text(json.dumps(took))
            print(f"  built in {took['wall_s']} s ({took['cpu_s']} s of CPU)", flush=True)
    print(f"all in {HOME}")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _alone() -> Generator[None, None, None]:
    """Wait for another build into the same folder."""
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another build in {HOME} …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        build()
    except (NoGo, RuntimeError) as failed:
        sys.exit(f"make backends: {failed}")
