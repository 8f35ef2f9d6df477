"""
Draw a Grafana board's JSON with real query results to a PNG, in Grafana's own components (``draw/``), without Grafana.

    python dashboards/draw.py BOARD.json RESULTS.json OUT.png

Wants Node 20 and npm (the first time, and after a change in ``draw/``: a minute), ``chromium`` and ``chromedriver``.
``draw/README.md`` has the shape of the results and what is not Grafana's.
"""
# a program, not a package

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SOURCE = Path(__file__).parent / "draw"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dagtrace" / "draw"
PATIENCE = 120
"""Seconds for a page to be drawn: a cold browser on a busy machine."""


class DrawError(Exception):
    """The picture could not be drawn; the text says why."""


def page() -> Path:
    """Return the folder of the built page; build it where it is missing, in the cache and never in the tree."""
    installed = CACHE / _digest([SOURCE / "package.json", SOURCE / "package-lock.json"])
    sources = [SOURCE / "index.html", SOURCE / "vite.config.js", *sorted((SOURCE / "src").iterdir())]
    built = installed / f"page-{_digest(sources)}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two who draw for the first time build once
        if not built.exists():
            _build(installed, built)
    return built


def draw(board: Path, results: dict[str, Any], picture: Path, *, width: int = 1600, scale: float = 1) -> dict[str, Any]:
    """
    Draw a board to a PNG of ``width`` CSS pixels times ``scale``; its height is what the board needs.

    Returns what the page says of itself: ``height`` in CSS pixels, ``empty`` (panels without data), ``moved`` (those
    that Grafana would move: they overlap, or leave gaps or the grid) and ``text`` (all that is not drawn in a graph).
    Raises :class:`DrawError` when the page, or one panel of it, throws.
    """
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "build")  # where Grafana's components look for their icons
        shutil.copytree(page(), site)
        shutil.copy(board, site / "board.json")
        (site / "results.json").write_text(json.dumps(results), encoding="utf-8")
        with _served(Path(folder)) as url, _browser(Path(folder)) as ask:
            size: dict[str, Any] = {"width": width, "height": 1000, "deviceScaleFactor": scale, "mobile": False}
            _devtools(ask, "Emulation.setDeviceMetricsOverride", size)
            ask("url", url=url)
            drawn = _drawn(ask)
            size["height"] = drawn["height"]
            _devtools(ask, "Emulation.setDeviceMetricsOverride", size)
            shot = _devtools(ask, "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(base64.b64decode(shot["data"]))
    return drawn


def _build(installed: Path, built: Path) -> None:
    if not (installed / "node_modules" / ".package-lock.json").exists():  # npm writes it last
        installed.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, installed)
        _npm(installed, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    shutil.copytree(SOURCE, installed, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    with tempfile.TemporaryDirectory(dir=installed) as folder:
        _npm(installed, "run", "build", "--", "--outDir", f"{folder}/page")
        Path(folder, "page").rename(built)


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _npm(folder: Path, *arguments: str) -> None:
    if shutil.which("npm") is None:
        raise DrawError("no npm (Node 20 or newer brings it)")
    done = subprocess.run(["npm", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrawError(f"npm {arguments[0]} failed in {folder}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser may go while it is answered."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Say nothing."""


@contextlib.contextmanager
def _served(folder: Path) -> Generator[str]:
    """Serve on loopback: a page opened as a file may not fetch its neighbours."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/build/index.html"
        server.shutdown()


@contextlib.contextmanager
def _browser(folder: Path) -> Generator[Callable[..., Any]]:
    """Run chromedriver and a window of Chromium; give a function that sends one command of WebDriver's protocol."""
    driver = shutil.which("chromedriver")
    if driver is None:
        raise DrawError("no chromedriver (Debian: apt-get install chromium chromium-driver)")
    flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": flags}}}}
    log = folder / "chromedriver.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([driver, "--port=0"], stdout=sink, stderr=sink)
    try:
        root = f"http://127.0.0.1:{_port(log)}/session"
        session = f"{root}/{_ask('POST', root, wanted)['sessionId']}"
        try:

            def ask(command: str, **values: Any) -> Any:
                return _ask("POST", f"{session}/{command}", values)

            yield ask
        finally:
            _ask("DELETE", session)
    finally:
        process.terminate()
        process.wait(20)


def _port(log: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, found, rest = log.read_text(errors="replace").partition("started successfully on port ")
        if found and "." in rest:
            return int(rest.partition(".")[0])
        time.sleep(0.1)
    raise DrawError(f"chromedriver does not start:\n{log.read_text(errors='replace')[-2000:]}")


def _ask(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310  # loopback
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  # as above
            return json.loads(answer.read())["value"]
    except urllib.error.HTTPError as error:
        raise DrawError(f"{url}: {error.read().decode(errors='replace')[:2000]}") from None


def _devtools(ask: Callable[..., Any], command: str, values: dict[str, Any]) -> Any:
    return ask("goog/cdp/execute", cmd=command, params=values)


def _drawn(ask: Callable[..., Any]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        drawn, troubles = ask("execute/sync", script="return [window.drawn, window.troubles]", args=[])
        if troubles:
            raise DrawError("the page says:\n" + "\n".join(troubles))
        if drawn:
            return drawn
        time.sleep(0.2)
    raise DrawError(f"the page was not drawn within {PATIENCE} s")


def main() -> int:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path, help="a board's JSON")
    parser.add_argument("results", type=Path, help="its queries' results")
    parser.add_argument("picture", type=Path, help="the PNG")
    parser.add_argument("--from", dest="start", type=float, metavar="SECONDS", help="of the epoch")
    parser.add_argument("--to", dest="end", type=float, metavar="SECONDS")
    parser.add_argument("--vars", nargs="*", default=[], metavar="NAME=TEXT", help="what variables show")
    parser.add_argument("--width", type=int, default=1600, metavar="PIXELS")
    parser.add_argument("--scale", type=float, default=1, help="2 for a sharper picture")
    parser.add_argument("--open", action="store_true", help="draw what is in closed rows, too")
    given = parser.parse_args()
    results = json.loads(given.results.read_text(encoding="utf-8"))
    results["from"] = results["from"] if given.start is None else given.start
    results["to"] = results["to"] if given.end is None else given.end
    results["variables"] = {**results.get("variables", {}), **dict(pair.split("=", 1) for pair in given.vars)}
    results["open"] = given.open
    try:
        drawn = draw(given.board, results, given.picture, width=given.width, scale=given.scale)
    except DrawError as error:
        print(error, file=sys.stderr)  # a command
        return 1
    for trouble, panels in (("no data", drawn["empty"]), ("not where the board says", drawn["moved"])):
        for panel in panels:
            print(f"{trouble}: {panel}")  # as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
