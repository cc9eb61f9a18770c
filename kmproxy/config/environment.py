"""``${NAME}`` in a value is the environment variable of that name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from kmproxy.config.places import Finding, Place

_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


def expand(value: object, unset: list[Finding], place: Place = ()) -> Any:
    """A copy of the data with the variables replaced, in tables and lists too; ``$${`` becomes ``${``.

    Variables that are not set are added to ``unset`` and stay as written.
    """
    if isinstance(value, Mapping):
        return {key: expand(child, unset, (*place, key)) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [expand(child, unset, (*place, index)) for index, child in enumerate(value)]
    return _expanded(value, unset, place) if isinstance(value, str) else value


def _expanded(text: str, unset: list[Finding], place: Place) -> str:
    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        value = os.environ.get(found["name"] or "")
        if value is None:
            unset.append((place, _complaint(found["name"])))
        return found[0] if value is None else value

    return _VARIABLE.sub(replacement, text)


def _complaint(name: str | None) -> str:
    if name is None:
        return 'a variable is written "${NAME}"; for the characters themselves write "$${"'
    return f"the environment variable {name} is not set; set it, or write the value here"
