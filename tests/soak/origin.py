"""An upstream: ``python -m tests.soak.origin PORT POSTS``; both domains' own, to be killed at any time."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from functools import cache
from pathlib import Path

import uvloop
from aiohttp import WSMsgType, web

from . import site

POSTS = web.AppKey("posts", Path)
"""A file with a line for each POST that comes, be it answered or not; that of all upstreams."""


def application(posts: Path) -> web.Application:
    app = web.Application()
    app[POSTS] = posts
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/landing", _page),
            web.get("/page/{number}", _page),
            web.get("/own/{number}", _own),
            web.get("/slow/{number}", _slow),
            web.get("/cut/{number}", _cut),
            web.get("/asset/{number}", _asset),
            web.get("/leave", _leave),
            web.get("/events", _events),
            web.get("/socket", _socket),
            web.post("/echo", _echo),
            web.post("/join", _join),
        ]
    )
    return app


async def _page(request: web.Request) -> web.Response:
    number = int(request.match_info.get("number", 0))
    tag = f"{request.host}-{number}"
    if any(asked.value == tag for asked in request.if_none_match or ()):
        return web.Response(status=304, headers={"ETag": f'"{tag}"'})
    response = _html(_compressed(request.host, number))
    response.headers["ETag"] = f'"{tag}"'
    return response


@cache
def _compressed(host: str, number: int) -> bytes:
    return gzip.compress(site.page(host, number), 6, mtime=0)


def _html(compressed: bytes) -> web.Response:
    return web.Response(body=compressed, content_type="text/html", headers={"Content-Encoding": "gzip"})


async def _own(request: web.Request) -> web.Response:
    """Says who asked, and who kmproxy says that is."""
    return _html(gzip.compress(_made_for(request), 1))


def _made_for(request: web.Request) -> bytes:
    who = f"{request.headers['X-Visitor']} {request.headers.get('X-KM-Identity', '-')}"
    return site.page(request.host, int(request.match_info["number"]), who)


async def _slow(request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    whole = _made_for(request)
    for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
        await response.write(half)
        await asyncio.sleep(site.PAUSE)
    return response


async def _cut(request: web.Request) -> web.StreamResponse:
    """Never whole: the connection ends amid the page, which is compressed for every other number."""
    whole = _made_for(request)
    compressed = int(request.match_info["number"]) % 2 == 0
    response = await _begun(request, gzip_coded=compressed)
    half = (zlib.compress(whole, 1, wbits=31) if compressed else whole)[: len(whole) // 4]
    await response.write(half)
    assert request.transport is not None
    request.transport.close()
    return response


async def _begun(request: web.Request, *, gzip_coded: bool = False) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/html"
    if gzip_coded:
        response.headers["Content-Encoding"] = "gzip"
    await response.prepare(request)
    return response


async def _asset(request: web.Request) -> web.Response:
    body = site.asset(int(request.match_info["number"]))
    return web.Response(body=body, content_type="image/png", headers={"Cache-Control": "max-age=60"})


async def _leave(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": site.leads(request.host)})


async def _events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/event-stream"
    await response.prepare(request)
    for number in range(site.EVENTS):
        await response.write(site.event(request.headers["X-Visitor"], number))
        await asyncio.sleep(site.PAUSE)
    return response


async def _socket(request: web.Request) -> web.WebSocketResponse:
    """Echoes."""
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


async def _echo(request: web.Request) -> web.StreamResponse:
    """A while later, piece by piece as it comes."""
    _count(request)
    await asyncio.sleep(site.PAUSE)
    response = web.StreamResponse()
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece)
    return response


async def _join(request: web.Request) -> web.Response:
    _count(request)
    await request.post()
    return web.Response(status=303, headers={"Location": "/"})


def _count(request: web.Request) -> None:
    with request.app[POSTS].open("a") as posts:
        posts.write(f"{request.query['post']}\n")


async def _serve(port: int, posts: Path) -> None:
    runner = web.AppRunner(application(posts), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
