"""The ASGI door: ``app.add_middleware(KmproxyMiddleware, config="kmproxy.toml")``.

Pure ASGI 3: what is no HTTP request or response of a configured domain passes by untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from kmproxy import trailers
from kmproxy.config.load import Source
from kmproxy.current import CurrentVisitor
from kmproxy.door import Door, rewritten
from kmproxy.messages import Headers, Request, Response, first
from kmproxy.pages.negotiated import Negotiated
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.passage import through
from kmproxy.visit import Arrival

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PAST_US = ("http.response.pathsend", "http.response.zerocopysend")
"""Extensions by which a server sends a file itself, so that nobody sees its bytes."""

# What a path may hold unescaped, besides letters and digits (RFC 3986 §3.3).
_IN_PATHS = "/~!$&'()*+,;=:@-._"


class KmproxyMiddleware:
    """Wraps an ASGI app. ``config``: a path, a mapping or a Config.

    Raises ConfigError with everything that is wrong with it.
    """

    def __init__(self, app: App, config: Source | None = None) -> None:
        self._app = app
        self._door = Door(config, Negotiated())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._with_courier(send))
        elif scope["type"] == "http":
            await self._pass(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _with_courier(self, send: Send) -> Send:
        """The courier begins before the server hears that the app is up, and ends when the app has."""

        async def told(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await asyncio.to_thread(self._door.begin)
            elif message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._door.courier.close)
            await send(message)

        return told

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._door.begin_soon()  # A server may have no lifespan.
        request = _request(scope)
        arrival = await through(self._door.passage.arrive(request), self._door.courier.put)
        if arrival is not None and arrival.answer is not None:
            await _answer(arrival.answer, send)
            return
        visitor = self._door.visitor(arrival)
        if arrival is None:
            await self._app({**scope, "kmproxy.visitor": visitor}, receive, send)
            return
        response = _Response(self._door, arrival, visitor, send)
        await self._app(_scope(scope, arrival, visitor), _read(receive, arrival), response.send)
        if response.rewriter is not None:
            self._door.later.do(response.rewriter.jobs)


class _Response:
    """One response on its way out."""

    def __init__(self, door: Door, arrival: Arrival, visitor: CurrentVisitor, send: Send) -> None:
        self._door = door
        self._arrival = arrival
        self._visitor = visitor
        self._send = send
        self._start: Message | None = None
        """Held back until it is known whether the page is whole."""
        self.rewriter: PageRewriter | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self.rewriter is not None:
            await self._body(self.rewriter, message)
        elif message["type"] == "http.response.trailers" and self.rewriter is not None:
            came = tuple((name, value) for name, value in message["headers"])
            await self._send({**message, "headers": list(trailers.kept(came, rewritten=True))})
        else:
            await self._let_start_go()
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        came = Response(message["status"], b"", tuple((k, v) for k, v in message.get("headers", ())))
        steps = self._door.passage.depart(self._arrival, came, self._visitor.arrival)
        departure = await through(steps, self._door.courier.put)
        self.rewriter = departure.rewriter
        self._start = {**message, "headers": _lower(departure.headers)}
        if self.rewriter is None:
            await self._let_start_go()

    async def _let_start_go(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)

    async def _body(self, rewriter: PageRewriter, message: Message) -> None:
        data, more = message.get("body", b""), message.get("more_body", False)
        out, error = rewritten(rewriter, data, is_last=not more)
        if error is not None:
            await self._let_start_go()
            await self._send({**message, "body": out, "more_body": True})
            raise error
        if self._start is not None and not more and not self._start.get("trailers"):
            self._start["headers"].append((b"content-length", b"%d" % len(out)))
        await self._let_start_go()
        if out or not more:
            await self._send({**message, "body": out})


def _request(scope: Scope) -> Request:
    headers: Headers = tuple((name, value) for name, value in scope["headers"])
    path = scope.get("raw_path") or quote(scope["path"], safe=_IN_PATHS).encode()
    query = scope.get("query_string", b"")
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    host = first(headers, b"host").decode("latin-1")
    return Request(scope["method"], scope.get("scheme", "http"), host, target, headers)


def _scope(scope: Scope, arrival: Arrival, visitor: CurrentVisitor) -> Scope:
    """A copy of the scope, as the app is to see it."""
    seen = {**scope, "headers": _lower(arrival.headers), "kmproxy.visitor": visitor}
    if arrival.target != arrival.request.target:
        seen["query_string"] = arrival.target.partition(b"?")[2]
    if arrival.seen and scope.get("extensions"):  # The app may yet say who a nobody is.
        kept = {name: said for name, said in scope["extensions"].items() if name not in _PAST_US}
        seen["extensions"] = kept
    return seen


def _read(receive: Receive, arrival: Arrival) -> Receive:
    """``receive``, with a tracked form's body seen as the app receives it."""
    form = arrival.form
    if form is None or not form.is_read:
        return receive

    async def seen() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            form.take(message.get("body", b""))
            if not message.get("more_body", False):
                form.end()
        return message

    return seen


def _lower(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]


async def _answer(answer: Response, send: Send) -> None:
    headers = _lower(answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
