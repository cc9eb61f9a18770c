"""A place in a configuration: the keys and list indexes that lead to a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str | int, ...]
"""As in ``("site", 0, "domain", 1, "host")``; ``()`` is the whole configuration."""

Finding = tuple[Place, str]
"""What is wrong at a place, before its line is known."""


def dotted(place: Place) -> str:
    """The place as users read it.

    >>> dotted(("site", 0, "domain", 1, "host"))
    'site[0].domain[1].host'
    """
    return "".join(map(_step, place)).removeprefix(".")


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    bare = re.fullmatch("[A-Za-z0-9_-]+", key)
    return f".{key}" if bare else f".{json.dumps(key, ensure_ascii=False)}"


def every_place(value: object, place: Place = ()) -> Iterator[Place]:
    """Every table, key and list item, in the order of the data."""
    yield place
    for key, child in _children(value):
        yield from every_place(child, (*place, key))


def _children(value: object) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def as_written(data: object, place: Place) -> Place:
    """The place without the steps that lead into a string: ``upstream = "…"`` stands for a list of one."""
    for depth, key in enumerate(place):
        if isinstance(data, str):
            return place[:depth]
        data = dict(_children(data)).get(key)
    return place


def nearest(known: Mapping[Place, int], place: Place) -> Place:
    """The place itself, or the table it should stand in where it is missing. ``known`` holds ``()``."""
    while place not in known:
        place = place[:-1]
    return place
