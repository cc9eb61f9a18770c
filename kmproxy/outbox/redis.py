"""The outbox in Redis 6.2 or newer, or Valkey: one for several machines.

The waiting calls are a stream, which keeps them in the order they came, finds one by its id and
knows the oldest and how many. A consumer group of that stream would lend them as they come, a
person's second call together with the first, and knows no times for retries. So who is next is
kept beside it: a list for each person's line, and a sorted set with the head of each line by when
it may be claimed, in which a lease is a later time. ``redis.lua`` changes all of them at once.

Durable is what Redis makes durable before it answers. ``appendonly yes`` with ``appendfsync always``
is the disk; with Redis's default ``everysec`` a power cut takes the last second, a killed Redis
nothing. Replicas follow later: a failover may lose the last calls. Redis Cluster is not supported.

It holds as much as its ``maxmemory``. Each node's sender sends a share: claims are lent in order
whoever asks, and what a dead node had claimed is lent again when its lease ends.

The nodes' clocks must agree to within half a lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from kmproxy.errors import OutboxError
from kmproxy.outbox import redis_entry as entry
from kmproxy.outbox.redis_script import Argument, RedisScript
from kmproxy.outbox.store import Backlog, Claimed, SetApart, Stats
from kmproxy.tracking import TrackingCall


class RedisOutbox:
    """An ``Outbox`` (see there) at ``redis://[user][:password]@host[:port][/db]``, TLS with ``rediss:``.

    Any thread and any event loop may use it. Open it in each process, after a fork. While Redis is
    away each method raises ``OutboxError`` within the timeout. If Redis went away after it was asked
    and before it answered, it may have done the whole all the same.
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        lease: float = 60.0,
        timeout: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``lease``: seconds a claim lasts; twice a sender's timeout. ``timeout``: seconds to wait for Redis.

        Raises ``OutboxError`` if Redis won't have us (password, database). One that can't be
        reached now is no error: it comes back, and pages are served meanwhile.
        """
        self._lease = lease
        self._timeout = timeout
        self._clock = clock
        self._script = RedisScript(url, timeout)

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            await self._run("put", *self._puts(calls))

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        if calls:
            self._wait(self._script.submit("put", *self._puts(calls)))

    async def next_due(self) -> dict[str, float]:
        return {provider.decode(): float(due) for provider, due in await self._run("next_due")}

    async def claim(self, limit: int, now: float, provider: str | None = None) -> list[Claimed]:
        providers = [] if provider is None else [provider]
        lent = await self._run("claim", max(limit, 0), now, now + self._lease, *providers)
        return [entry.claimed(*row) for row in lent]

    async def done(self, *call_ids: str) -> None:
        await self._run("done", *call_ids)

    async def fail(self, *call_ids: str, retry_at: float, reason: str) -> None:
        await self._run("fail", retry_at, reason, *call_ids)

    async def set_apart(self, call_id: str, *, reason: str) -> None:
        await self._run("set_apart", call_id, reason)

    async def refused(self, limit: int) -> list[SetApart]:
        rows = await self._run("refused", limit) if limit > 0 else []
        return [entry.set_apart(*row) for row in rows]

    async def replay(self, call_ids: Sequence[str]) -> int:
        return int(await self._run("replay", self._clock(), *call_ids))

    async def forget(self, person: str) -> int:
        return int(await self._run("forget", entry.person(person)))

    async def backlog(self) -> list[Backlog]:
        return sorted(
            (entry.backlog(*row) for row in await self._run("backlog")), key=lambda row: row.provider
        )

    async def stats(self) -> Stats:
        waiting, apart, oldest, fullness = await self._run("stats")
        age = 0.0 if oldest is None else max(self._clock() - float(oldest), 0.0)
        return Stats(waiting, apart, age, float(fullness))

    def close(self) -> None:
        self._script.close()

    def _puts(self, calls: Sequence[TrackingCall]) -> list[Argument]:
        return [self._clock(), *(value for call in calls for value in entry.values(call))]

    async def _run(self, command: str, *arguments: Argument) -> Any:
        answer = self._script.submit(command, *arguments)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            raise self._too_late() from None

    def _wait(self, answer: Future[Any]) -> None:
        try:
            answer.result(self._timeout)
        except TimeoutError:
            answer.cancel()  # so that it is not sent any more, if it was not yet
            raise self._too_late() from None

    def _too_late(self) -> OutboxError:
        return OutboxError(f"{self._script.name}: no answer within {self._timeout:g} s")
