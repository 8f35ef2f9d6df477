"""Python and Java give the same ids for the same names."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dagtrace.identity import _digest


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver

VECTORS: list[list[str | int]] = [
    [],
    [""],
    ["", ""],
    ["ab", "c"],
    ["a", "bc"],
    ["spark.application", "b7ad6b7169203331", "local-1700000000000", "", 1700000000000, "10.0.0.1"],
    ["spark.stage", "00f067aa0ba902b7", 12, 0],
    ["é", "日本", "😀", "a\nb", "\0"],
    ["x" * 70_000, -1],
]

CODE = """
import json, sys
from pyspark.java_gateway import launch_gateway
from dagtrace.spark.driver import CLASS, JAR
gateway = launch_gateway()
java = gateway.jvm.java
urls = gateway.new_array(java.net.URL, 1)
urls[0] = java.io.File(str(JAR)).toURI().toURL()
parent = gateway.jvm.org.apache.spark.SparkConf().getClass().getClassLoader()
listener = java.net.URLClassLoader(urls, parent).loadClass(CLASS).newInstance()
vectors = json.load(open("vectors.json"))
print("IDS", json.dumps([[listener.identity(size, parts) for size in (8, 16)] for parts in vectors]))
"""


@pytest.mark.real
def test_java_and_python_hash_alike(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """Both hash the same parts to the same 8 and 16 bytes: empty, non-ASCII, numbers and long ones."""
    (tmp_path / "vectors.json").write_text(json.dumps(VECTORS))
    done = drive(CODE, tmp_path).process
    (line,) = (
        (line for line in done.stdout.splitlines() if line.startswith("IDS")) if not done.returncode else (done.stderr,)
    )
    expected = [[f"{_digest(size, tuple(parts)):0{2 * size}x}" for size in (8, 16)] for parts in VECTORS]
    assert json.loads(line.removeprefix("IDS")) == expected
