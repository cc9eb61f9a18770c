"""A span for each request, made by OpenTelemetry's own instrumentation of aiohttp's server.

That is a middleware of ``web.Application``, which requests here don't pass. So it is handed as much of a
request as a span may tell: the URL as the access log has it, no header but User-Agent, and no exception,
whose text may quote anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy
from opentelemetry import trace
from opentelemetry.propagate import get_global_textmap, inject
from yarl import URL

from kmproxy import redact
from kmproxy.links.hosts import bare_host
from kmproxy.messages import first, pick, values, without
from kmproxy.observer import Observer
from kmproxy.proxy.connection import Handler
from kmproxy.proxy.headers import TrustedProxies
from kmproxy.proxy.hop import hop
from kmproxy.proxy.incoming import Incoming
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.site import Domain
from kmproxy.visit import Arrival, Departure

_UNSERVED = "unserved.invalid"
"""The host of all requests to hosts that no site has: metrics count by host, and anybody may write one."""

_LEFT = 499
"""The status of a request whose client left before it was answered, as in the access log."""


class Spans(Observer):
    """Makes them, and hides in them whom a request is found to be from."""

    def __init__(self, middleware: Any) -> None:
        """``middleware`` is the instrumentation's own."""
        self._middleware = middleware
        # But for baggage: the middleware makes nothing of it, so it goes on as it came.
        self._fields = frozenset(name.lower().encode() for name in get_global_textmap().fields) - {b"baggage"}

    def around(
        self, handler: Handler, find: Callable[[str], Domain | None], trusted: TrustedProxies
    ) -> Handler:
        """``handler`` with a span for each request; ``find`` gives the domain that a host is."""

        async def traced(message: Incoming) -> Outgoing:
            answer = _Answer(handler, message, self._fields)
            domain = find(bare_host(first(message.headers, b"host").decode("latin-1")))
            await self._middleware(_shown(message, domain, trusted, self._fields), answer)
            return answer.outcome()

        return traced

    def arrived(self, arrival: Arrival) -> None:
        _hide(redact.identities(arrival))

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        _hide(redact.identities(arrival, departure.headers))


class _Answer:
    """What the middleware takes for the handler: whatever happens, it is told of a status only."""

    def __init__(self, handler: Handler, message: Incoming, fields: frozenset[bytes]) -> None:
        self._handler = handler
        self._message = message
        self._fields = fields
        self._response: Outgoing | None = None
        self._error: BaseException | None = None

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        _lead_on(self._message, self._fields)
        try:
            self._response = await self._handler(self._message)
            self._response.begin(self._message)
        except BaseException as error:
            self._error = error
            is_lost = isinstance(error, ConnectionError | asyncio.CancelledError)
            return web.Response(status=_LEFT if is_lost else 500)
        return web.Response(status=self._response.status)

    def outcome(self) -> Outgoing:
        """The handler's response; raises what it raised."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            assert self._response is not None  # noqa: S101 - there is one or the other
            return self._response
        finally:
            del error  # it would hold this frame, and this frame it


def _lead_on(message: Incoming, fields: frozenset[bytes]) -> None:
    """Have the upstream's span be a child of the one that has begun, if one has."""
    carrier: dict[str, str] = {}
    inject(carrier)
    if carrier:
        ours = [(name.encode(), value.encode()) for name, value in carrier.items()]
        message.headers = (*without(message.headers, fields), *ours)


def _hide(known: set[str]) -> None:
    """Leave out of the current span what holds one of those; one that is not recorded has nothing."""
    span: Any = trace.get_current_span()
    if not span.is_recording():
        return
    span.update_name(_without(span.name, known))
    for name, value in dict(span.attributes).items():
        if isinstance(value, str):
            span.set_attribute(name, _without(value, known))


def _without(said: str, known: set[str]) -> str:
    return redact.url(said.encode("utf-8", "replace"), known)


def _shown(
    message: Incoming, domain: Domain | None, trusted: TrustedProxies, fields: frozenset[bytes]
) -> web.BaseRequest:
    """The request as a span may tell of it from the start; its host is as it is configured."""
    known = redact.in_cookies(domain.site, values(message.headers, b"cookie")) if domain else set()
    method = redact.text(message.method, known)
    url = _url(message, domain, trusted, known)
    headers = _headers(message, fields, known)
    head = RawRequestMessage(
        method, url.raw_path_qs, message.version, headers, (), False, None, False, False, url
    )
    nobody: Any = None  # writes a response to it
    loop = asyncio.get_running_loop()
    return web.BaseRequest(head, EMPTY_PAYLOAD, message.connection, nobody, nobody, loop, scheme=url.scheme)


def _url(message: Incoming, domain: Domain | None, trusted: TrustedProxies, known: set[str]) -> URL:
    connection, peer = message.connection, message.connection.peer
    here = hop(message.headers, peer, trusted=peer in trusted, secure=connection.ssl_context is not None)
    target = message.target
    if not target.startswith(b"/"):  # absolute-form, or "*"
        target = b"/".join(target.split(b"/")[3:])
    # One slash: what stands behind two would be read as a host.
    path, _, query = redact.url(b"/" + target.lstrip(b"/"), known).partition("?")
    return URL.build(
        scheme=here.scheme,
        host=domain.host if domain else _UNSERVED,
        path="/" + path.lstrip("/"),  # the whole may be redacted
        query_string=query,
        encoded=True,
    )


def _headers(message: Incoming, fields: frozenset[bytes], known: set[str]) -> CIMultiDictProxy[str]:
    found: CIMultiDict[str] = CIMultiDict()
    for name, value in pick(message.headers, fields):
        found.add(name.decode(), value.decode("utf-8", "replace"))
    if agent := first(message.headers, b"user-agent"):
        found.add("User-Agent", redact.text(agent.decode("utf-8", "replace"), known))
    return CIMultiDictProxy(found)
