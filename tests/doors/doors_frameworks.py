"""One page in every framework, behind the middleware that is meant for it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from doors_engine import Kept, config
from doors_inside import asgi_answer, wsgi_answer
from doors_kit import Case, Exchange, exchange
from doors_wire import parsed, speak

from kmproxy import aiohttp as km_aiohttp
from kmproxy import asgi, wsgi

Say = Callable[[Any], str]
"""What a view does with its request, and the page's text."""

Ask = Callable[[Say, Case, Kept], Awaitable[Exchange]]


async def bare_scope(say: Say, case: Case, kept: Kept) -> Exchange:
    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        text = say(scope).encode()
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return await _by_asgi(app, case, kept)


async def bare_environ(say: Say, case: Case, kept: Kept) -> Exchange:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        text = say(environ).encode()
        start_response("200 OK", [("Content-Type", "text/html")])
        return [text]

    return await _by_wsgi(app, case, kept)


async def starlette(say: Say, case: Case, kept: Kept) -> Exchange:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def view(request: Request) -> HTMLResponse:
        return HTMLResponse(say(request))

    behind = Middleware(asgi.KmproxyMiddleware, config=config(**case.site))
    return await _ask_asgi(Starlette(routes=[Route("/", view)], middleware=[behind]), case, kept)


async def fastapi(say: Say, case: Case, kept: Kept) -> Exchange:
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse

    app = FastAPI()
    app.add_middleware(asgi.KmproxyMiddleware, config=config(**case.site))

    async def view(request: Request) -> HTMLResponse:
        return HTMLResponse(say(request))

    view.__annotations__ = {"request": Request}
    app.add_api_route("/", view, response_model=None)
    return await _ask_asgi(app, case, kept)


async def django_asgi(say: Say, case: Case, kept: Kept) -> Exchange:
    from django.core.asgi import get_asgi_application

    _django(say)
    return await _by_asgi(get_asgi_application(), case, kept)


async def django_wsgi(say: Say, case: Case, kept: Kept) -> Exchange:
    from django.core.wsgi import get_wsgi_application

    _django(say)
    return await _by_wsgi(get_wsgi_application(), case, kept)


async def flask(say: Say, case: Case, kept: Kept) -> Exchange:
    from flask import Flask, request

    app = Flask("shop")
    app.add_url_rule("/", view_func=lambda: say(request))
    return await _by_wsgi(app.wsgi_app, case, kept)


async def aiohttp(say: Say, case: Case, kept: Kept) -> Exchange:
    async def view(request: web.Request) -> web.Response:
        return web.Response(text=say(request), content_type="text/html")

    app = web.Application(middlewares=[km_aiohttp.middleware(config(**case.site))])
    app.router.add_get("/", view)
    async with TestServer(app) as server:
        answer = parsed("GET", await speak(server.port or 0, case.request))
    return exchange(case, *answer[:3], kept.taken(), None, is_whole=answer[3])


FRAMEWORKS: dict[str, Ask] = {
    ask.__name__: ask
    for ask in (bare_scope, bare_environ, starlette, fastapi, django_asgi, django_wsgi, flask, aiohttp)
}


async def _by_asgi(app: Any, case: Case, kept: Kept) -> Exchange:
    return await _ask_asgi(asgi.KmproxyMiddleware(app, config(**case.site)), case, kept)


async def _ask_asgi(app: Any, case: Case, kept: Kept) -> Exchange:
    status, headers, body, is_whole = await asgi_answer(app, case)
    return exchange(case, status, headers, body, kept.taken(), None, is_whole=is_whole)


async def _by_wsgi(app: Any, case: Case, kept: Kept) -> Exchange:
    status, headers, body, is_whole = wsgi_answer(wsgi.KmproxyMiddleware(app, config(**case.site)), case)
    return exchange(case, status, headers, body, kept.taken(), None, is_whole=is_whole)


def _django(say: Say) -> None:
    """Django has one application a process: only its view is a new one."""
    from django.http import HttpRequest, HttpResponse
    from django.urls import clear_url_caches, path

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(say(request))

    urls: Any = ModuleType("doors_urls")
    urls.urlpatterns = [path("", view)]
    sys.modules["doors_urls"] = urls
    django_settings()
    clear_url_caches()


def django_settings() -> None:
    """Made once a process, whoever is the first to need them."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(ROOT_URLCONF="doors_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="none", USE_TZ=True)
