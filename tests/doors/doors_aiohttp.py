"""A handler behind the aiohttp middleware, on its own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler, Middleware
from doors_engine import config
from doors_kit import PAGE, Case
from doors_wire import parsed, speak

from kmproxy.aiohttp import middleware

CASE = Case("page")


class Client:
    def __init__(self, server: TestServer) -> None:
        self.port = server.port or 0

    async def raw(self, case: Case = CASE, version: bytes = b"1.1") -> bytes:
        return await speak(self.port, case.request.replace(b"HTTP/1.1", b"HTTP/" + version))

    async def get(self, case: Case = CASE) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers, content; the body must have ended well."""
        status, headers, body, is_whole = parsed(case.method, await self.raw(case))
        assert is_whole
        return status, {name.lower(): value for name, value in headers}, body

    async def body(self, case: Case = CASE) -> bytes:
        return (await self.get(case))[2]


@asynccontextmanager
async def serving(
    handler: Handler,
    *,
    outside: tuple[Middleware, ...] = (),
    inside: tuple[Middleware, ...] = (),
    **site: Any,
) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[*outside, middleware(config(**site)), *inside])
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server:
        assert isinstance(server, TestServer)
        yield Client(server)


def html(body: bytes = PAGE, **more: Any) -> web.Response:
    return web.Response(body=body, content_type="text/html", **more)


async def stream(
    request: web.Request, *pieces: bytes, coding: str = "", compress: bool = False
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    if coding:
        response.headers["Content-Encoding"] = coding
    if compress:
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    return response
