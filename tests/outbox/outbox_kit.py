"""What the outbox's tests share: calls, a clock that stands still, an outbox on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from kmproxy.outbox import Claimed, SqliteOutbox
from kmproxy.tracking import TrackingCall


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def call(
    person: str = "ann",
    name: str = "a",
    *,
    provider: str = "kissmetrics",
    base: str = "https://vendor.example",
) -> TrackingCall:
    return TrackingCall(provider, person, "GET", f"{base}/e?_p={person}&_n={name}")


def names(claims: list[Claimed]) -> list[str]:
    return [claimed.call.url.rpartition("_n=")[2] for claimed in claims]


def open_file(
    directory: Path, clock: Clock, *, busy_timeout: float = 5.0, lease: float = 60.0
) -> SqliteOutbox:
    return SqliteOutbox(directory / "outbox.db", clock=clock, busy_timeout=busy_timeout, lease=lease)


async def eventually(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Returns as soon as ``true()``; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)
