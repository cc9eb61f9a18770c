"""One upstream asked twice: directly, and through kmproxy. What differs, kmproxy has changed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from wire import Upstream, config, proxy, site, split

HOST = b"Host: a.example\r\nConnection: close\r\n"

# Said by each hop for itself (RFC 9110 §7.6.1), and what a proxy adds.
_OF_A_HOP = (b"connection", b"keep-alive", b"transfer-encoding", b"x-forwarded-")


class Message(NamedTuple):
    """A message but for what belongs to the hop it came over."""

    start: list[bytes]
    fields: list[tuple[bytes, bytes]]
    content: bytes


class Scripted(Upstream):
    """Answers every request with ``reply``, and closes if either tells it to."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.reply = b""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _read(reader):
            self.received.append(request)
            writer.write(self.reply)
            await writer.drain()
            said = self.reply + request.partition(b"\r\n\r\n")[0].lower()
            if b"connection: close" in said.lower() or b"HTTP/1.0" in self.reply[:8]:
                return


class Pair:
    """The ports of an upstream and of kmproxy in front of it."""

    def __init__(self, direct: int, through: int) -> None:
        self.direct = direct
        self.through = through

    def answers(self, request: bytes) -> tuple[Message, Message]:
        """The upstream's answer to ``request``, and what it was after kmproxy."""
        return parsed(ask(self.direct, request)), parsed(ask(self.through, request))


class ScriptedPair(Pair):
    """As Pair; the upstream says what it is told to, and tells what it heard."""

    def __init__(self, upstream: Scripted, through: int) -> None:
        super().__init__(upstream.port, through)
        self.upstream = upstream

    def requests(self, request: bytes) -> tuple[Message, Message]:
        """``request`` as it reaches the upstream."""
        self.upstream.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.upstream.received.clear()
        for port in (self.direct, self.through):
            ask(port, request)
        direct, through = self.upstream.received
        return parsed(direct), parsed(through)

    def answers_of(self, reply: bytes, request: bytes = b"GET / HTTP/1.1\r\n") -> tuple[Message, Message]:
        self.upstream.reply = reply
        return self.answers(request + HOST + b"\r\n")


async def _read(reader: asyncio.StreamReader) -> bytes:
    """As read_request, but any chunks."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    said = head.lower()
    if b"\r\ntransfer-encoding: chunked" in said:
        return head + await _read_chunks(reader)
    length = said.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readline()
        length = int(line.partition(b";")[0], 16)
        body += line
        if length == 0:
            break
        body += await reader.readexactly(length + 2)
    while line != b"\r\n":
        body += (line := await reader.readline())
    return body


def ask(port: int, request: bytes) -> bytes:
    """All that comes back until the connection closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(1 << 16):
            answer += data
        return answer


def parsed(message: bytes) -> Message:
    start, lines, body = split(message)
    if b"transfer-encoding: chunked" in (line.lower() for line in lines):
        body = _dechunked(body)
    fields = [_field(line) for line in lines if not line.lower().startswith(_OF_A_HOP)]
    return Message([word for word in start.split(b" ", 2) if word[:5] != b"HTTP/"], fields, body)


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value; the spaces between are nobody's (RFC 9112 §5.1)."""
    name, _, value = line.partition(b":")
    return name, value.strip(b" \t")


def _dechunked(body: bytes) -> bytes:
    """The content; chunk extensions and trailers are the hop's to keep or drop (RFC 9112 §7.1)."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return content
        content, body = content + body[:length], body[length + 2 :]
    raise AssertionError("the body is not whole")


@contextmanager
def running(folder: Path, url: str | None = None) -> Iterator[ScriptedPair]:
    """kmproxy before the upstream at ``url``, or before one that does as it is told, on a thread."""
    upstream = Scripted()
    up: threading.Event = threading.Event()
    found: list[ScriptedPair] = []
    loop = asyncio.new_event_loop()
    down = asyncio.Event()

    async def serve() -> None:
        async with upstream.listening(), proxy(config(folder, site(("a.example", url or upstream.url)))) as p:
            found.append(ScriptedPair(upstream, p.port))
            up.set()
            await down.wait()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(10)
