"""aiohttp under its own server: ``python -m frameworks.apps.aiohttp_app FD``, a listening socket."""

from __future__ import annotations

import socket
import sys

from aiohttp import web

import kmproxy
from frameworks.apps import content
from kmproxy.aiohttp import middleware

routes = web.RouteTableDef()
routes.static("/static", content.STATIC)


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    return web.Response(text=content.PAGE, content_type="text/html")


@routes.get("/who")
async def who(request: web.Request) -> web.Response:
    return web.json_response(content.said(request, request.rel_url.raw_query_string))


@routes.post("/login")
async def login(request: web.Request) -> web.Response:
    kmproxy.visitor(request).identify(request.query["name"])
    raise web.HTTPSeeOther("/")


@routes.post("/join")
async def join(request: web.Request) -> web.Response:
    return web.Response(text=str((await request.post())["plan"]))


@routes.get("/slow")
async def slow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(request)
    async for part in content.parts():
        await response.write(part)
    await response.write_eof()
    return response


if __name__ == "__main__":
    app = web.Application(middlewares=[middleware(content.CONFIG)])
    app.add_routes(routes)
    web.run_app(app, sock=socket.socket(fileno=int(sys.argv[1])))
