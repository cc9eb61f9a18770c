"""A visitor's connection: one request after the other, cheap enough for thousands."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from dataclasses import dataclass, field
from time import monotonic
from typing import cast

import httptools

_PATIENCE = 60.0
"""Seconds for one response."""


@dataclass
class Answer:
    """What came; whole only if HTTP's own framing says so."""

    status: int = 0
    """0: not even a head."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    begun: float = 0.0
    ended: float = 0.0
    """By the monotonic clock, of finer steps than uvloop's: when it was asked, and when all was there."""

    def header(self, name: str) -> str:
        return next((value for found, value in self.headers if found == name), "")

    def decoded(self) -> bytes:
        """The body as far as it came; of one that is no gzip, why."""
        if self.header("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body) if self.whole else zlib.decompressobj(31).decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            return repr(error).encode()


class Connection(asyncio.Protocol):
    """``answer = await (await Connection.to(port)).ask(request)``"""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer = Answer()
        self._pieces: list[bytes] = []
        self._done: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.closed = False
        self.asked = 0
        """How many requests it has carried."""

    @classmethod
    async def to(cls, port: int, tls: ssl.SSLContext | None = None, host: str | None = None) -> Connection:
        """With ``tls``, to whoever has a certificate for ``host``. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(cls, "127.0.0.1", port, ssl=tls, server_hostname=host)
        return made

    async def ask(self, request: bytes) -> Answer:
        """What comes until the response, or the connection, ends."""
        self.asked += 1
        self._answer = answer = Answer(begun=monotonic())
        if self._transport is None or self.closed:
            return answer
        self._pieces.clear()
        self._done = self._loop.create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._done
        except TimeoutError:
            self.close()
        answer.body, answer.ended = b"".join(self._pieces), monotonic()
        return answer

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._end()

    def on_message_begin(self) -> None:
        if self._done is None or self._done.done():
            self.close()  # an answer that nobody asked for: the next one must not be taken for it

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers.append((name.decode().lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._answer.whole = True
        if not self._parser.should_keep_alive():
            self.close()
        self._end()

    def _end(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
