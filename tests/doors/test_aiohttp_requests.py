"""What aiohttp's handlers, middlewares and apps see of each other."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from doors_aiohttp import CASE, Client, html, serving, stream
from doors_engine import Kept, config
from doors_kit import ANN, BLOG, DECORATED, LINK, PAGE, SHOP, Case
from doors_wire import parsed, speak

import kmproxy
from kmproxy.aiohttp import middleware

pytest_plugins = ("doors_fixtures",)


async def test_a_redirect_that_is_raised_is_decorated_and_keeps_its_cookies(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.HTTPFound(f"https://{BLOG}/next", headers={"X-KM-Identify": "bob"})
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        raise answer

    async with serving(handler) as client:
        status, headers, _, _ = parsed("GET", await client.raw(Case("login", cookie="km_ai=x")))
    assert (status, dict(headers)[b"Location"]) == (302, f"https://{BLOG}/next?kmi=bob".encode())
    cookies = [value.partition(b";")[0] for name, value in headers if name == b"Set-Cookie"]
    assert cookies == [b"a=1", b"b=2", b"km_ni=bob"]


@pytest.mark.parametrize("when", ["before", "begun", "after"])
@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_a_handler_that_fails_makes_an_error_page_or_one_that_is_not_whole(
    when: str, accept: bytes, kept: Kept
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if when != "before":
            response = await stream(request)
            if when == "after":
                await response.write(PAGE)
        raise KeyError("app")

    async with serving(handler) as client:
        answer = await client.raw(Case("page", accept=accept))
    if when == "begun":
        assert answer == b""
        return
    status, _, body, is_whole = parsed("GET", answer)
    assert (status, is_whole, b"500" in body) == (
        (200, False, False) if when == "after" else (500, True, True)
    )


async def test_outer_and_inner_middlewares_share_the_request(kept: Kept) -> None:
    key = web.RequestKey("key", list[str])

    @web.middleware
    async def outer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[key] = [f"{request.rel_url} {request.query_string} {dict(request.query)}"]
        response = await handler(request)
        assert len(request[key]) == 3
        response.headers["X-Outer"] = kmproxy.visitor(request).identity or ""
        return response

    @web.middleware
    async def inner(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[key].append("inner")
        return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        request[key].append(
            f"{request.rel_url} {request.query_string} {dict(request.query)} {request.path_qs}"
        )
        return web.json_response([*request[key], request.headers["X-KM-Identity"], request.url.query["x"]])

    inline = {"arrival": {"url": "inline"}}
    async with serving(handler, outside=(outer,), inside=(inner,), **inline) as client:
        _, headers, body = await client.get(Case("arrival", target=b"/p?x=%2F&kmi=bob", cookie="km_ai=x"))
    assert headers[b"x-outer"] == b"bob"
    assert body == (
        b"[\"/p?x=%2F&kmi=bob x=/&kmi=bob {'x': '/', 'kmi': 'bob'}\", \"inner\","
        b' "/p?x=%2F x=/ {\'x\': \'/\'} /p?x=%2F", "bob", "/"]'
    )


async def test_the_apps_within_an_app_are_decorated_once(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(
            text=kmproxy.link(f"https://{BLOG}/", request) + LINK.decode(), content_type="text/html"
        )

    within = web.Application(middlewares=[middleware(config())])
    within.router.add_get("/page", handler)
    app = web.Application(middlewares=[middleware(config())])
    app.add_subapp("/sub", within)
    async with TestServer(app) as server:
        assert isinstance(server, TestServer)
        body = await Client(server).body(Case("page", target=b"/sub/page"))
    assert body.count(DECORATED) == 1
    assert body.count(b"kmi=") == 2


async def test_many_requests_of_one_connection_are_each_their_own(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/stream":
            return await stream(request, PAGE[:50], PAGE[50:])
        return html() if request.path == "/page" else web.Response(body=PAGE)

    names = [b"bob" if number % 3 else b"eve" for number in range(12)]
    paths = [(b"/stream", b"/page", b"/asset")[number % 3 - number // 3 % 3] for number in range(12)]
    async with serving(handler) as client:
        cases = [
            Case("page", target=path, cookie=f"km_ni={name.decode()}")
            for name, path in zip(names, paths, strict=True)
        ]
        requests = [case.request.replace(b"close", b"keep-alive") for case in cases[:-1]] + [
            cases[-1].request
        ]
        answers = await speak(client.port, b"".join(requests))
    heads = answers.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(heads) == 12
    for head, name, path in zip(heads, names, paths, strict=True):
        assert (b"kmi=" + name in head) == (path != b"/asset")
        assert head.count(b"kmi=") == (path != b"/asset")


async def test_a_websocket_passes(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data + f" of {kmproxy.visitor(request).identity}")
        return socket

    async with serving(handler) as client, aiohttp.ClientSession() as session:
        headers = {"Host": SHOP, "Cookie": ANN, "User-Agent": CASE.agent.decode()}
        async with session.ws_connect(f"http://127.0.0.1:{client.port}/", headers=headers) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=10) == "hello of ann"
