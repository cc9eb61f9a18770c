"""The outbox in one SQLite file: nothing to install, and several processes may share it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from kmproxy.outbox import rows
from kmproxy.outbox.schema import open_database
from kmproxy.outbox.store import Claimed, SetApart, Stats
from kmproxy.outbox.writer import Writer
from kmproxy.tracking import TrackingCall


class SqliteOutbox:
    """An ``Outbox`` (see there) on a local disk; SQLite's log does not work on network file systems.

    Any thread and any event loop may use it. Open it in each process, after a fork.
    """

    def __init__(
        self,
        path: Path,
        *,
        lease: float = 60.0,
        busy_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``lease``: seconds a claim lasts; longer than a sender's timeout.

        ``busy_timeout``: seconds to wait for another process before ``OutboxError``.
        """
        self._lease = lease
        self._clock = clock
        # Absolute, so that no name has a meaning of its own to SQLite (":memory:").
        self._writer = Writer(open_database(path.absolute(), busy_timeout))

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            await asyncio.wrap_future(self._put(calls))

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            self._put(calls).result()

    async def next_due(self) -> dict[str, float]:
        return await asyncio.wrap_future(self._writer.submit(rows.next_due))

    async def claim(self, limit: int, now: float, provider: str | None = None) -> list[Claimed]:
        work = partial(rows.claim, limit=limit, now=now, provider=provider, lease_until=now + self._lease)
        return await asyncio.wrap_future(self._writer.submit(work))

    async def done(self, call_id: str) -> None:
        await asyncio.wrap_future(self._writer.submit(partial(rows.delete, call_id=call_id)))

    async def fail(self, call_id: str, *, retry_at: float, reason: str) -> None:
        work = partial(rows.postpone, call_id=call_id, retry_at=retry_at, reason=reason)
        await asyncio.wrap_future(self._writer.submit(work))

    async def set_apart(self, call_id: str, *, reason: str) -> None:
        work = partial(rows.set_apart, call_id=call_id, reason=reason)
        await asyncio.wrap_future(self._writer.submit(work))

    async def refused(self, limit: int) -> list[SetApart]:
        return await asyncio.wrap_future(self._writer.submit(partial(rows.refused, limit=limit)))

    async def replay(self, call_ids: Sequence[str]) -> int:
        work = partial(rows.replay, call_ids=call_ids, now=self._clock())
        return await asyncio.wrap_future(self._writer.submit(work))

    async def stats(self) -> Stats:
        return await asyncio.wrap_future(self._writer.submit(partial(rows.stats, now=self._clock())))

    def close(self) -> None:
        self._writer.close()

    def _put(self, calls: Sequence[TrackingCall]) -> Future[None]:
        return self._writer.submit(partial(rows.insert, calls=tuple(calls), now=self._clock()))
