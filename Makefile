# README's two: `make demo` and `make test`. Each does all of its own set-up on a machine with Python >= 3.10, a JDK 17 and make.
PYTHON ?= python3
UV     := .cache/uv/bin/uv
RUN    := $(UV) run --frozen --no-sync

export UV_PYTHON_DOWNLOADS := never

OLDEST := 2.11.2 3.0.6
OLDEST_SPARK := 3.5.9
ZOO    := $(patsubst %,tests/spark/test_%.py,numbers scenes workload)
ROWS   := $(patsubst %,tests/e2e/test_%.py,fates hands kinds links imports parsing)

.PHONY: demo test test-unit test-real test-matrix test-oldest test-spark-oldest test-backends backends stack lint format names boards pictures bench clean help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/.demo ## run the flights DAG with Spark in one process and draw its trace (about a minute)
	@$(RUN) dagtrace demo

test: test-unit test-real ## unit tests, then real Airflow and real Spark (newest of both)
	@echo "left out: real collector, Jaeger, Prometheus, Alertmanager (make test-backends, needs Go); other rows (make test-matrix)"

test-unit: .venv/.dev
	$(RUN) pytest -m "not real" -q

test-real: .venv/.dev browser
	$(RUN) pytest -m "real and not matrix and not full and not backends" --durations=15

test-matrix: .venv/.dev ## all other rows on the newest Airflow and Spark: kinds, executors, neighbours, examples, clusters, any driver
	$(RUN) pytest -m "matrix and not full" --durations=15

test-oldest: .venv/.dev ## the rows that every version has, on the oldest Airflow of each line; side by side, they mostly wait
	$(RUN) python tests/support/cells.py airflow $(OLDEST)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target $(OLDEST:%=test-cell-%)

test-cell-%: .venv/.dev
	DAGTRACE_CELL=$* $(RUN) pytest $(ROWS) -q --durations=5

test-spark-oldest: .venv/.dev ## the zoo of Spark applications on the oldest line that is still maintained
	$(RUN) python tests/support/cells.py spark $(OLDEST_SPARK)
	DAGTRACE_SPARK_CELL=$(OLDEST_SPARK) $(RUN) pytest $(ZOO) -q --durations=5

backends: ## build the real collector, Jaeger, Prometheus, Alertmanager and pint (needs Go; once, minutes; outside the tree)
	@$(PYTHON) tests/support/backends.py

stack: ## run them on loopback with the files of collector_config/ until Ctrl-C; STACK="gateway.yaml files.yaml" for others
	@$(PYTHON) tests/support/stack.py $(STACK)

test-backends: .venv/.dev backends ## real Airflow and Spark into real collector, Jaeger and Prometheus
	$(RUN) pytest -m "backends and not full" --durations=15

lint: .venv/.dev ## ruff and pyright, both strict
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) pyright
	$(RUN) pyright -p dashboards  # Grafana's SDK wants Python 3.11

format: .venv/.dev ## let ruff mend what it can
	$(RUN) ruff check --fix
	$(RUN) ruff format

names: .venv/.dev ## regenerate the attribute and metric names from semconv/model
	cd instrumentation && ../.venv/bin/python -m dagtrace.semconv.generate

boards: .venv/.dev ## write Grafana's boards and alerts out of dashboards/source and dashboards/rules
	$(RUN) python dashboards/generate.py

pictures: ## draw the boards with what the last `make test-backends` has left (needs Node 20 and Chromium)
	@for board in .cache/boards/*.json; do $(PYTHON) dashboards/draw.py dashboards/boards/$$(basename $$board) $$board docs/boards/$$(basename $$board .json).png || exit 1; done

bench: .venv/.dev ## what dagtrace costs, paired runs
	$(RUN) python benchmarks/run.py

clean: ## remove the environment and the demo's files
	rm -rf .venv .cache .demo

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "dagtrace needs Python 3.10 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/pip install -q 'uv>=0.9'

.PHONY: browser
browser: # `.ci/run` installs it
	@command -v chromedriver >/dev/null || echo "no chromedriver: the test of the links in Airflow's UI is left out (Debian: apt-get install chromium chromium-driver)" >&2

.PHONY: jdk
jdk:
	@command -v javac >/dev/null || test -x "$$JAVA_HOME/bin/javac" || { echo "dagtrace builds its Spark listener with javac, and Spark needs Java: install a JDK 17 (Debian: apt-get install openjdk-17-jdk-headless)" >&2; exit 1; }

SOURCES := pyproject.toml uv.lock hatch_build.py $(wildcard instrumentation/dagtrace.*) $(wildcard instrumentation/dagtrace/spark/listener/io/dagtrace/spark/*.java)

.venv/.demo: $(SOURCES) | jdk $(UV)
	@echo "setting up .venv (first time: 450 MB of Airflow and Spark)"
	@$(UV) sync -q --frozen --python $(PYTHON) --inexact --no-default-groups --group demo --reinstall-package dagtrace
	@touch $@

.venv/.dev: $(SOURCES) | jdk $(UV)
	@echo "setting up .venv (first time: 900 MB of Airflow, Spark and Airflow's providers)"
	@$(UV) sync -q --frozen --python $(PYTHON) --inexact --reinstall-package dagtrace
	@touch $@ .venv/.demo
