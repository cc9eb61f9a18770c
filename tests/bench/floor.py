"""aiohttp's server, kmproxy's way to the upstream, nothing between: python floor.py PORT UPSTREAM-PORT."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from kmproxy.proxy.response import RawResponse
from kmproxy.upstream import Pool, Timeouts

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})


async def _serve(port: int, upstream: int) -> None:
    pool = Pool("127.0.0.1", upstream, timeouts=Timeouts(5, 60, 60))

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await _pass(pool, request)

    runner = web.ServerRunner(web.Server(handle, auto_decompress=False, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _pass(pool: Pool, request: web.BaseRequest) -> web.StreamResponse:
    headers = tuple(field for field in request.raw_headers if field[0].lower() not in _HOP_BY_HOP)
    exchange = await pool.exchange(request.method.encode(), request.raw_path.encode(), headers)
    try:
        head = exchange.head
        kept = tuple(field for field in head.headers if field[0].lower() not in _HOP_BY_HOP)
        response = RawResponse(head.status, head.reason, kept)
        await response.prepare(request)
        while data := await exchange.read():
            await response.write(data)
        await response.write_eof()
    finally:
        exchange.close()
    return response


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
