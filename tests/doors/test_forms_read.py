"""Behind a middleware a tracked form is what the app has read of it by its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from doors_asgi import body, run, start
from doors_engine import Kept, by_engine, config
from doors_forms import BODY, TRACKED, form
from doors_inside import Client, environ_of, messages_of, scope_of
from doors_kit import Case
from doors_wire import parsed, speak
from doors_wsgi import ask

from kmproxy.aiohttp import middleware
from kmproxy.asgi import Message, Receive, Scope, Send
from kmproxy.tracking import TrackingCall
from kmproxy.wsgi import KmproxyMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

pytest_plugins = ("doors_fixtures",)

WHOLE, CHUNKED = form("whole"), form("chunked", BODY[:9], BODY[9:20], BODY[20:])
RECORDED: list[TrackingCall] = by_engine(WHOLE).calls

Reader = Callable[[web.Request], Awaitable[object]]


async def _chunks(request: web.Request) -> None:
    async for _ in request.content.iter_chunks():
        pass


async def _pieces(request: web.Request) -> None:
    async for _ in request.content.iter_chunked(5):
        pass


async def _lines(request: web.Request) -> None:
    async for _ in request.content:
        pass


async def _nowait(request: web.Request) -> None:
    while not request.content.at_eof():
        request.content.read_nowait()
        await asyncio.sleep(0)


READERS: dict[str, Reader] = {
    "read": lambda request: request.read(),
    "text": lambda request: request.text(),
    "post": lambda request: request.post(),
    "content": lambda request: request.content.read(),
    "exactly": lambda request: request.content.readexactly(len(BODY)),
    "chunks": _chunks,
    "pieces": _pieces,
    "lines": _lines,
    "nowait": _nowait,
}


@pytest.mark.parametrize("case", [WHOLE, CHUNKED], ids=lambda case: case.name)
@pytest.mark.parametrize("way", READERS)
async def test_aiohttps_app_may_read_in_any_way(way: str, case: Case, kept: Kept) -> None:
    async def handler(request: web.Request) -> web.Response:
        await READERS[way](request)
        return web.Response()

    await _by_aiohttp(handler, case.request)
    assert kept.taken() == RECORDED


async def test_aiohttps_app_that_does_not_read_has_no_form(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    await _by_aiohttp(handler, WHOLE.request)
    assert kept.taken() == []


async def test_aiohttps_app_that_reads_a_part_has_no_form(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert await request.content.readexactly(12) == BODY[:12]
        return web.Response()

    await _by_aiohttp(handler, CHUNKED.request)
    assert kept.taken() == []


async def _by_aiohttp(handler: Callable[[web.Request], Awaitable[web.Response]], request: bytes) -> None:
    app = web.Application(middlewares=[middleware(config(**TRACKED))])
    app.router.add_post("/join", handler)
    async with TestServer(app) as server:
        status, *_ = parsed("POST", await speak(server.port or 0, request))
    assert status == 200


def received(*messages: Message) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


def piece(data: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("messages", "is_recorded"),
    [
        ((piece(BODY, more=False),), True),
        ((piece(BODY[:9], more=True), piece(b"", more=True), piece(BODY[9:], more=False)), True),
        ((piece(BODY, more=True), {"type": "http.request"}), True),
        ((piece(BODY[:9], more=True), GONE), False),
        ((GONE,), False),
        ((), False),
    ],
)
async def test_an_asgi_app_has_the_form_once_it_has_received_it(
    messages: tuple[Message, ...], is_recorded: bool, kept: Kept
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            assert await receive() == message
        await send(start())
        await send(body(b"thanks"))

    scope = scope_of(CHUNKED)
    await run(app, scope, received(*messages), **TRACKED)
    assert kept.taken() == (RECORDED if is_recorded else [])


async def test_an_asgi_app_that_reads_after_its_answer_began_has_no_form(kept: Kept) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first, second = messages_of(replace(WHOLE, body=b"thanks"))
        await send(first)
        assert (await receive())["body"] == BODY
        await send(second)

    await run(app, scope_of(WHOLE), received(piece(BODY, more=False)), **TRACKED)
    assert kept.taken() == []


def test_a_wsgi_app_that_does_not_read_has_no_form(kept: Kept) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"thanks"]

    assert ask(app, WHOLE, **TRACKED).body == b"thanks"
    assert kept.taken() == []


def test_a_wsgi_server_may_say_twice_what_the_content_is(kept: Kept) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert environ["wsgi.input"].read(len(BODY)) == BODY
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"thanks"]

    said = environ_of(WHOLE)
    twice = {f"HTTP_{name}": said[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH")}
    client = Client()
    client.take(KmproxyMiddleware(app, config(**TRACKED))({**said, **twice}, client.start_response))
    assert kept.taken() == RECORDED


def test_a_wsgi_app_may_read_when_it_is_asked_for_its_first_bytes(kept: Kept) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read(len(BODY))
        start_response("200 OK", [("Content-Type", "text/html")])
        yield b"thanks"

    assert ask(app, WHOLE, **TRACKED).body == b"thanks"
    assert kept.taken() == RECORDED
