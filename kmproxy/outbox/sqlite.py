"""The outbox in one SQLite file: nothing to install, and several processes may share it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

from kmproxy.outbox import rows
from kmproxy.outbox.duty import Duty
from kmproxy.outbox.schema import empty_log, open_database
from kmproxy.outbox.store import Backlog, Claimed, SetApart, Stats
from kmproxy.outbox.writer import Writer
from kmproxy.tracking import TrackingCall

T = TypeVar("T")

GIBIBYTE = 1 << 30
"""Some million calls: days without the vendor for a busy site, yet no surprise on a small disk."""


class SqliteOutbox:
    """An ``Outbox`` (see there) on a local disk; SQLite's log does not work on network file systems.

    Any thread and any event loop may use it. Open it in each process, after a fork. The first
    process to ask what is due is lent calls until it closes the outbox or ends; the others find
    nothing due meanwhile. Who comes next knows that the former's claims are void.
    """

    is_shared = False

    def __init__(
        self,
        path: Path,
        *,
        lease: float = 60.0,
        busy_timeout: float = 5.0,
        max_bytes: int = GIBIBYTE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``lease``: seconds a claim lasts; longer than a sender's timeout.

        ``busy_timeout``: seconds to wait for another process before ``OutboxError``.
        ``max_bytes``: of the file; calls beyond it are refused. The log beside it takes some more.
        """
        self._lease = lease
        self._max_bytes = max_bytes
        self._clock = clock
        # Absolute, so that no name has a meaning of its own to SQLite (":memory:").
        self._path = path = path.absolute()
        self._busy_timeout = busy_timeout
        self._duty = Duty(path.with_name(f"{path.name}-duty"))
        self._writer = Writer(partial(open_database, path, busy_timeout), busy_timeout)

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            await asyncio.wrap_future(self._put(calls))

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            self._put(calls).result()

    async def next_due(self) -> dict[str, float]:
        nothing: dict[str, float] = {}
        return await self._if_on_duty(rows.next_due, nothing)

    async def claim(self, limit: int, now: float, provider: str | None = None) -> list[Claimed]:
        work = partial(rows.claim, limit=limit, now=now, provider=provider, lease_until=now + self._lease)
        nothing: list[Claimed] = []
        return await self._if_on_duty(work, nothing)

    async def done(self, *call_ids: str) -> None:
        await asyncio.wrap_future(self._writer.submit(partial(rows.delete, call_ids=call_ids)))

    async def fail(self, *call_ids: str, retry_at: float, reason: str) -> None:
        work = partial(rows.postpone, call_ids=call_ids, retry_at=retry_at, reason=reason)
        await asyncio.wrap_future(self._writer.submit(work))

    async def set_apart(self, call_id: str, *, reason: str) -> None:
        work = partial(rows.set_apart, call_id=call_id, reason=reason)
        await asyncio.wrap_future(self._writer.submit(work))

    async def refused(self, limit: int) -> list[SetApart]:
        return await asyncio.wrap_future(self._writer.submit(partial(rows.refused, limit=limit)))

    async def replay(self, call_ids: Sequence[str]) -> int:
        work = partial(rows.replay, call_ids=call_ids, now=self._clock())
        return await asyncio.wrap_future(self._writer.submit(work))

    async def forget(self, person: str) -> int:
        forgotten = await asyncio.wrap_future(self._writer.submit(partial(rows.forget, person=person)))
        await asyncio.to_thread(empty_log, self._path, self._busy_timeout)
        return forgotten

    async def backlog(self) -> list[Backlog]:
        return await asyncio.wrap_future(self._writer.submit(rows.backlog))

    async def stats(self) -> Stats:
        work = partial(rows.stats, now=self._clock(), max_bytes=self._max_bytes)
        return await asyncio.wrap_future(self._writer.submit(work))

    def close(self) -> None:
        self._writer.close()
        self._duty.release()

    async def _if_on_duty(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        lend = partial(self._lend, work, nothing)
        return await asyncio.wrap_future(self._writer.submit(lend))

    def _lend(self, work: Callable[[sqlite3.Connection], T], nothing: T, db: sqlite3.Connection) -> T:
        if not self._duty.held:
            if not self._duty.take():
                return nothing
            rows.recall(db, self._clock())  # if that is rolled back, the leases end by themselves
        return work(db)

    def _put(self, calls: Sequence[TrackingCall]) -> Future[None]:
        work = partial(rows.put, calls=tuple(calls), now=self._clock(), max_bytes=self._max_bytes)
        return self._writer.submit(work)
