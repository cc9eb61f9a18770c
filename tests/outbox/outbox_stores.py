"""The stores an outbox may have, for the tests that hold for each."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from outbox_kit import Clock, open_file

from kmproxy.outbox import Outbox
from kmproxy.outbox.redis import RedisOutbox


class Store(Protocol):
    """Where outboxes opened one after the other, or at once, find the same calls."""

    url: str

    def open(self, clock: Clock, *, lease: float = 60.0) -> Outbox: ...


class SqliteStore:
    def __init__(self, directory: Path) -> None:
        self.url = f"sqlite:{directory / 'outbox.db'}"
        self._directory = directory

    def open(self, clock: Clock, *, lease: float = 60.0) -> Outbox:
        return open_file(self._directory, clock, lease=lease)


class RedisStore:
    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, clock: Clock, *, lease: float = 60.0) -> Outbox:
        # A test machine may be busy for longer than a page may wait.
        return RedisOutbox(self.url, clock=clock, lease=lease, timeout=20.0)
