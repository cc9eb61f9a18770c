"""What ``kmproxy outbox`` tells: what waits and why, what was set apart, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kmproxy.cli.words import count, printable, span, until, utc
from kmproxy.outbox import Backlog, Outbox, SetApart, Stats

_LATE = 120.0
"""Seconds: a server at work is never that late."""

_NEARLY_FULL = 0.8


_EMPTY = Stats(waiting=0, set_apart=0, oldest_age=0.0)


@dataclass(frozen=True)
class Standing:
    """The outbox at one moment."""

    place: str
    now: float
    stats: Stats = _EMPTY
    backlog: tuple[Backlog, ...] = ()
    apart: tuple[SetApart, ...] = ()
    """Up to as many as were asked for."""


def file_of(url: str) -> Path | None:
    """The file of a ``sqlite:`` URL."""
    return Path(url.removeprefix("sqlite:")).absolute() if url.startswith("sqlite:") else None


def place_of(url: str) -> str:
    """Where the outbox is, without a password."""
    if file := file_of(url):
        return str(file)
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


async def look(outbox: Outbox, place: str, limit: int, now: float) -> Standing:
    """The outbox as it stands; up to ``limit`` of the calls set apart. Raises OutboxError."""
    stats, backlog = await outbox.stats(), await outbox.backlog()
    return Standing(place, now, stats, tuple(backlog), tuple(await outbox.refused(limit)))


def as_json(standing: Standing, *, show: bool) -> dict[str, Any]:
    """For machines; with ``show``, persons and what the calls say."""
    stats = standing.stats
    return {
        "outbox": standing.place,
        "fullness": round(stats.fullness, 6),
        "waiting": stats.waiting,
        "oldest_seconds": round(stats.oldest_age, 3),
        "set_apart": stats.set_apart,
        "backlog": [_backlog(row) for row in standing.backlog],
        "calls_set_apart": [_apart(call, show=show) for call in standing.apart],
    }


def _backlog(row: Backlog) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "calls": row.calls,
        "persons": row.persons,
        "due": utc(row.due),
        "reason": row.reason,
    }


def _apart(apart: SetApart, *, show: bool) -> dict[str, Any]:
    said = {
        "id": apart.id,
        "provider": apart.call.provider,
        "attempts": apart.attempts,
        "queued": utc(apart.queued_at),
        "reason": apart.reason,
    }
    call = apart.call
    body = call.body.decode("utf-8", "replace")
    shown = {"person": call.person, "method": call.method, "url": call.url, "body": body}
    return said | shown if show else said


def lines(standing: Standing, *, show: bool) -> Iterator[str]:
    """For people."""
    stats = standing.stats
    yield f"outbox {standing.place}" + (f", {_percent(stats.fullness)} full" if stats.fullness else "")
    yield ""
    yield from _waiting(standing)
    yield from _set_apart(standing, show=show)
    yield ""
    yield from _advice(standing)


def _waiting(standing: Standing) -> Iterator[str]:
    stats = standing.stats
    oldest = f", the oldest for {span(stats.oldest_age)}" if stats.waiting else ""
    yield f"waiting: {count(stats.waiting, 'call')}{oldest}"
    for row in standing.backlog:
        who = f"{count(row.calls, 'call')} of {count(row.persons, 'person')}"
        tried = f"last try: {printable(row.reason)}" if row.reason else "not tried yet"
        yield f"  {row.provider}: {who}, next {until(row.due, standing.now)}; {tried}"


def _set_apart(standing: Standing, *, show: bool) -> Iterator[str]:
    yield f"set apart: {count(standing.stats.set_apart, 'call')}"
    for apart in standing.apart:
        tried = f"{count(apart.attempts, 'attempt')} since {utc(apart.queued_at)}"
        yield f"  {apart.id}  {apart.call.provider}, {tried}: {printable(apart.reason)}"
        if show:
            yield f"    {printable(apart.call.person)}: {apart.call.method} {printable(apart.call.url)}"
            if apart.call.body:
                yield f"    {printable(apart.call.body.decode('utf-8', 'replace'))}"
    if more := standing.stats.set_apart - len(standing.apart):
        yield f"  and {more:,} more"


def _advice(standing: Standing) -> Iterator[str]:
    stats = standing.stats
    if not stats.waiting and not stats.set_apart:
        yield "All is delivered; nothing is to be done."
    if any(row.due < standing.now - _LATE for row in standing.backlog):
        yield "Calls are overdue: is `kmproxy serve` running, with this outbox?"
    elif any(row.reason for row in standing.backlog):
        yield "What failed is tried again by itself, for up to a week."
    elif stats.waiting:
        yield "What waits is being delivered."
    if stats.set_apart:
        yield "Once the reason is mended: `kmproxy outbox replay ID...`, or `replay --all`."
        yield "To delete a person's calls: `kmproxy outbox forget ID...` (--show tells whose they are)."
    if stats.fullness >= _NEARLY_FULL:
        yield "When it is full, arrivals are left to the pages' JavaScript: mend what keeps calls here."


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
