"""The alerts: whole, about what is emitted, and firing when they should, by promtool, pint and amtool themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import alerting
import promql
from dagtrace.semconv import metrics
from support import backends
from support.backends import CONFIG, ROOT
from support.prometheus_names import ours, series


if TYPE_CHECKING:
    from pathlib import Path


DASHBOARDS = ROOT / "dashboards"
FILES = sorted((DASHBOARDS / "rules").glob("*.yml"))
TESTS = sorted((DASHBOARDS / "rules" / "tests").glob("*.yml"))
RULES = promql.rules(FILES)
ALERTS = {rule.name: rule for rule in RULES if rule.is_alert}
RECORDS = {rule.name: rule for rule in RULES if not rule.is_alert}

SEVERITIES = ("critical", "high", "medium", "low")

needs_backends = [pytest.mark.real, pytest.mark.backends]
each = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)


def _ask(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)
    return subprocess.run(
        [str(backends.binary(name)), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def _tests() -> list[dict[str, Any]]:
    return [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]


class TestEveryAlert:
    """What holds for each of them."""

    def test_there_are_those_that_were_asked_for(self) -> None:
        """Runs, tasks, silence, queues, data, Spark, parsing and the telemetry itself each have theirs."""
        assert {
            *("DagRunFailed", "TaskFailingRepeatedly", "DagRunSlow", "DagRunLate", "DagSilent", "AirflowDown"),
            *("DagRunStuck", "TasksStarving", "PoolFull", "RetryStorm", "DeadlineMissed", "DagFileImportErrors"),
            *("DagFileSlow", "DagFileQueryHeavy", "AssetStale", "DatasetZeroRows", "DatasetRowsOff"),
            *("SparkApplicationFailed", "SparkStagesFailed", "SparkSkew", "SparkSpill", "SparkGc", "SparkIdleCores"),
            *("DagtraceSpansLost", "DagtraceErrors", "SparkTelemetryDropped", "CollectorSendFailed"),
            *("CollectorEnqueueFailed", "CollectorQueueFilling", "CollectorRefusing", "CollectorDown"),
        } <= set(ALERTS)

    @each
    def test_it_says_how_bad_and_whose(self, alert: promql.Rule) -> None:
        """Severity is one of four, it is ours; owner and team come with the DAG, or are said to be nobody's."""
        assert alert.labels["product"] == "dagtrace"
        severity = alert.labels["severity"]
        default = re.fullmatch(r'\{\{ or \$labels\.severity "(\w+)" \}\}', severity)
        assert (default[1] if default else severity) in SEVERITIES
        if "airflow_dag_id" in alert.expr:
            assert default
            assert "group_left (owner, team, severity)\nairflow_dag:watched" in alert.expr
        else:
            assert alert.labels["owner"] == alert.labels["team"] == ""

    @each
    def test_it_says_what_to_do(self, alert: promql.Rule) -> None:
        """A summary, a description with the number, and a runbook in steps."""
        assert set(alert.annotations) - {"trace"} == {"summary", "description", "runbook"}
        assert "$value" in alert.annotations["description"] or alert.name in {"AirflowDown", "NoCollector"}
        assert re.match(r"1\. .+", alert.annotations["runbook"])
        assert len(alert.annotations["runbook"].splitlines()) <= 4

    @each
    def test_it_leads_to_the_trace(self, alert: promql.Rule) -> None:
        """Where it is about a DAG, a file or an application, a link searches Jaeger for it."""
        if {"airflow_dag_id", "airflow_dag_file_path", "spark_application_name"} & set(
            re.findall(r"\w+", alert.annotations["summary"] + alert.annotations["description"])
        ) and not alert.name.startswith("SparkTelemetry"):
            assert alert.annotations["trace"].startswith("{{ $externalLabels.traces }}/search?service={{")

    @each
    def test_it_has_been_seen_to_fire_and_not_to_fire(self, alert: promql.Rule) -> None:
        """Promtool's tests have a moment at which it fires, and one at which it does not."""
        asked = [ask for test in _tests() for ask in test["promql_expr_test"] if f'"{alert.name}"' in ask["expr"]]
        assert {bool(ask.get("exp_samples")) for ask in asked} == {True, False}

    def test_all_numbers_are_in_one_file(self) -> None:
        """Each threshold is used, and each that is used is there."""
        there = {rule.name for rule in promql.rules([DASHBOARDS / "rules" / "thresholds.yml"])}
        used = {name for rule in RULES for name in promql.names(rule.expr) if name.startswith("threshold:")}
        assert there == used

    def test_they_read_what_is_emitted(self) -> None:
        """Each name is a series of one of our metrics, of the collector, Prometheus' own, or recorded here."""
        known = {name for metric in ours() for name in series(metric)} | set(RECORDS) | {"up"}
        read = {name for rule in RULES for name in promql.names(rule.expr)}
        assert {name for name in read - known if not name.startswith("otelcol_")} == set()
        assert {"airflow_dag_run_count_total", "data_dataset_rows_total", "spark_stage_skew_bucket"} <= read

    def test_they_can_be_tried_on_the_past(self) -> None:
        """In each, every recorded name can be replaced by its expression, all the way down."""
        for rule in RULES:
            left = promql.names(promql.inline(rule.expr, RECORDS, 300))
            assert not left & set(RECORDS), rule.name


