"""The names: model/*.yaml is the source, attributes.py, metrics.py, Names.java and docs/semconv.md are generated."""
