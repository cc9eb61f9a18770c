"""The connections to one upstream."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator

from kmproxy.messages import Headers, values
from kmproxy.upstream.address import Address
from kmproxy.upstream.connection import Connection
from kmproxy.upstream.deadline import Timeouts
from kmproxy.upstream.errors import ConnectFailed, ConnectTimeout, Disconnected, TlsFailed, Unanswered
from kmproxy.upstream.exchange import Exchange
from kmproxy.upstream.message import request_head
from kmproxy.upstream.parser import Interim
from kmproxy.upstream.queue import Queue
from kmproxy.upstream.tls import TlsConnection

KEEP_ALIVE = 4.0
"""Seconds a connection may rest. uvicorn, hypercorn, Node and Apache close after 5; if we close first, no
request of ours can meet their close on its way."""

KEEP_ALIVE_UNSAFE = 1.0
"""Seconds of rest after which no request that may not be repeated is trusted to it; gunicorn closes after 2.
A busy site's connections rest for milliseconds, and a quiet one can afford a fresh one."""

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods repeated once if a connection kept alive dies unanswered. RFC 9112 §9.3.1 would allow it for every
idempotent method of RFC 9110 §9.2.2; but applications keep to safety (§9.2.1) better than to idempotence."""


class Pool:
    """Connections to ``address``.

    As many as there are requests, unless ``max_connections`` says otherwise: a hundred open event streams
    would lock everybody else out. ``max_idle`` bounds those at rest, of which the latest used is taken first.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeouts: Timeouts,
        keep_alive: float = KEEP_ALIVE,
        max_idle: int = 64,
        max_connections: int = 0,
    ) -> None:
        self.address = address
        self._timeouts = timeouts
        self._most = max_connections
        self._queue = Queue()
        self._keep_alive = keep_alive
        self._max_idle = max_idle
        self._idle: deque[Connection] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._opening = 0
        self._open: set[Connection] = set()

    @property
    def in_use(self) -> int:
        """Connections that a request has, or is waiting for."""
        return self._opening + len(self._open) - len(self._idle) + self._queue.called

    @property
    def is_full(self) -> bool:
        """Whether a request would have to wait for another one to end."""
        return 0 < self._most <= self.in_use

    async def exchange(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None = None,
        *,
        upgrade: bytes = b"",
        interim: Interim | None = None,
    ) -> Exchange:
        """Send a request, return when the head of its response is here; ``close()`` what is returned.

        ``headers`` go out as they are. With a ``body`` they must hold either Content-Length, and the body's
        pieces add up to it, or ``Transfer-Encoding: chunked``, and the chunks are made here. ``upgrade`` and
        ``interim`` are as for ``Connection.send``. Raises UpstreamError; ConnectFailed, ConnectTimeout and
        Overloaded before a byte of ``body`` was taken; Unanswered where the request may be repeated
        elsewhere; ValueError for a head that could be misread; whatever ``body`` raises.
        """
        head = request_head(method, target, headers)
        chunked = body is not None and _is_chunked(headers)
        repeatable = body is None and method in SAFE
        if self.is_full:
            await self._queue.wait(self._timeouts.connect)
        kept = self._take(self._keep_alive if repeatable else min(KEEP_ALIVE_UNSAFE, self._keep_alive))
        if kept is not None:
            try:
                return await kept.send(method, head, body, chunked=chunked, upgrade=upgrade, interim=interim)
            except Disconnected:
                # Most likely the upstream closed it while our request was on its way. Without an answer we
                # cannot know, and whatever may have had an effect must not have it twice.
                if kept.answered or not repeatable:
                    raise
        fresh = await self._connect()
        try:
            return await fresh.send(method, head, body, chunked=chunked, upgrade=upgrade, interim=interim)
        except Disconnected as error:
            if fresh.answered or not repeatable:
                raise
            raise Unanswered(str(error)) from error

    def close(self) -> None:
        """Close what rests now, and what is in use when it comes to rest."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _connect(self) -> Connection:
        if 0 < self._most <= self._opening + len(self._open) and self._idle:
            self._idle.popleft().abort()  # One that was not trusted with this request.
        self._opening += 1
        try:
            async with asyncio.timeout(self._timeouts.connect):
                connection = await self.address.connect(self._connection)
        except TimeoutError as error:
            raise ConnectTimeout(f"{self.address}: no connection in {self._timeouts.connect} s") from error
        except ssl.SSLError as error:
            raise TlsFailed(f"{self.address}: {error}") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a name IDNA has no form for
            raise ConnectFailed(f"{self.address}: {error}") from error
        else:
            if connection.usable:  # Otherwise it has been lost already.
                self._open.add(connection)
            return connection
        finally:
            self._opening -= 1
            self._call_next()

    def _connection(self) -> Connection:
        kind = Connection if self.address.tls is None else TlsConnection
        return kind(self._timeouts, self._put, self._lost)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._call_next()

    def _call_next(self) -> None:
        if self._most and not self.is_full:
            self._queue.call()

    def _take(self, longest: float) -> Connection | None:
        """The connection that came to rest last, if that is no longer than ``longest`` seconds ago."""
        since = asyncio.get_running_loop().time() - longest
        while self._idle and self._idle[-1].rested_at >= since:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def _put(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:
            self._idle.popleft().abort()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._keep_alive, self._sweep)
        self._call_next()

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        since = loop.time() - self._keep_alive
        while self._idle and (self._idle[0].rested_at <= since or not self._idle[0].usable):
            self._idle.popleft().abort()
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0].rested_at + self._keep_alive, self._sweep)


def _is_chunked(headers: Headers) -> bool:
    """Whether a body is framed by chunks; ValueError unless exactly one framing is named (RFC 9112 §6.3)."""
    codings = [coding.lower() for coding in values(headers, b"transfer-encoding")]
    lengths = values(headers, b"content-length")
    if len(codings) + len(lengths) != 1 or codings not in ([], [b"chunked"]):
        raise ValueError("a body needs either Content-Length or Transfer-Encoding: chunked")
    return bool(codings)