@pytest.mark.parametrize(
    ("name", "instrument", "unit", "expected"),
    [
        ("airflow.dag_run.count", "counter", "{run}", ("airflow_dag_run_count_total",)),
        ("airflow.dag.last_success", "gauge", "s", ("airflow_dag_last_success_seconds",)),
        ("spark.stage.spill", "counter", "By", ("spark_stage_spill_bytes_total",)),
        ("data.dataset.bytes", "counter", "By", ("data_dataset_bytes_total",)),
        ("a.share", "gauge", "1", ("a_share_ratio",)),
        (
            "spark.stage.skew",
            "histogram",
            "1",
            ("spark_stage_skew_bucket", "spark_stage_skew_count", "spark_stage_skew_sum"),
        ),
    ],
)
def test_names_in_prometheus(name: str, instrument: str, unit: str, expected: tuple[str, ...]) -> None:
    """Dots become underscores, units and ``total`` suffixes, as seen in a Prometheus that took them by OTLP."""
    assert series(metrics.Metric(name, instrument, unit, "", ())) == expected


def test_names_in_an_expression() -> None:
    """Functions, labels, matchers, texts, comments and durations are no names of series."""
    expr = """# not_this
      sum by (not_this, nor_this) (rate(a_total{not_this="b_total"}[5m] offset 1h)) # nor_this
      / on (not_this) group_left (nor_this) c:d:e > 1e10 or label_replace(f, "not_this", "$1", "x", "y")
      and time() > 3 """
    assert promql.names(expr) == {"a_total", "c:d:e", "f"}


def test_grafanas_alerts_are_those_of_the_rules() -> None:
    """Who changes a rule runs ``make boards``; who edits its output is found out."""
    assert alerting.OUTPUT.read_text(encoding="utf-8") == alerting.text()


def test_the_page_has_all_alerts() -> None:
    """The table in ``docs/alerts.md`` is written out of the rules."""
    page = alerting.DOCS.read_text(encoding="utf-8")
    assert page == alerting.documented(page)
    assert all(f"| `{name}` |" in page for name in ALERTS)


def test_grafana_is_given_its_own_words() -> None:
    """Dollars are doubled, but for the variable that Grafana is to expand; values and labels are Grafana's."""
    given = alerting.provisioning(FILES)
    rules: list[dict[str, Any]] = [rule for group in given["groups"] for rule in group["rules"]]
    assert [rule["title"] for rule in rules] == list(ALERTS)
    assert len({rule["uid"] for rule in rules}) == len(rules)
    assert all(len(rule["uid"]) <= 40 for rule in rules)
    for rule in rules:
        texts = [*rule["labels"].values(), *rule["annotations"].values(), rule["data"][0]["model"]["expr"]]
        for text in texts:
            alone = text.replace("$$", "").replace("${DAGTRACE_JAEGER_URL}", "")
            assert "$" not in alone
            assert "$labels." not in text
            assert "externalLabels" not in text
    (failed,) = (rule for rule in rules if rule["title"] == "DagRunFailed")
    assert failed["annotations"]["summary"] == 'A run of {{ (index $$labels "airflow_dag_id") }} failed'
    assert "{{ $$values.A.Value | humanizeTimestamp }}" in failed["annotations"]["description"]
    assert failed["annotations"]["trace"].startswith("${DAGTRACE_JAEGER_URL}/search?")


