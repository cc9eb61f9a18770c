"""The example file and the JSON Schema say the same as the models."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from kmproxy.config import certificates, load, schema
from kmproxy.config.model import Config, Table

EXAMPLE = Path(__file__).parents[2] / "config" / "kmproxy.toml"

EXAMPLES = {"domain", "upstream", "kissmetrics", "mixpanel", "form", "cookie", "tls"}
"""The options with a default that says "none", which the example shows filled in."""

SCHEMA = schema()


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's certificates are nobody's."""
    monkeypatch.setattr(certificates, "findings", lambda config: ())


def uncommented() -> dict[str, Any]:
    """The example with what it shows in comments."""
    return tomllib.loads(re.sub(r"(?m)^# (\[\[|\w+ = )", r"\1", EXAMPLE.read_text()))


def tables(table: Table) -> list[Table]:
    """The table and all below it."""
    below = []
    for value in vars(table).values():
        for item in value if isinstance(value, tuple) else (value,):
            below += tables(item) if isinstance(item, Table) else []
    return [table, *below]


def test_every_default_of_the_example_is_the_default_of_the_model() -> None:
    for table in tables(load(uncommented())):
        for name, field in type(table).model_fields.items():
            if not (field.is_required() or name in EXAMPLES or isinstance(getattr(table, name), Table)):
                assert (name, getattr(table, name)) == (name, field.get_default())


def test_the_example_shows_every_option() -> None:
    assert load(EXAMPLE).site[0].form == ()
    assert options(uncommented()) == known_options(Config)


def options(value: object, table: str = "") -> set[str]:
    """The options of the data, as in ``site.domain.host``."""
    if isinstance(value, list):
        return {table} if value == [] else set().union(*(options(item, table) for item in value))
    if not isinstance(value, dict):
        return {table}
    return set().union(*(options(item, f"{table}.{key}") for key, item in value.items()))


def known_options(kind: Any, table: str = "") -> set[str]:
    if isinstance(kind, type) and issubclass(kind, Table):
        fields = kind.model_fields.items()
        return set().union(*(known_options(field.annotation, f"{table}.{name}") for name, field in fields))
    below = [item for item in get_args(kind) if isinstance(item, type) and issubclass(item, Table)]
    return known_options(below[0], table) if below else {table}


def valid(value: object, rule: dict[str, Any]) -> bool:
    """As much of JSON Schema as kmproxy's own uses."""
    if "$ref" in rule:
        return valid(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    if "anyOf" in rule:
        return any(valid(value, choice) for choice in rule["anyOf"])
    if isinstance(value, dict):
        properties = rule.get("properties", {})
        known = set(rule.get("required", ())) <= set(value) <= set(properties)
        return known and all(valid(item, properties[key]) for key, item in value.items())
    if isinstance(value, list):
        return rule["type"] == "array" and all(valid(item, rule["items"]) for item in value)
    types = {str: "string", bool: "boolean", float: "number", int: "integer"}
    return rule.get("type") == types[type(value)] and value in rule.get("enum", [value])


def test_the_schema_takes_the_example() -> None:
    assert valid(tomllib.loads(EXAMPLE.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "wrong", [{"site": [{"name": "a"}]}, {"server": {"admin": 5.0}}, {"site": [], "sites": []}]
)
def test_the_schema_refuses_what_load_refuses(wrong: dict[str, Any]) -> None:
    assert not valid(wrong, SCHEMA)


def test_the_schema_describes_every_option() -> None:
    assert (SCHEMA["title"], "$schema" in SCHEMA) == ("kmproxy", True)
    for name, table in SCHEMA["$defs"].items():
        bare = [key for key, rule in table["properties"].items() if not {"description", "$ref"} & set(rule)]
        assert (name, bare) == (name, [])
