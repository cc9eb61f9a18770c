"""Several processes that answer requests, and the one that keeps them.

Not gunicorn: its workers are replaced at each reload, which would cut every event stream and WebSocket and
forget every page seen before, and it has no place for health and metrics of all workers. What it would have
left to do is to fork and to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from kmproxy.admin.exposition import Exposition, shared
from kmproxy.admin.listener import AdminListener
from kmproxy.config import Config
from kmproxy.errors import KmproxyError
from kmproxy.outbox import open_outbox
from kmproxy.proxy.server import SETTLE, open_admin
from kmproxy.proxy.sockets import Listening, open_all, shared_by
from kmproxy.serving.control import Start
from kmproxy.serving.counters import Counters
from kmproxy.serving.place import Place

GRACE = 5.0
"""Seconds that a worker has to end beyond what its requests and calls may take; then it is killed."""


class WorkerError(KmproxyError):
    """A worker did not start, or can't do as it is told."""


class Supervisor:
    """``count`` workers: ``async with Supervisor(config, count) as supervisor``."""

    def __init__(self, config: Config, count: int, listening: Sequence[Listening] | None = None) -> None:
        """``listening``: what to listen on instead of ``server.listen``, open already."""
        self._config = config
        self._count = count
        self._given = listening
        self._workers: list[Place] = []
        self._draining = False
        self._stack = AsyncExitStack()
        self.addresses: list[str] = []
        self.admin_address = ""

    async def __aenter__(self) -> Supervisor:
        async with AsyncExitStack() as stack:
            sets = self._open(stack)
            counters = _counters()
            stack.callback(counters.remove)
            await self._listen_admin(counters.path, stack)
            stack.push_async_callback(self._end)
            for place, listening in enumerate(sets):
                start = Start(place, str(counters.path), self._of_worker(), tuple(listening))
                self._workers.append(Place(start, counters.lock))
            if not all(await asyncio.gather(*(worker.start() for worker in self._workers))):
                raise WorkerError("a worker ended before it could answer anything")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def _open(self, stack: AsyncExitStack) -> list[list[Listening]]:
        given, server = self._given, self._config.server
        sets = shared_by(given, self._count) if given else open_all(server, self._count)
        for own in sets:
            for listening in own:
                stack.callback(listening.close)
        self.addresses = [listening.address for listening in sets[0]]
        self._close_sockets = [listening.close for own in sets for listening in own]
        return sets

    async def _listen_admin(self, counters: Path, stack: AsyncExitStack) -> None:
        if not self._config.server.admin:
            return
        outbox = open_outbox(self._config.outbox.url)
        stack.callback(outbox.close)
        admin = AdminListener(Exposition(shared(counters)), outbox, self.unready)
        self.admin_address = await open_admin(admin, self._config.server.admin, stack)

    def _of_worker(self) -> Config:
        """The configuration without what is the supervisor's alone."""
        server = self._config.server.model_copy(update={"admin": ""})
        return self._config.model_copy(update={"server": server})

    def unready(self) -> str:
        """Why no new visitors should come here, or ``""``."""
        if self._draining:
            return "stopping"
        if not all(worker.is_up for worker in self._workers):
            return "a worker is being replaced"
        return "" if all(worker.answers for worker in self._workers) else "a worker does not answer"

    async def reload(self, config: Config) -> None:
        """Have all workers answer requests that begin from now on by ``config``.

        Raises WorkerError if one of them can't; all of them then answer by the old one.
        """
        old, self._config = self._config, config
        if why := await self._put_in_force():
            self._config = old
            await self._put_in_force()
            raise WorkerError(why)

    async def _put_in_force(self) -> str:
        said = await asyncio.gather(*(worker.reload(self._of_worker()) for worker in self._workers))
        return next(filter(None, said), "")

    async def drain(self) -> None:
        """Have all workers take no more and let what is in flight end, in bounded time."""
        self._draining = True
        for worker in self._workers:
            worker.stop("stop")
        for close in self._close_sockets:
            close()
        server = self._config.server
        await self._ended(server.drain_delay + server.drain_timeout + SETTLE + GRACE)

    def hurry(self) -> None:
        """Let nothing end that is in flight any more."""
        for worker in self._workers:
            worker.stop("hurry")

    async def _ended(self, within: float) -> None:
        await asyncio.gather(*(worker.ended(within) for worker in self._workers))

    async def _end(self) -> None:
        self.hurry()
        await self._ended(GRACE)


def _counters() -> Counters:
    try:
        return Counters()
    except OSError as error:
        raise WorkerError("workers need a folder for temporary files; TMPDIR may name one") from error
