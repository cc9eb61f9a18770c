"""Times, numbers and foreign text in words."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def count(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def span(seconds: float) -> str:
    """As in ``3 minutes``: the largest unit of which there is one whole, rounded down."""
    whole = max(int(seconds), 0)
    size, name = next((unit for unit in _UNITS if whole >= unit[0]), _UNITS[-1])
    return count(whole // size, name)


def until(moment: float, now: float) -> str:
    """When something is due: ``now``, ``in 3 minutes``, ``overdue by 2 hours``."""
    if abs(moment - now) < 1:
        return "now"
    return f"in {span(moment - now)}" if moment > now else f"overdue by {span(now - moment)}"


def utc(moment: float) -> str:
    """A moment as in ``2026-11-24T09:30:00Z``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """``text`` as a terminal may be given it: what a visitor wrote can hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
