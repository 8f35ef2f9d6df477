"""One application of the Spark zoo: what Spark said of it, beside what we said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from dagtrace.record import SpanRecord


@dataclass
class Application:
    """An application, from both sides."""

    truth: dict[str, Any]
    spans: list[SpanRecord]

    def named(self, level: str) -> list[SpanRecord]:
        """Return the spans of one level, ``spark.job`` for one."""
        return named(self.spans, level)

    @property
    def stages(self) -> dict[tuple[int, int], dict[str, Any]]:
        """The REST API's stage attempts that ran, without those of work whose parent is not sampled."""
        return {
            (stage["stageId"], stage["attemptId"]): stage
            for stage in self.truth["rest"]["stages"]
            if stage["status"] not in {"SKIPPED", "PENDING"} and stage.get("description") != "unsampled"
        }

    @property
    def told(self) -> dict[tuple[Any, Any], SpanRecord]:
        """Our spans of stage attempts."""
        keys = (names.SPARK_STAGE_ID, names.SPARK_STAGE_ATTEMPT_ID)
        return {(s.attributes[keys[0]], s.attributes[keys[1]]): s for s in self.named("spark.stage")}


def named(spans: list[SpanRecord], level: str) -> list[SpanRecord]:
    """Return the spans of one level."""
    return [span for span in spans if span.name.split(" ")[0] == level]


def milliseconds(date: str) -> int:
    """Return a date of the REST API's, in ms since the epoch."""
    return round(datetime.strptime(date.replace("GMT", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)
