"""Python and Java give the same ids, the same masked texts and the same sampling decisions for the same input."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from dagtrace.identity import _digest
from dagtrace.masking import mask


if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.real

PARTS: list[list[str | int]] = [
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

TEXTS = [
    "",
    "nothing to hide: at java.base/java.lang.Thread.run(Thread.java:840)",
    "password=hunter2",
    '{"password": "hun ter2", "user": "ann"}',
    r"{\"token\":\"a b\",\"user\":1}",
    "x-api-key=k-1&page=2",
    "AWS_SECRET_ACCESS_KEY=wJalr/K7 spark.hadoop.fs.s3a.access.key=AKIA",
    "Authorization: Bearer eyJh.bG authorization=Basic dXNlcg== Authorization: Digest a=b, c=d\nnext",
    "jdbc:postgresql://ann:p@w/d@db:5432/x and redis://:pw@cache and https://ann@host/x",
    "connect(password='a', port=1); pass: b, bypass=true, PASS=c; Pass = d",
    'pwd=`a b` passphrase = """a\nb""" private_key: abc',
    "a,b;password=c;d, credential: é日本",
    "pwd=" + "x" * 900,
    "broker1:9092,sasl://u:s3cret@broker2:9092 token = 'never closed",
]

DESCRIPTIONS = {
    "select * from customers where card = '4111'": "select",
    "\n  INSERT INTO t VALUES (1, 'hunter2')": "INSERT",
    "with a as (select 1) select * from a": "with",
    'Spark Connect - session_id: "x"\nplan { root {': "Spark Connect",
    "count at NativeMethodAccessorImpl.java:0": "count at NativeMethodAccessorImpl.java:0",
    "insert daily rows, password=hunter2": "insert daily rows, password=***",
    "": "",
}
"""What Spark says a query is for, and what we say of it where nobody asked for SQL text."""

SAMPLERS = [("traceidratio", "0.5"), ("parentbased_traceidratio", "0.25"), ("traceidratio", "0"), ("traceidratio", "1")]
IDS = [f"{7 * n + 1:032x}" for n in (0, 2**60, 2**61, 2**62, 2**63, 2**64 // 7 - 1)]

ANSWERS = """{
    "ids": [[listener.identity(size, parts) for size in (8, 16)] for parts in asked["parts"]],
    "described": [listener.describe(text) for text in asked["descriptions"]],
    "masked": [listener.mask(text) for text in asked["texts"]],
    "sampled": [[listener.samples(name, ratio, id) for id in asked["ids"]] for name, ratio in asked["samplers"]],
    "off": listener.samples("always_off", "", asked["ids"][0]),
    "on": listener.samples("", "", asked["ids"][0]),
    "diagnoses": listener.diagnoses(),
}"""


@pytest.fixture(scope="module")
def answers(ask: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what Java says to all of it."""
    asked = {"parts": PARTS, "texts": TEXTS, "samplers": SAMPLERS, "ids": IDS, "descriptions": list(DESCRIPTIONS)}
    return ask(ANSWERS, asked, tmp_path_factory.mktemp("vectors"))


def test_ids(answers: dict[str, Any]) -> None:
    """Both hash the same parts to the same 8 and 16 bytes: empty, non-ASCII, numbers and long ones."""
    assert answers["ids"] == [[f"{_digest(size, tuple(parts)):0{2 * size}x}" for size in (8, 16)] for parts in PARTS]


def test_masking(answers: dict[str, Any]) -> None:
    """Both mask the same secrets in the same way; what is harmless stays as it is."""
    assert answers["masked"] == [mask(text) for text in TEXTS]
    assert "hunter2" not in json.dumps(answers["masked"])


def test_statements_stay_out_of_descriptions(answers: dict[str, Any]) -> None:
    """spark-sql and the Thrift server describe a query by its text, Connect by its plan: one word of it is told."""
    assert answers["described"] == list(DESCRIPTIONS.values())


def test_sampling(answers: dict[str, Any]) -> None:
    """A JVM that decides on a root of its own decides as the Python SDK does on the same trace id."""
    expected = [
        [int(id_, 16) & (2**64 - 1) < TraceIdRatioBased(float(ratio)).bound for id_ in IDS] for _, ratio in SAMPLERS
    ]
    assert answers["sampled"] == expected
    assert (answers["off"], answers["on"]) == (False, True)


def test_diagnoses_are_documented(answers: dict[str, Any]) -> None:
    """Thresholds and floors in docs/diagnosis.md are the listener's, each row of them."""
    page = (Path(__file__).parent.parent.parent / "docs" / "diagnosis.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| ([\d.]+) \|[^|]*\| ([\d.]+) \|", page, re.MULTILINE)
    documented = {name: (float(threshold), float(floor)) for name, threshold, floor in rows}
    lines = (line.split() for line in answers["diagnoses"].splitlines())
    assert {name: (float(threshold), float(floor)) for name, threshold, floor in lines} == documented
