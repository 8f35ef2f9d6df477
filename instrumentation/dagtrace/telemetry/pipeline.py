"""
Delivery: one bounded queue, one daemon thread, one time budget for all signals.

Not the SDK's BatchSpanProcessor and PeriodicExportingMetricReader: with a dead collector their shutdown holds a process
for 6 to 30 s, ``force_flush(timeout)`` ignores its timeout, and after a fork the metric reader's lock may be held for
ever (opentelemetry-python #4568, #3307; measured in docs/adr/0002). The SDK's exporters, encoders and aggregation do
the actual work.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from dagtrace.masking import mask
from dagtrace.record import Point
from dagtrace.semconv import metrics
from dagtrace.telemetry import destination, guard
from dagtrace.telemetry.metrics import Meter
from dagtrace.telemetry.process import make_resource
from dagtrace.telemetry.spans import to_span, within


if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import ReadableSpan

    from dagtrace.identity import SpanContext
    from dagtrace.options import Options
    from dagtrace.record import SpanRecord

_MOST = 10**9
"""What no queue is longer than and no delay either: eleven days in milliseconds."""


def _number(variable: str, default: int) -> int:
    """Return a whole ``OTEL_*`` number that a clock and a queue can hold, or its default after one warning."""
    text = os.environ.get(variable, "").strip()
    try:
        value = float(text or default)
    except ValueError:
        value = -1.0
    if not 1 <= value <= _MOST:  # nan is not either
        guard.warn_once(
            variable, "%s=%r is ignored: expected a number from 1 to %d; using %s", variable, text, _MOST, default
        )
        return default
    return int(value)


_AWAY = "away"
"""Of a destination that refuses, and of one that does not answer in time: one line a minute, whichever comes first."""


class _Asked:
    """Somebody waits for a flush, and how it went."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.delivered = False


