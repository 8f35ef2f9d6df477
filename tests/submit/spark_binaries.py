"""Programs that stand for Spark's, in a folder laid out like Spark's own."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from submit.conftest import assert_discreet


if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FAKE = """#!{python}
import json, os, sys
environ = {{key: value for key, value in os.environ.items() if key in ("TRACEPARENT", "TRACESTATE", "MINE")}}
with open({out!r}, "a") as out:
    print(json.dumps({{"command": [os.path.basename(sys.argv[0]), *sys.argv[1:]], "environ": environ}}), file=out)
print({output!r})
sys.exit({code})
"""


class Ran:
    """Programs that stand for Spark's and keep what they are called with."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, output: str = "exit code: 0", code: int = 0
    ) -> None:
        self._out = folder / "calls.jsonl"
        binaries = folder / "spark" / "bin"
        binaries.mkdir(parents=True)
        for name in ("spark-submit", "spark-sql", "spark-pipelines"):
            program = binaries / name
            program.write_text(FAKE.format(python=sys.executable, out=str(self._out), output=output, code=code))
            program.chmod(0o755)
        self.defaults = folder / "spark" / "conf" / "spark-defaults.conf"
        self.defaults.parent.mkdir()
        monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
        for name in ("SPARK_HOME", "SPARK_CONF_DIR"):
            monkeypatch.delenv(name, raising=False)

    @property
    def last(self) -> dict[str, Any]:
        """Return the last call."""
        text = self._out.read_text()
        assert_discreet(text)
        return json.loads(text.splitlines()[-1])

    def confs(self) -> dict[str, str]:
        """Return the last command's properties."""
        words = self.last["command"]
        return dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "--conf")
