"""Apps that compress within the middleware: kmproxy compresses in their stead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from doors_engine import Kept, config
from doors_frameworks import django_settings
from doors_inside import asgi_answer, wsgi_answer
from doors_kit import PAGE, Case, Exchange, exchange, gzipped, html
from test_doors_alike import DOORS

from kmproxy.asgi import KmproxyMiddleware as Asgi
from kmproxy.wsgi import KmproxyMiddleware as Wsgi

OFFER = b"gzip, deflate, br"
CASE = Case("page", asks=((b"Accept-Encoding", OFFER),))
LONG = PAGE + b"<p>a word of many</p>" * 100
ANNS = LONG.replace(b"#end", b"&amp;kmi=ann#end")

Page = Callable[[str, bool], list[bytes]]
"""The pieces of the page that the app makes, by what it is offered and whether it is to stream."""

Ask = Callable[[Case], Awaitable[Exchange]]


def starlette(page: Page) -> Ask:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def view(request: Request) -> Response:
        streams = request.url.path == "/stream"
        made = page(request.headers.get("accept-encoding", ""), streams)
        return StreamingResponse(iter(made), media_type="text/html") if streams else HTMLResponse(made[0])

    behind = [Middleware(Asgi, config=config()), Middleware(GZipMiddleware)]
    app = Starlette(routes=[Route("/{path:path}", view)], middleware=behind)

    async def ask(case: Case) -> Exchange:
        status, headers, body, is_whole = await asgi_answer(app, case)
        return exchange(case, status, headers, body, [], None, is_whole=is_whole)

    return ask


def django(page: Page) -> Ask:
    """Of Django the middleware and no more."""
    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.middleware.gzip import GZipMiddleware

    django_settings()

    def view(request: HttpRequest) -> HttpResponseBase:
        streams = request.path == "/stream"
        made = page(request.headers.get("Accept-Encoding", ""), streams)
        return StreamingHttpResponse(iter(made)) if streams else HttpResponse(made[0])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        response = GZipMiddleware(view)(WSGIRequest(environ))
        start_response("200 OK", list(response.items()))
        return response

    middleware = Wsgi(app, config())

    async def ask(case: Case) -> Exchange:
        status, headers, body, is_whole = wsgi_answer(middleware, case)
        return exchange(case, status, headers, body, [], None, is_whole=is_whole)

    return ask


class App:
    """A framework with its own compression, and kmproxy around both."""

    def __init__(self, framework: Callable[[Page], Ask]) -> None:
        self.ask = framework(self._page)
        self.offers: list[bytes] = []
        """What the app saw."""

    def _page(self, offer: str, streams: bool) -> list[bytes]:
        self.offers.append(offer.encode())
        return [LONG[:50], LONG[50:90], LONG[90:]] if streams else [LONG]


@pytest.fixture(params=[starlette, django], ids=lambda framework: framework.__name__)
def app(request: pytest.FixtureRequest, kept: Kept) -> App:
    return App(request.param)


@pytest.mark.parametrize("target", [b"/", b"/stream"])
async def test_a_page_is_asked_for_plain_and_leaves_compressed_once_the_app_was_seen_to_compress_it(
    app: App, target: bytes
) -> None:
    answers = [await app.ask(replace(CASE, target=target)) for _ in range(5)]
    assert app.offers == [OFFER, *[b"identity"] * 4]
    assert {answer.plain() for answer in answers} == {ANNS}
    assert all(len(answer.body) < len(LONG) / 3 for answer in answers)
    first, *others = [answer.headers for answer in answers]
    assert others == [first] * 4
    assert first[b"content-encoding"] == [b"gzip"]
    assert b"Accept-Encoding" in first[b"vary"][0]


async def test_who_reads_no_gzip_or_is_not_followed_has_it_from_the_app_as_ever(app: App) -> None:
    for _ in range(3):
        await app.ask(CASE)
    app.offers.clear()
    plain = await app.ask(replace(CASE, asks=()))
    crawlers = await app.ask(replace(CASE, agent=b"Googlebot/2.1"))
    assert app.offers == [b"", OFFER]
    assert (plain.body, b"content-encoding" in plain.headers) == (ANNS, False)
    assert (crawlers.plain(), crawlers.headers[b"content-encoding"]) == (LONG, [b"gzip"])


@pytest.mark.parametrize("door", DOORS)
async def test_an_app_is_asked_as_the_client_asks_where_its_compression_is_elsewhere(
    door: str, kept: Kept
) -> None:
    headers = html((b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding"))
    case = replace(CASE, headers=headers, body=gzipped(LONG))
    offers = []
    async with DOORS[door]({}, kept) as opened:
        for _ in range(3):
            got = await opened.ask(case)
            assert (got.plain(), got.headers[b"content-encoding"]) == (ANNS, [b"gzip"])
            assert got.seen is not None
            offers.append(got.seen[1][b"accept-encoding"])
    # Within the other two there may be one; this one was not moved by what it was offered.
    assert offers == [OFFER, b"identity" if door in ("asgi", "wsgi") else OFFER, OFFER]
