"""A response as its reader holds it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from kmproxy.messages import Headers
from kmproxy.upstream.message import ResponseHead

if TYPE_CHECKING:
    from kmproxy.upstream.connection import Connection


class Exchange:
    """The head of a response, and its body as it comes. One reader at a time; ``close()`` in every case.

    The connection serves somebody else as soon as the response is whole, read or not.
    """

    __slots__ = ("_connection", "_error", "_pieces", "_waiter", "buffered", "head", "trailers", "upstream")

    def __init__(self, head: ResponseHead, connection: Connection) -> None:
        self.head = head
        self.buffered = 0
        """Bytes that have come and not been read."""
        self.upstream = 0
        """Which of several upstreams answers, by whatever number who asks has for it."""
        self.trailers: Headers = ()
        """Fields behind the body, once that is whole."""
        self._connection: Connection | None = connection
        self._pieces: deque[bytes] = deque()
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def complete(self) -> bool:
        """The whole response is here: ``read_nowait`` never returns None any more."""
        return self._connection is None and self._error is None

    async def read(self) -> bytes:
        """The next piece of the body as it came; b"" at its proper end.

        Raises Disconnected, IdleTimeout or BadResponse once everything before the break has been read, and
        whatever the iterator of the request's body raised.
        """
        while not self._pieces and self._connection is not None:
            await self._more(self._connection)
        return self.read_nowait() or b""

    def read_nowait(self) -> bytes | None:
        """As ``read``, but None if there is nothing to be had without waiting."""
        if self._pieces:
            return self._take()
        if self._error is not None:
            raise self._error
        return b"" if self._connection is None else None

    def whole(self, most: int) -> bytes | None:
        """What is still to be read, if all of it is here and no more than ``most`` bytes; else None."""
        if self._connection is not None or self._error is not None or self.buffered > most:
            return None
        pieces, self.buffered = self._pieces, 0
        data = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    def keep(self, most: int) -> None:
        """Have up to ``most`` bytes wait in memory: many for who only passes them on."""
        if self._connection is not None:
            self._connection.keep(most)

    def close(self) -> None:
        """The reader wants no more: a response not yet whole takes its connection with it. Harmless twice."""
        if self._connection is not None:
            self._connection.abort()

    def _take(self) -> bytes:
        piece = self._pieces.popleft()
        self.buffered -= len(piece)
        if self._connection is not None:
            self._connection.was_read(self.buffered)
        return piece

    async def _more(self, connection: Connection) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        connection.reader_waits()
        try:
            await self._waiter
        finally:
            self._waiter = None
            if self._connection is not None:
                self._connection.reader_leaves()

    # What the connection calls.

    def push(self, piece: bytes) -> None:
        """More of the body."""
        self._pieces.append(piece)
        self.buffered += len(piece)
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """The end of the body, or of the hope for one; the connection is no longer ours."""
        self._connection = None
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
