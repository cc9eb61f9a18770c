"""Starlette, whose middleware is named when the app is made."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import kmproxy
from frameworks.apps import content
from kmproxy.asgi import KmproxyMiddleware


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(content.PAGE)


async def who(request: Request) -> JSONResponse:
    return JSONResponse(content.said(request, request.url.query))


async def login(request: Request) -> RedirectResponse:
    kmproxy.visitor(request).identify(request.query_params["name"])
    return RedirectResponse("/", 303)


async def join(request: Request) -> HTMLResponse:
    body = b"".join([piece async for piece in request.stream()])
    return HTMLResponse(parse_qs(body)[b"plan"][0])


def slow(request: Request) -> StreamingResponse:
    return StreamingResponse(content.parts_blocking(), media_type="text/html")


app = Starlette(
    routes=[
        Route("/", page),
        Route("/who", who),
        Route("/login", login, methods=["POST"]),
        Route("/join", join, methods=["POST"]),
        Route("/slow", slow),
        Mount("/static", StaticFiles(directory=content.STATIC)),
    ],
    middleware=[Middleware(KmproxyMiddleware, config=content.CONFIG)],
)
