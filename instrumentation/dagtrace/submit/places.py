"""
The places a carrier goes to: tiny functions that return a copy, and never touch a value the user set.

Each takes what the user has there, None included, and the carrier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dagtrace.submit.carrier import CONF, TRACEPARENT


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dagtrace.submit.call import Place
    from dagtrace.submit.carrier import Carrier


def environment(user: Mapping[str, Any] | None, carrier: Carrier) -> dict[str, Any]:
    """Add to a mapping of environment variables."""
    mine = dict(user or {})
    return mine if TRACEPARENT in mine else {**carrier.environment, **mine}


def own_environment(user: Mapping[str, Any] | None, carrier: Carrier) -> Any:
    """Add to an environment, if there is one: without, the process inherits ours."""
    return user if user is None else environment(user, carrier)


def asked_environment(user: Mapping[str, Any] | None, carrier: Carrier) -> Any:
    """Fill the empty variables of ours that the user has left room for: where more could do harm, he asks for it."""
    asked = {name: value for name, value in carrier.environment.items() if (user or {}).get(name) == ""}
    return {**user, **asked} if user and asked else user


def environment_list(user: Sequence[Mapping[str, Any]] | None, carrier: Carrier) -> list[Mapping[str, Any]]:
    """Add to a list of ``{"name": …, "value": …}``, as Kubernetes and ECS have them."""
    mine = list(user or ())
    if any(entry.get("name") == TRACEPARENT for entry in mine):
        return mine
    return [*mine, *({"name": name, "value": value} for name, value in carrier.environment.items())]


def docker_environment(user: Mapping[str, Any] | Sequence[str] | None, carrier: Carrier) -> Any:
    """Add to what Docker's client takes: a mapping, or a list of ``NAME=value``."""
    if not isinstance(user, (list, tuple)):
        return environment(cast("Mapping[str, Any] | None", user), carrier)
    if any(entry.partition("=")[0] == TRACEPARENT for entry in user):
        return user
    return [*user, *(f"{name}={value}" for name, value in carrier.environment.items())]


def spark_conf(user: Mapping[str, Any] | None, carrier: Carrier) -> dict[str, Any]:
    """Add to Spark properties."""
    mine = dict(user or {})
    mine.setdefault(CONF, carrier.traceparent)
    return mine


def spark_conf_for(prefix: str) -> Callable[[Mapping[str, Any] | None, Carrier], dict[str, Any]]:
    """Return a place for Spark properties that also name the driver's environment, as ``<prefix>TRACEPARENT``."""

    def place(user: Mapping[str, Any] | None, carrier: Carrier) -> dict[str, Any]:
        mine = spark_conf(user, carrier)
        if prefix + TRACEPARENT not in mine:
            mine.update({prefix + name: value for name, value in carrier.environment.items()})
        return mine

    return place


def conf_text(user: str | None, carrier: Carrier, prefix: str = "") -> str:
    """Add ``--conf`` to a line of spark-submit's parameters; nothing else is in a carrier that a shell would read."""
    mine = user or ""
    found = spark_conf_for(prefix)({}, carrier) if prefix else spark_conf({}, carrier)
    more = [f"--conf {key}={value}" for key, value in found.items() if f"{key}=" not in mine]
    return " ".join([*([mine] if mine else []), *more])


def conf_list(user: Mapping[str, Any] | str | None, carrier: Carrier) -> Any:
    """Add to properties in a mapping, or in a text of ``key=value`` with commas between, as SparkSqlHook takes them."""
    if not isinstance(user, str):
        return spark_conf(user, carrier)
    return user if f"{CONF}=" in user else ",".join([*([user] if user else []), f"{CONF}={carrier.traceparent}"])


_SUBMITS = ("spark-submit", "run-example", "spark-sql", "pyspark-submit")


def submit_arguments(user: Sequence[str], carrier: Carrier) -> Sequence[str]:
    """Add ``--conf`` to a command line, right after the word that submits; any other command stays as it is."""
    at = next((n for n, word in enumerate(user) if str(word).rpartition("/")[2] in _SUBMITS), None)
    if at is None or any(str(word).startswith(f"{CONF}=") for word in user):
        return user
    return [*user[: at + 1], "--conf", f"{CONF}={carrier.traceparent}", *user[at + 1 :]]


def inside(key: str, *deeper: str, place: Place, create: bool = False) -> Place:
    """
    Return a place deeper within nested mappings, the ones on the way copied.

    Where a mapping on the way is missing there is no such place, unless ``create``.
    """

    def descend(user: Any, carrier: Carrier) -> Any:
        if user is None and not create:
            return user
        mine: dict[str, Any] = dict(user or {})
        here = inside(*deeper, place=place, create=create) if deeper else place
        if key not in mine and not create:
            return user
        value = here(mine.get(key), carrier)
        return user if value is mine.get(key) else {**mine, key: value}

    return descend


def each(place: Place) -> Place:
    """Return a place in every item of a list."""

    def placed(user: Any, carrier: Carrier) -> Any:
        if not isinstance(user, (list, tuple)):
            return user
        return [place(item, carrier) for item in cast("Sequence[Any]", user)]

    return placed