def test_routes_lead_to_receivers_and_links_stay_out_of_labels() -> None:
    """Prometheus has the address of the traces, and takes it off again before Alertmanager groups by it."""
    document: dict[str, Any] = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    assert document["global"]["external_labels"] == {"traces": "${DAGTRACE_JAEGER_URL}"}
    assert document["alerting"]["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "traces"}]
    receivers = yaml.safe_load((CONFIG / "alertmanager.yml").read_text())["receivers"]
    urls = [hook["url"] for receiver in receivers for hook in receiver["webhook_configs"]]
    assert all(url.startswith("http://127.0.0.1:5001/") for url in urls)


class TestRealPrograms:
    """What the programs themselves say of the rules."""

    pytestmark = needs_backends

    def test_promtool_takes_them(self) -> None:
        """No rule is a syntax error or a duplicate."""
        done = _ask("promtool", "check", "rules", "--lint=all", "--lint-fatal", *FILES)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_pint_finds_nothing(self) -> None:
        """No finding at all, of the lowest severity on."""
        config = DASHBOARDS / "pint.hcl"
        done = _ask("pint", "--offline", "-n", "-c", config, "lint", "--min-severity=info", "--fail-on=info", *FILES)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
    def test_they_fire_when_they_should(self, file: Path) -> None:
        """Promtool plays series to the rules: whole lists of what fires, at each of these times."""
        done = _ask("promtool", "test", "rules", file)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.full
    @pytest.mark.parametrize("file", ["airflow", "data", "spark", "telemetry"])
    def test_the_tests_notice_a_comparison_that_is_turned_round(self, file: str, tmp_path: Path) -> None:
        """Each comparison of each alert, turned round alone, makes a test fail."""
        original = (DASHBOARDS / "rules" / f"{file}.yml").read_text()
        shutil.copytree(DASHBOARDS / "rules", tmp_path / "rules")
        unnoticed: list[str] = []
        for alert in promql.rules([DASHBOARDS / "rules" / f"{file}.yml"]):
            start = original.index(f"- alert: {alert.name}\n") if alert.is_alert else -1
            if start < 0:
                continue
            end = original.index("annotations:", start)
            tests = _small_tests(tmp_path / "rules" / "tests", file, alert.name)
            (tmp_path / "rules" / f"{file}.yml").write_text(original)
            assert _ask("promtool", "test", "rules", *tests).returncode == 0
            for found in re.finditer(r" (<=|>=|==|<|>) ", original[start:end]):
                turned = {"<": ">", ">": "<", "<=": ">", ">=": "<", "==": "!="}[found[1]]
                at = start + found.start(1)
                changed = original[:at] + turned + original[at + len(found[1]) :]
                (tmp_path / "rules" / f"{file}.yml").write_text(changed)
                if _ask("promtool", "test", "rules", *tests).returncode == 0:
                    unnoticed.append(f"{alert.name}: {found[0]} at {found.start()}")
        assert unnoticed == []

    @pytest.mark.parametrize("file", [test.stem for test in TESTS])
    def test_every_template_expands(self, file: str, tmp_path: Path) -> None:
        """What promtool says of alerts that nobody expected: their texts as they would be sent, without any error."""
        shutil.copytree(DASHBOARDS / "rules", tmp_path / "rules")
        path = tmp_path / "rules" / "tests" / f"{file}.yml"
        document: dict[str, Any] = yaml.safe_load(path.read_text())
        expected: set[str] = set()
        for test in document["tests"]:
            fire = [ask for ask in test.pop("promql_expr_test") if ask.get("exp_samples")]
            at = {(name, ask["eval_time"]) for ask in fire for name in ALERTS if f'"{name}"' in ask["expr"]}
            expected |= {name for name, _ in at}
            test["alert_rule_test"] = [{"alertname": name, "eval_time": time, "exp_alerts": []} for name, time in at]
            test["external_labels"] = {"traces": "http://jaeger"}
        path.write_text(yaml.safe_dump(document))
        said = _ask("promtool", "test", "rules", path)
        texts = said.stdout + said.stderr
        assert {name for name in expected if f"alertname: {name}," in texts} == expected
        assert re.findall(r"<error|\{\{|<no value>|%!", texts) == []

    @pytest.mark.parametrize(
        ("labels", "receiver"),
        [
            ({"severity": "critical", "team": "data"}, "pager"),
            ({"severity": "low", "team": "data"}, "digest"),
            ({"severity": "high", "team": "data"}, "team-data"),
            ({"severity": "medium", "owner": '"ann, finance"'}, "owner-finance"),
            ({"severity": "medium", "owner": '"finance"'}, "owner-finance"),
            ({"severity": "medium", "owner": '"refinance"'}, "webhook"),
            ({"severity": "high"}, "webhook"),
        ],
    )
    def test_alertmanager_routes_them(self, labels: dict[str, str], receiver: str) -> None:
        """By severity where it is extreme, else by team and owner, else to the first."""
        said = [f"{name}={value}" for name, value in labels.items()]
        file = CONFIG / "alertmanager.yml"
        done = _ask(
            "amtool", "config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}", *said
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _small_tests(folder: Path, file: str, alert: str) -> list[Path]:
    """Write those tests of a rule file that ask for one alert, alone."""
    written: list[Path] = []
    for source in (DASHBOARDS / "rules" / "tests").glob(f"{file}*.yml"):
        document: dict[str, Any] = yaml.safe_load(source.read_text())
        about: list[dict[str, Any]] = [
            test for test in document["tests"] if any(alert in ask["expr"] for ask in test["promql_expr_test"])
        ]
        if about:
            target = folder / source.name
            target.write_text(yaml.safe_dump({**document, "tests": about}))
            written.append(target)
    return written