class Pipeline:
    """What one process has to tell, on its way out."""

    def __init__(
        self, options: Options, service: str = "dagtrace", component: str | None = None, *, lasting: bool = False
    ) -> None:
        self.resource = make_resource(service, component)
        self.budget = self._full_budget = min(options.flush_timeout, threading.TIMEOUT_MAX)  # what can be waited for
        self._sampler = TracerProvider(resource=self.resource, shutdown_on_exit=False).sampler
        self._spans = destination.span_exporter(options)
        self._metrics: Any = destination.metric_exporter(options)
        self.meter = Meter(self.resource, self._metrics, lasting=lasting)
        self._queue: deque[ReadableSpan] = deque()
        self._most = _number("OTEL_BSP_MAX_QUEUE_SIZE", 20_000)
        self._batch = _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
        self._delay = _number("OTEL_BSP_SCHEDULE_DELAY", 1_000) / 1_000
        self._interval = _number("OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1_000
        self._collected = time.monotonic()
        self._lost = 0
        self._told: dict[str, int] = {"errors": 0, "lost": 0}
        self._wake = threading.Event()
        self._waiting: deque[_Asked] = deque()
        self._failed = False
        self._in_hand = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def samples(self, trace_id: int, parent: SpanContext | None = None) -> bool:
        """Return whether the sampler takes this trace, as a root or below a span outside."""
        return self._sampler.should_sample(within(parent), trace_id, "").decision.is_sampled()

    def put(self, records: Iterable[SpanRecord]) -> None:
        """Queue records; those the root's sampler left out stop here."""
        self.queue([to_span(record, self.resource) for record in records if record.sampled])

    def queue(self, spans: Iterable[ReadableSpan]) -> None:
        """Queue finished SDK spans; beyond the queue's length they are lost and counted."""
        for span in spans:
            if self._spans is None:
                return
            if len(self._queue) >= self._most:
                self._lose(1, "the queue is full (OTEL_BSP_MAX_QUEUE_SIZE)")
                continue
            self._queue.append(span)
        if self._queue:
            self._start()
            if len(self._queue) >= self._batch:
                self._wake.set()

    def hurry(self) -> None:
        """Wake the delivery: what is queued should be out soon, because whoever made it may be killed."""
        if self._queue:
            self._wake.set()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver everything within ``timeout`` seconds or the rest of the budget; return whether that worked."""
        self._start()
        asked = _Asked()
        started = time.monotonic()
        self._waiting.append(asked)
        self._wake.set()
        finished = asked.done.wait(max(0.0, self.budget if timeout is None else min(timeout, self.budget)))
        if finished and asked.delivered:
            return True
        self.budget -= time.monotonic() - started
        if not finished:
            guard.say_at_most_once_a_minute(
                _AWAY,
                "telemetry was not delivered within DAGTRACE_FLUSH_TIMEOUT=%g s%s; %d spans were still to go",
                self._full_budget,
                f" to {destination.shown('TRACES')}" if destination.endpoint("TRACES") else "",
                len(self._queue) + self._in_hand,
            )
        return False

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="dagtrace-telemetry", daemon=True)
                self._thread.start()

    @guard.unobserved()
    def _run(self) -> None:
        destination.HUSH.listen()
        while True:
            self._wake.wait(self._delay)
            self._wake.clear()
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._failed = False
            try:
                something = bool(self._queue)
                self._deliver_spans()
                if waiting or time.monotonic() - self._collected >= self._interval:
                    self._deliver_metrics()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any one batch
                self._stumble(error)
            else:
                if something and not self._failed:
                    # The destination is there (again): whoever waits next may wait the whole budget. In a process that
                    # lives on, a collector's bad hour must not end all waiting for ever.
                    self.budget = self._full_budget
            for asked in waiting:
                asked.delivered = not self._failed
                asked.done.set()

    def _deliver_spans(self) -> None:
        while self._queue and self._spans is not None:
            batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
            self._in_hand = len(batch)
            try:
                self._export(batch)
            except Exception as error:  # noqa: BLE001 - a batch that raises must not hold up the next
                self._stumble(error)
                self._save(batch)
            finally:
                self._in_hand = 0

    def _export(self, batch: list[ReadableSpan]) -> None:
        if self._spans is not None and (reason := _refusal(self._spans, batch, SpanExportResult.SUCCESS)) is not None:
            self._failed = True
            self._lose(len(batch), reason)

    def _save(self, batch: list[ReadableSpan]) -> None:
        """Send what can be encoded of a batch that could not; where that is all of it, the fault is not the spans'."""
        good = [span for span in batch if destination.encodes(span)]
        if len(good) == len(batch):
            good = []
        self._lost += len(batch) - len(good)
        if good:
            try:
                self._export(good)
            except Exception:  # noqa: BLE001 - said already
                self._lost += len(good)

    def _stumble(self, error: Exception) -> None:
        self._failed = True
        guard.errors["delivery"] = guard.errors.get("delivery", 0) + 1
        guard.say_at_most_once_a_minute("delivery", "delivery failed: %s: %s", type(error).__name__, mask(str(error)))

    def _deliver_metrics(self) -> None:
        self._collected = time.monotonic()
        self._tell_own_health()
        data = self.meter.collect()
        if data is None or self._metrics is None:
            return
        if (reason := _refusal(self._metrics, data, MetricExportResult.SUCCESS)) is not None:
            self._failed = True
            self._complain("metrics", reason)

    def _tell_own_health(self) -> None:
        now = {"errors": sum(guard.errors.values()), "lost": self._lost}
        for name, metric in (("errors", metrics.DAGTRACE_ERRORS), ("lost", metrics.DAGTRACE_SPANS_LOST)):
            if now[name] > self._told[name]:
                self.meter.record([Point(metric, now[name] - self._told[name])])
        self._told = now

    def _lose(self, count: int, reason: str) -> None:
        self._lost += count
        self._complain(f"{self._lost} spans", reason)

    def _complain(self, what: str, reason: str) -> None:
        where = destination.shown("TRACES")
        if where is None and not reason:
            return  # local files have said themselves why they cannot be written
        guard.say_at_most_once_a_minute(
            _AWAY,
            "%s could not be delivered%s: %s",
            what,
            f" to {where}" if where else "",
            reason or "no reason given",
        )


def _refusal(exporter: Any, what: Any, success: object) -> str | None:
    """
    Export; return why the destination did not take it, None where it did.

    An endpoint that cannot be reached is an answer like another in newer exporters, which say it in a log line and
    return FAILURE; older ones (1.30) let the exception of requests pass, which is an OSError.
    """
    destination.HUSH.reason = ""
    try:
        return None if exporter.export(what) is success else destination.HUSH.reason
    except OSError as error:
        return mask(f"{type(error).__name__}: {error}")[:300]


def preload(options: Options) -> None:
    """Import what the destination needs, without opening anything."""
    destination.span_exporter(options)
    destination.metric_exporter(options)
