"""Raw sockets on both sides of a real proxy: what is sent and what arrives, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kmproxy.config import Config, load
from kmproxy.observer import Observer
from kmproxy.outbox import Outbox
from kmproxy.proxy.server import ProxyServer

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BROWSER = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n"
    b"Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
)

ONCE = pytest.mark.parametrize("parser", ["in C"], indirect=True)
"""For a slow test of what comes of no parser, where others run on both of aiohttp's."""


class Upstream:
    """An origin server that follows a script and remembers the heads and bodies it was sent."""

    def __init__(self, script: Script | bytes) -> None:
        self._script = script
        self.received: list[bytes] = []
        self.closed = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if callable(self._script):
                await self._script(reader, writer)
            else:
                while request := await read_request(reader):
                    self.received.append(request)
                    writer.write(self._script)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.closed.set()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Upstream]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """A whole request, or b"" where the connection ends."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lower = head.lower()
    if b"\r\ncontent-length:" in lower:
        length = int(lower.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        return head + await reader.readexactly(length)
    if b"\r\ntransfer-encoding: chunked" in lower:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


def site(*hosts: tuple[str, Any], **tables: Any) -> dict[str, Any]:
    """A site with KISSmetrics, of host and upstream pairs."""
    return {
        "name": tables.pop("name", "acme"),
        "kissmetrics": {"api_key": "key", "endpoint": tables.pop("endpoint", "http://127.0.0.1:9")},
        "domain": [
            {"host": host, **({"upstream": upstream} if upstream else {})} for host, upstream in hosts
        ],
        **tables,
    }


def config(tmp_path: Path, *sites: dict[str, Any], **server: Any) -> Config:
    return load(
        {
            "server": {"listen": ["127.0.0.1:0"], "admin": "127.0.0.1:0", **server},
            "outbox": {"url": f"sqlite:{tmp_path / 'outbox.db'}"},
            "site": list(sites),
        }
    )


class Proxy:
    """A running proxy, spoken to in bytes."""

    def __init__(self, server: ProxyServer) -> None:
        self.server = server
        self.port = int(server.addresses[0].rpartition(":")[2])

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def send(self, request: bytes) -> bytes:
        """Everything that comes back until the connection closes; the request should ask for that."""
        async with self.connection() as (reader, writer):
            writer.write(request)
            try:
                return await asyncio.wait_for(reader.read(), 10)
            except ConnectionResetError:
                return b"<reset>"

    async def get(self, host: str, target: str = "/", headers: bytes = b"", version: str = "1.1") -> bytes:
        head = f"GET {target} HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n".encode()
        return await self.send(head + headers + b"\r\n")


@asynccontextmanager
async def proxy(settings: Config, *observers: Observer, outbox: Outbox | None = None) -> AsyncIterator[Proxy]:
    async with ProxyServer(settings, *observers, outbox=outbox) as server:
        yield Proxy(server)


def split(response: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status line, header lines, body."""
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, lines, body


def content(response: bytes) -> bytes:
    """The content of a whole response, however it is framed."""
    _, lines, body = split(response)
    if b"Transfer-Encoding: chunked" in lines:
        return unchunked(body)
    assert b"Content-Length: %d" % len(body) in lines
    return body


def unchunked(body: bytes, *, broken_off: bool = False) -> bytes:
    """The content of a chunked body; raises if it does not end as it should."""
    content = b""
    while body or not broken_off:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert body == b"\r\n"
            assert not broken_off
            return content
        content, body = content + body[:length], body[length + 2 :]
    return content
