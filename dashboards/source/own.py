"""*dagtrace itself*: whether what it watches arrives."""

from __future__ import annotations

from source.board import ENVIRONMENT, Board
from source.panels import BAD, FAIR, Look, Query, graph, one
from source.promql import by, or_zero


HERE = 'deployment_environment_name=~"$environment"'
LASTING, SHORT = 'instance!~"collector-.*"', 'instance=~"collector-.*"'
RATE = "$__rate_interval"


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-self",
        "dagtrace itself",
        "Whether what dagtrace watches arrives: its own errors and losses, the Spark listener, the collector.",
        (ENVIRONMENT,),
    )
    made.row("", *_facts())
    made.row("dagtrace", *_own())
    made.row("Collector", *_collector())
    return made


def _both(metric: str, over: str) -> str:
    """Return what long-lived processes counted (growing) and short ones told (increments)."""
    lasting = f"sum(increase({metric}{{{HERE},{LASTING}}}[{over}]))"
    return f"({lasting} or vector(0)) + (sum(sum_over_time({metric}{{{HERE},{SHORT}}}[{over}])) or vector(0))"


def _facts() -> tuple[object, ...]:
    dropped = f"sum(sum_over_time(dagtrace_spark_events_dropped_total{{{HERE}}}[$__range]))"
    lost = f"sum(sum_over_time(dagtrace_spark_records_lost_total{{{HERE}}}[$__range]))"
    failed = "sum(increase(otelcol_exporter_send_failed_spans[$__range]))"
    return (
        one(
            "Errors",
            "Errors inside dagtrace that were kept from the user's work, in the time range; the logs say which.",
            Query(f"round({_both('dagtrace_errors_total', '$__range')})"),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Spans lost",
            "Spans that could neither be delivered nor stored, in the time range.",
            Query(f"round({_both('dagtrace_spans_lost_total', '$__range')})"),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Spark events dropped",
            "Events that Spark's listener bus dropped from dagtrace's queue: the driver was too busy.",
            Query(or_zero(dropped)),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Spark records lost",
            "Events and spans that the listener lost.",
            Query(or_zero(lost)),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Collectors",
            "Collectors that Prometheus reaches.",
            Query(or_zero('sum(up{job="otelcol"})')),
            Look(decimals=0, steps=[(1, "green")], base=BAD),
        ),
        one(
            "Spans refused",
            "Spans that what lies behind the collector refused for good, in the time range.",
            Query(or_zero(f"round({failed})")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
    )


def _own() -> tuple[object, ...]:
    return (
        graph(
            "Errors and losses",
            "In each interval; both are 0 as long as all is well.",
            [
                Query(_both("dagtrace_errors_total", "$__interval"), "errors"),
                Query(_both("dagtrace_spans_lost_total", "$__interval"), "spans lost"),
            ],
            Look(decimals=0),
            bars=True,
            colours={"errors": "orange", "spans lost": "red"},
            least="5m",
        ),
        graph(
            "Spark listener",
            "CPU time of the listener's own thread, by application.",
            [
                Query(
                    by(
                        "spark_application_name",
                        f"sum_over_time(dagtrace_spark_cpu_time_seconds_total{{{HERE}}}[$__interval])",
                    ),
                    "{{spark_application_name}}",
                )
            ],
            Look("s"),
            bars=True,
            empty="no Spark application ended in the time range.",
        ),
    )


def _collector() -> tuple[object, ...]:
    received, refused = "otelcol_receiver_accepted", "otelcol_receiver_refused"
    return (
        graph(
            "Received",
            "Per second, and what the collector refused because its queues or its memory were full.",
            [
                Query(f"sum(rate({received}_spans[{RATE}]))", "spans"),
                Query(f"sum(rate({received}_metric_points[{RATE}]))", "metric points"),
                Query(
                    f"sum(rate({refused}_spans[{RATE}])) + sum(rate({refused}_metric_points[{RATE}]))",
                    "refused",
                ),
            ],
            Look("ops"),
            colours={"refused": "red"},
            span=8,
        ),
        graph(
            "Sent",
            "Spans and points per second, by where they go.",
            [
                Query(by("exporter", f"rate(otelcol_exporter_sent_spans[{RATE}])"), "spans to {{exporter}}"),
                Query(by("exporter", f"rate(otelcol_exporter_sent_metric_points[{RATE}])"), "points to {{exporter}}"),
            ],
            Look("ops"),
            span=8,
        ),
        graph(
            "Queues",
            "Share of each queue that is full. At 100 % the collector takes no more, and senders keep what they can.",
            [
                Query(
                    "max by (exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)",
                    "{{exporter}} {{data_type}}",
                )
            ],
            Look("percentunit", steps=[(0.5, FAIR), (0.9, BAD)]),
            span=8,
        ),
    )
