"""The middlewares with all that belongs to them: an arrival reaches the vendor."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from doors_aiohttp import html
from doors_asgi import saying
from doors_engine import config
from doors_inside import asgi_answer, messages_of, wsgi_answer
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


@pytest.mark.parametrize("door", ["asgi", "aiohttp"])
async def test_a_call_that_waits_for_the_disk_holds_up_nobody_else(
    door: str, tmp_path: Path, couriers: list[Courier]
) -> None:
    file = tmp_path / "outbox.db"
    async with vendor() as (endpoint, calls), AsyncExitStack() as stack:
        kissmetrics = {"api_key": "key", "endpoint": endpoint}
        settings = config(outbox=f"sqlite:{file}", kissmetrics=kissmetrics)
        ask = await (_asking_asgi(settings) if door == "asgi" else _asking_aiohttp(settings, stack))
        assert await ask(ARRIVAL) == 302
        await calls.get()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(ask(ARRIVAL))
            async with asyncio.timeout(10):
                for _ in range(20):
                    assert await ask(Case("page")) == 200
            assert not waiting.done()
            other.execute("COMMIT")
        assert await waiting == 302
        for courier in couriers:
            await asyncio.to_thread(courier.close)


async def _asking_asgi(settings: Config) -> Callable[[Case], Awaitable[int]]:
    app = asgi.KmproxyMiddleware(saying(*messages_of(Case("page"))), settings)

    async def ask(case: Case) -> int:
        return (await asgi_answer(app, case))[0]

    return ask


async def _asking_aiohttp(settings: Config, stack: AsyncExitStack) -> Callable[[Case], Awaitable[int]]:
    app = web.Application(middlewares=[aiohttp.middleware(settings)])
    app.router.add_get("/", _page)
    server = await stack.enter_async_context(TestServer(app))

    async def ask(case: Case) -> int:
        return parsed("GET", await speak(server.port or 0, case.request))[0]

    return ask


async def _page(request: web.Request) -> web.Response:
    return html()
