"""An upstream that says what a test wants it to say, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from kmproxy.upstream import Exchange, Timeouts
from kmproxy.upstream.connection import Connection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = 5.0
SHORT = 0.2

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Upstream:
    """``script`` plays once a connection; ``connections`` counts them, ``requests`` keeps the heads read."""

    script: Script
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    _players: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open(self) -> int:
        """Connections the other side has not closed yet."""
        return len(self._players)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._play(reader, writer))
        self._players.add(task)
        task.add_done_callback(self._players.discard)

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The other side left.
        finally:
            writer.transport.abort()

    async def stop(self) -> None:
        for task in self._players:
            task.cancel()
        await asyncio.gather(*self._players, return_exceptions=True)


@contextlib.asynccontextmanager
async def listening(script: Script, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    upstream = Upstream(script)
    server = await asyncio.start_server(upstream.accept, host, 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()
        await server.wait_closed()


def answers(first: bytes, *more: bytes, then_close: bool = False) -> Script:
    """Read one request head for each answer; hold the connection afterwards, or close it."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (first, *more):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        if then_close:
            writer.close()
            await writer.wait_closed()
        else:
            await reader.read()

    return script


def always(answer: bytes = OK) -> Script:
    """The same answer to every request without a body."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    return script


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    """A request body."""
    for piece in pieces:
        yield piece


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that has no event of its own."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def hazards(module: dict[str, object]) -> list[Callable[[], Coroutine[None, None, None]]]:
    """The asynchronous tests of a module that ask for nothing, to be run under another loop."""
    return [
        test
        for name, test in module.items()
        if name.startswith("test_")
        and inspect.iscoroutinefunction(test)
        and not inspect.signature(test).parameters
    ]


class Link:
    """A connection to a scripted upstream, and how often it came to rest."""

    def __init__(self, upstream: Upstream, connection: Connection) -> None:
        self.upstream = upstream
        self.connection = connection
        self.rests = 0

    def rested(self, _: Connection) -> None:
        self.rests += 1

    async def get(self) -> Exchange:
        return await self.connection.send(b"GET", GET)

    async def post(self, body: AsyncIterator[bytes]) -> Exchange:
        return await self.connection.send(b"POST", CHUNKED, body, chunked=True)


@contextlib.asynccontextmanager
async def linked(script: Script, first_byte: float = LONG, idle: float = LONG) -> AsyncIterator[Link]:
    async with listening(script) as upstream:
        loop = asyncio.get_running_loop()
        link: Link
        connection = Connection(Timeouts(LONG, first_byte, idle), lambda it: link.rested(it))
        link = Link(upstream, connection)
        await loop.create_connection(lambda: connection, "127.0.0.1", upstream.port)
        try:
            yield link
        finally:
            connection.abort()
            await asyncio.sleep(0.01)


async def whole(exchange: Exchange) -> bytes:
    pieces = []
    while piece := await exchange.read():
        pieces.append(piece)
    return b"".join(pieces)
