"""The middlewares with all that belongs to them: an arrival reaches the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from doors_engine import config
from doors_inside import asgi_answer, wsgi_answer
from doors_kit import ANONYMOUS, BLOG, Case
from doors_wire import parsed, speak

from kmproxy import aiohttp, asgi, wsgi
from kmproxy.config import Config
from kmproxy.outbox.courier import Courier

ARRIVAL = Case(
    "arrival", b"/?kmi=bob", ANONYMOUS, asks=((b"Referer", f"http://{BLOG}/".encode()),), accept=b"text/html"
)


@pytest.fixture
def couriers(monkeypatch: pytest.MonkeyPatch) -> list[Courier]:
    """Those of the doors that are made from now on; the test's to close."""
    made: list[Courier] = []

    def watched(url: str) -> Courier:
        made.append(Courier(url))
        return made[-1]

    monkeypatch.setattr("kmproxy.door.Courier", watched)
    return made


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """Its address, and the calls it takes."""
    calls = asyncio.Queue[str]()

    async def take(request: web.Request) -> web.Response:
        await calls.put(request.path_qs)
        return web.Response(body=b"GIF89a")

    app = web.Application()
    app.router.add_get("/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("")), calls


async def _asgi(settings: Config) -> int:
    return (await asgi_answer(asgi.KmproxyMiddleware(_nothing, settings), ARRIVAL))[0]


async def _wsgi(settings: Config) -> int:
    app = wsgi.KmproxyMiddleware(_nothing, settings)
    return (await asyncio.to_thread(wsgi_answer, app, ARRIVAL))[0]


async def _aiohttp(settings: Config) -> int:
    app = web.Application(middlewares=[aiohttp.middleware(settings)])
    async with TestServer(app) as server:
        return parsed("GET", await speak(server.port or 0, ARRIVAL.request))[0]


def _nothing(*asked: Any) -> Any:
    raise AssertionError("the app is not asked")


@pytest.mark.parametrize("arrive", [_asgi, _wsgi, _aiohttp])
async def test_an_arrival_reaches_the_vendor(
    arrive: Callable[[Config], Awaitable[int]], tmp_path: Path, couriers: list[Courier]
) -> None:
    async with vendor() as (endpoint, calls):
        kissmetrics = {"api_key": "key", "endpoint": endpoint}
        settings = config(outbox=f"sqlite:{tmp_path / 'outbox.db'}", kissmetrics=kissmetrics)
        assert await arrive(settings) == 302
        async with asyncio.timeout(10):
            call = await calls.get()
        for courier in couriers:
            await asyncio.to_thread(courier.close)
    assert call.startswith("/a?_n=bob&_p=")


async def test_an_outbox_that_can_not_be_opened_costs_nobody_their_page(
    tmp_path: Path, couriers: list[Courier]
) -> None:
    settings = config(outbox=f"sqlite:{tmp_path}")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [environ["QUERY_STRING"].encode()]

    status, headers, body, _ = wsgi_answer(wsgi.KmproxyMiddleware(app, settings), ARRIVAL)
    assert (status, body) == (200, b"kmi=bob")
    assert b"Set-Cookie" not in dict(headers)
