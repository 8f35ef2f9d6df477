"""Real parts for the tests: an OTLP sink, a PostgreSQL, an Airflow."""
