"""An upstream that takes its time: pages that pause, and long ones."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from .pages import made_up

PARTS = 20
"""Parts of a page that pauses."""

PAUSE = 0.02
"""Seconds before each part."""

LONG = 10_000_000
"""Bytes of a long page."""


class Origin:
    """Serves /paused, each part followed by a pause, and /long; ``/gz`` before it asks for gzip."""

    def __init__(self, html: bytes) -> None:
        # Whole paragraphs: in a page cut within a tag, what follows is undecided for good.
        self._part = made_up(8000)
        self._long = html * (LONG // len(html) + 1)
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._long_gzip = deflate.compress(self._long[:LONG]) + deflate.flush()
        self.sent: list[float] = []
        """When each part of the last page that pauses was written."""

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the end of a measurement, which asyncio.streams would complain of.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ", 2)[1]
                gzip = target.startswith(b"/gz") and b"gzip" in head
                await (self._paused(writer, gzip) if target.endswith(b"/paused") else self._all(writer, gzip))
        writer.close()

    async def _paused(self, writer: asyncio.StreamWriter, gzip: bool) -> None:
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31) if gzip else None
        self.sent = []
        writer.write(_head(gzip, b"Transfer-Encoding: chunked"))
        for number in range(PARTS):
            part = self._part + mark(number)
            if deflate:
                part = deflate.compress(part) + deflate.flush(zlib.Z_SYNC_FLUSH)
            self.sent.append(time.perf_counter())
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(PAUSE)
        rest = deflate.flush() if deflate else b""
        writer.write((b"%x\r\n%b\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n")

    async def _all(self, writer: asyncio.StreamWriter, gzip: bool) -> None:
        body = self._long_gzip if gzip else self._long[:LONG]
        writer.write(_head(gzip, b"Content-Length: %d" % len(body)))
        for start in range(0, len(body), 1 << 16):
            writer.write(body[start : start + (1 << 16)])
            await writer.drain()


def mark(number: int) -> bytes:
    """What ends a part."""
    return b'<p id="mark-%d"></p>' % number


def _head(gzip: bool, framing: bytes) -> bytes:
    coding = b"Content-Encoding: gzip\r\n" if gzip else b""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n%b%b\r\n\r\n" % (coding, framing)
