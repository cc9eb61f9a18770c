"""kmproxy's server and its way to the upstream, nothing between: python floor.py PORT UPSTREAM-PORT."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from kmproxy.proxy.connection import Listener
from kmproxy.proxy.incoming import Incoming
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.upstream import Address, Pool, Timeouts

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})


async def _serve(port: int, upstream: int) -> None:
    pool = Pool(Address("127.0.0.1", upstream), timeouts=Timeouts(5, 60, 60))

    async def handle(request: Incoming) -> Outgoing:
        return await _pass(pool, request)

    runner = web.ServerRunner(Listener(handle, client_timeout=60, auto_decompress=False, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _pass(pool: Pool, request: Incoming) -> Outgoing:
    headers = tuple(field for field in request.headers if field[0].lower() not in _HOP_BY_HOP)
    exchange = await pool.exchange(request.method.encode(), request.target, headers)
    try:
        head = exchange.head
        response = Outgoing(head.status, head.reason, head.headers)
        response.begin(request)
        while data := await exchange.read():
            await response.write(data)
    finally:
        exchange.close()
    return response


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
