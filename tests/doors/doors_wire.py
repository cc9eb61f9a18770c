"""The two doors that are servers, spoken to in bytes: the proxy and aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestServer
from doors_engine import Kept, config
from doors_kit import Case, Exchange, exchange
from multidict import CIMultiDict

from kmproxy.aiohttp import middleware
from kmproxy.messages import Headers
from kmproxy.proxy.server import ProxyServer

_PAUSE = 0.02
"""Seconds, so that the proxy has no other choice but to let out what it has."""

Answer = tuple[int, Headers, bytes, bool]


async def speak(port: int, request: bytes) -> bytes:
    """Everything that comes back until the connection ends; a reset counts as an end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    data = b""
    with suppress(ConnectionResetError):
        while part := await asyncio.wait_for(reader.read(1 << 16), 10):
            data += part
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return data


def parsed(method: str, data: bytes) -> Answer:
    """Status, headers, body, and whether it ended as its framing says."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    headers = tuple((name, value) for name, _, value in (field.partition(b": ") for field in lines))
    status, said = int(line.split(b" ")[1]), {name.lower(): value for name, value in headers}
    if method == "HEAD" or status in (204, 304):
        assert body == b""
        return status, headers, b"", True
    if said.get(b"transfer-encoding") == b"chunked":
        assert b"content-length" not in said
        return status, headers, *_unchunked(body)
    length = int(said[b"content-length"])
    assert len(body) <= length
    return status, headers, body, len(body) == length


def _unchunked(body: bytes) -> tuple[bytes, bool]:
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            assert body == b"\r\n"
            return content, True
        content, body = content + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return content, False


class _Upstream:
    """The app as an origin server."""

    def __init__(self) -> None:
        self.case = Case("none")
        self.seen: tuple[bytes, Headers] | None = None
        self.read = b""
        self._serving = asyncio.TaskGroup()

    async def __aenter__(self) -> _Upstream:
        await self._serving.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self._serving.__aexit__(*exception)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.create_task(self.serve(reader, writer))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *lines = head[:-4].split(b"\r\n")
                found = tuple((name, value) for name, _, value in (field.partition(b": ") for field in lines))
                self.seen = line.split(b" ")[1], found
                self.read = await _content(reader, {name.lower(): value for name, value in found})
                await self._answer(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        case = self.case
        framing = ((b"Transfer-Encoding", b"chunked"),) if case.pieces else ()
        lines = [b"%b: %b" % pair for pair in (*case.response_headers, *framing)]
        line = b"HTTP/1.1 %d %b" % (case.status, case.reason)
        body = b"" if case.pieces or case.method == "HEAD" else case.body
        writer.write(b"\r\n".join([line, *lines, b"", b""]) + body)
        for piece in case.pieces:
            await writer.drain()
            await asyncio.sleep(_PAUSE)
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
        writer.write(b"0\r\n\r\n" if case.pieces else b"")


async def _content(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"transfer-encoding") != b"chunked":
        return await reader.readexactly(int(headers.get(b"content-length", b"0")))
    content = b""
    while length := int(await reader.readline(), 16):
        content += await reader.readexactly(length)
        await reader.readline()
    await reader.readline()
    return content


class ProxyDoor:
    def __init__(self, port: int, upstream: _Upstream, kept: Kept) -> None:
        self._port = port
        self._upstream = upstream
        self._kept = kept

    async def ask(self, case: Case) -> Exchange:
        upstream = self._upstream
        upstream.case, upstream.seen, upstream.read = case, None, b""
        status, headers, body, is_whole = parsed(case.method, await speak(self._port, case.request))
        calls = self._kept.taken()
        return exchange(
            case, status, headers, body, calls, upstream.seen, is_whole=is_whole, read=upstream.read
        )


@asynccontextmanager
async def proxy_door(site: dict[str, Any], kept: Kept) -> AsyncIterator[ProxyDoor]:
    async with _Upstream() as upstream, await asyncio.start_server(upstream.accept, "127.0.0.1", 0) as origin:
        settings = config(f"http://127.0.0.1:{origin.sockets[0].getsockname()[1]}", **site)
        async with ProxyServer(settings, outbox=cast(Any, kept)) as server:
            yield ProxyDoor(int(server.addresses[0].rpartition(":")[2]), upstream, kept)


class AiohttpDoor:
    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._case = Case("none")
        self._seen: tuple[bytes, Headers] | None = None
        self._read = b""
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        case = self._case
        self._seen = request.raw_path.encode("utf-8", "surrogateescape"), request.raw_headers
        self._read = await request.read()
        shown = {name.lower() for name in request.headers}
        assert shown == {name.decode().lower() for name, _ in request.raw_headers}
        headers = CIMultiDict((name.decode(), value.decode()) for name, value in case.headers)
        if not case.pieces:
            body = None if case.status in (204, 304) else case.body
            return web.Response(status=case.status, reason=case.reason.decode(), headers=headers, body=body)
        response = web.StreamResponse(status=case.status, reason=case.reason.decode(), headers=headers)
        await response.prepare(request)
        for piece in case.pieces:
            await response.write(piece)
        return response

    async def ask(self, case: Case) -> Exchange:
        self._case, self._seen, self._read = case, None, b""
        status, headers, body, is_whole = parsed(case.method, await speak(self.port, case.request))
        calls = self._kept.taken()
        return exchange(case, status, headers, body, calls, self._seen, is_whole=is_whole, read=self._read)


@asynccontextmanager
async def aiohttp_door(site: dict[str, Any], kept: Kept) -> AsyncIterator[AiohttpDoor]:
    door = AiohttpDoor(kept)
    app = web.Application(middlewares=[middleware(config(**site))])
    app.router.add_route("*", "/{path:.*}", door.handle)
    async with TestServer(app) as server:
        door.port = server.port or 0
        yield door
