"""
A headless Chromium, driven by ``chromedriver`` over its own protocol (W3C WebDriver: JSON over HTTP).

That is all the test of a page needs, and no package more; Debian has both programs (``chromium-driver``).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from support.airflow import free_port


if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

DRIVER = shutil.which("chromedriver")
"""None where there is no browser to drive."""

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key of an element's id, fixed by the standard."""


class Browser:
    """One window, and those that its pages open; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._root = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._session = ""

    def __enter__(self) -> Self:
        with (self._folder / "chromedriver.log").open("wb") as log:
            port = self._root.rpartition(":")[2]
            self._process = subprocess.Popen([str(DRIVER), f"--port={port}"], stdout=log, stderr=log)
        flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"]
        asked = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": flags}}}}
        deadline = time.monotonic() + 60
        while not self._session:
            try:
                self._session = f"/session/{self._ask('POST', '/session', asked)['sessionId']}"
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process is not None
        if self._session:
            self._ask("DELETE", self._session)
        self._process.terminate()
        self._process.wait(20)

    def open(self, url: str) -> None:
        """Go to a page."""
        self._do("url", url=url)

    def log_in(self, url: str, token: str) -> None:
        """Get into Airflow as its login page does."""
        self.open(url)
        self._do("cookie", cookie={"name": "_token", "value": token})

    def find(self, xpath: str, timeout: float = 90) -> str:
        """Wait for an element and return its id; a page that comes from a cold server takes a while."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._do("element", using="xpath", value=xpath)[_ELEMENT]
            except AssertionError:
                if time.monotonic() > deadline:
                    source = self._ask("GET", f"{self._session}/source")
                    raise AssertionError(f"no {xpath} in\n{source[-4000:]}") from None
                time.sleep(0.5)

    def click(self, element: str) -> None:
        """Click on an element."""
        self._do(f"element/{element}/click")

    def enter(self, frame: str) -> None:
        """Look into a frame from here on."""
        self._do("frame", id={_ELEMENT: frame})

    def windows(self) -> list[str]:
        """Return the ids of all windows."""
        return self._ask("GET", f"{self._session}/window/handles")

    def switch(self, window: str) -> str:
        """Look at another window from here on; return its URL."""
        self._do("window", handle=window)
        return self._ask("GET", f"{self._session}/url")

    def _do(self, what: str, **values: Any) -> Any:
        return self._ask("POST", f"{self._session}/{what}", values)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode(errors='replace')[:2000]}") from None
