"""Connections that rest: what one costs, and whether it is still good afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import site
from .connection import Answer, Connection
from .options import Options
from .process import resident
from .request import asking
from .stage import staged

_AT_ONCE = 100
_REST = 5.0
"""Seconds."""

_WARM_UP = 20
"""Times that all pages are asked for before anything is measured."""


@dataclass(frozen=True)
class Idle:
    """What came of it."""

    connections: int
    bytes_each: float
    """Of the worker's memory."""
    refused: int
    """Connections that could not be had, or gave no whole page, before or after they rested."""


async def run(options: Options, folder: Path) -> Idle:
    """One worker; each connection has had a page before it rests. Raises StartError."""
    async with staged(folder, "sqlite", 1, options.seed) as stage:
        port = stage.proxy.port
        for _ in range(_WARM_UP):
            warm = await _connected(port, _AT_ONCE)
            await asyncio.sleep(0.2)
            _close(warm)
        before = resident(stage.proxy.pid)
        found = await _connected(port, options.connections)
        await asyncio.sleep(_REST)
        each = (resident(stage.proxy.pid) - before) / options.connections
        good = [one for one in found if not one.closed]
        answers = await _ask_all(good)
        _close(good)
    return Idle(options.connections, each, options.connections - sum(answers))


async def _connected(port: int, count: int) -> list[Connection]:
    """``count`` connections, each of which has been given a page."""
    found: list[Connection] = []
    for start in range(0, count, _AT_ONCE):
        more = min(_AT_ONCE, count - start)
        made = [await Connection.to(port) for _ in range(more)]
        answers = await _ask_all(made)
        found += [one for one, good in zip(made, answers, strict=True) if good]
    return found


async def _ask_all(connections: Sequence[Connection]) -> list[bool]:
    """Whether each has a whole page, so many at a time."""
    found: list[bool] = []
    for start in range(0, len(connections), _AT_ONCE):
        asked = (
            one.ask(_request(start + number))
            for number, one in enumerate(connections[start : start + _AT_ONCE])
        )
        found += [_is_page(answer) for answer in await asyncio.gather(*asked)]
    return found


def _request(number: int) -> bytes:
    return asking(site.BLOG, f"/page/{number % site.PAGES}")


def _is_page(answer: Answer) -> bool:
    return answer.whole and answer.status == 200


def _close(connections: Sequence[Connection]) -> None:
    for one in connections:
        one.close()
