"""One request through the proxy: ask the engine, ask the upstream, pass on what comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import ceil

from aiohttp import HttpVersion10, HttpVersion11

from kmproxy import trailers
from kmproxy.arriving import plain_answer
from kmproxy.engine import Engine
from kmproxy.later import Later
from kmproxy.messages import Request, Response, first, names, values
from kmproxy.observer import Observer
from kmproxy.outbox import Outbox
from kmproxy.pages.codings import CodingError
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.passage import Passage, through
from kmproxy.proxy.body import BodyError, Bounds, admit, body
from kmproxy.proxy.headers import TrustedProxies, end_to_end
from kmproxy.proxy.hop import Hop, hop
from kmproxy.proxy.incoming import Incoming
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.proxy.pipe import Switching, offered, pipe
from kmproxy.proxy.upstreams import Upstreams
from kmproxy.tracking import TrackingCall
from kmproxy.upstream import HIGH_WATER, Exchange, Tunnel, Unavailable, UpstreamError
from kmproxy.visit import Arrival

_log = logging.getLogger(__name__)

_COALESCED = 1 << 16
"""Bytes of a body that are waiting and may leave in one piece."""

_MOMENT = 0.002
"""Seconds a page may pause before what is decided of it leaves."""

_ANSWERS = {
    400: (b"Bad Request", "This request can't be read."),
    405: (b"Method Not Allowed", "This method is not served here."),
    408: (b"Request Timeout", "The request took too long to come."),
    413: (b"Content Too Large", "This is more than may be sent here."),
    421: (b"Misdirected Request", "No site of this name is served here."),
    501: (b"Not Implemented", "This transfer coding is not served here."),
    502: (b"Bad Gateway", "The site can't be reached. Please try again."),
    503: (b"Service Unavailable", "The site is down for a moment. Please try again."),
    504: (b"Gateway Timeout", "The site takes too long to answer. Please try again."),
    505: (b"HTTP Version Not Supported", "HTTP/1.0 and HTTP/1.1 are served here."),
}

_ALLOWED = (b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
"""RFC 9110 §15.5.6. Others pass, too: which a site knows it says itself."""

_ANOTHER_MAY_FOLLOW = frozenset({421, 502, 503, 504})
"""Any other refusal is of a request whose end we may see elsewhere than the client, or somebody in front."""

_VERSIONS = (HttpVersion11, HttpVersion10)


class ProxyHandler:
    """What is called for each request."""

    def __init__(
        self,
        engine: Engine,
        upstreams: Upstreams,
        outbox: Outbox,
        trusted: TrustedProxies,
        observer: Observer,
        wake_sender: Callable[[], None],
        bounds: Bounds,
    ) -> None:
        self._passage = Passage(engine, observer)
        self._upstreams = upstreams
        self._outbox = outbox
        self._trusted = trusted
        self._observer = observer
        self._wake_sender = wake_sender
        self._bounds = bounds
        self._later = Later()

    async def __call__(self, message: Incoming) -> Outgoing:
        status = _unserved(message)
        if status == 405:
            return self._refuse(message, status, _ALLOWED)
        if status:
            return self._refuse(message, status)
        connection = message.connection
        peer = connection.peer
        here = hop(
            message.headers, peer, trusted=peer in self._trusted, secure=connection.ssl_context is not None
        )
        request = _request(message, here)
        if request is None:
            return self._refuse(message, 400)
        arrival = await through(self._passage.arrive(request), self._put)
        if arrival is None:
            return self._refuse(message, 421)
        if arrival.answer is not None:
            answer = arrival.answer
            return Outgoing(answer.status, answer.reason, answer.headers, answer.body)
        if not arrival.domain.upstreams:
            return self._refuse(message, 421)
        try:
            return await self._relay(message, arrival, here)
        except (asyncio.CancelledError, ConnectionError):
            if connection.is_lost:
                self._observer.failed("client-left")  # nginx's 499: there is nobody to answer.
            raise

    async def _put(self, calls: Sequence[TrackingCall]) -> None:
        await self._outbox.put(calls)
        self._wake_sender()

    async def _relay(self, message: Incoming, arrival: Arrival, here: Hop) -> Outgoing:
        try:
            exchange = await self._send(message, arrival, here)
        except UpstreamError as error:
            return self._fail(message, arrival, error)
        except BodyError as error:
            return self._refuse(message, error.status)
        except ValueError:
            return self._refuse(message, 400)
        try:
            return await self._answer(message, arrival, exchange)
        finally:
            exchange.close()

    async def _send(self, message: Incoming, arrival: Arrival, here: Hop) -> Exchange:
        asked = arrival.request
        headers = (*arrival.headers, *here.said)
        upload = None
        if message.has_body:
            admit(message, self._bounds)
            upload = body(message, self._bounds, arrival.form)
            if not first(asked.headers, b"content-length"):
                headers = (*headers, (b"Transfer-Encoding", b"chunked"))
        method = asked.method.encode("latin-1")
        upgrade = offered(message)
        if upgrade:
            headers = (*headers, (b"Connection", b"upgrade"), (b"Upgrade", upgrade))
        elif message.takes_trailers:
            headers = (*headers, (b"Connection", b"TE"), (b"TE", b"trailers"))
        return await self._upstreams.exchange(
            arrival.domain, method, arrival.target, headers, upload, upgrade=upgrade, interim=message.tell
        )

    async def _answer(self, message: Incoming, arrival: Arrival, exchange: Exchange) -> Outgoing:
        head = exchange.head
        upstream = Response(head.status, head.reason, end_to_end(head.headers))
        departure = await through(self._passage.depart(arrival, upstream), self._put)
        if isinstance(exchange, Tunnel):
            chosen = b", ".join(values(head.headers, b"upgrade"))
            switching = Switching(head.reason, departure.headers, chosen)
            await pipe(message, exchange, switching)
            return switching
        response = Outgoing(head.status, head.reason, departure.headers)
        try:
            if departure.rewriter is None:
                response.begin(message)
                await _pass(exchange, response)
            else:
                await _rewrite(exchange, message, response, departure.rewriter)
                self._observer.page_done(arrival, departure.rewriter)
                self._later.do(departure.rewriter.jobs)
            if exchange.trailers and message.takes_trailers:
                fields = end_to_end(exchange.trailers)
                response.trail(trailers.kept(fields, rewritten=departure.rewriter is not None))
        except (UpstreamError, CodingError, BodyError) as error:
            kind = f"broken-body-{type(error).__name__}"
            self._observer.failed(kind)
            if not isinstance(error, BodyError):
                self._observer.upstream_failed(arrival.domain, exchange.upstream, kind)
            if departure.rewriter:
                response.begin(message)
                await response.write(departure.rewriter.salvage())
            response.break_off()
        return response

    def _fail(self, message: Incoming, arrival: Arrival, error: UpstreamError) -> Outgoing:
        kind = type(error).__name__
        self._observer.failed(kind)
        _log.warning("%d for %s: %s", error.status, arrival.domain.host, kind)
        if isinstance(error, Unavailable):
            return self._refuse(message, error.status, (b"Retry-After", b"%d" % ceil(error.retry_after)))
        return self._refuse(message, error.status)

    def _refuse(self, message: Incoming, status: int, *more: tuple[bytes, bytes]) -> Outgoing:
        if status not in _ANOTHER_MAY_FOLLOW:
            message.keep_alive = False
        reason, text = _ANSWERS[status]
        answer = plain_answer(status, reason, text, message.method)
        return Outgoing(answer.status, answer.reason, (*answer.headers, *more), answer.body)


async def _pass(exchange: Exchange, response: Outgoing) -> None:
    """The body, piece by piece as it comes."""
    if data := exchange.whole(_COALESCED):
        await response.write(data)
        return
    exchange.keep(HIGH_WATER)
    while True:
        data = exchange.read_nowait()
        if data is None:
            response.send_head()
            data = await exchange.read()
        if not data:
            return
        await response.write(_gathered(exchange, data))


async def _rewrite(exchange: Exchange, message: Incoming, response: Outgoing, rewriter: PageRewriter) -> None:
    """The body as the rewriter lets it out; whole, if it came without a pause."""
    data = exchange.whole(rewriter.at_once)
    rest = rewriter.whole(data) if data else await _in_pieces(exchange, message, response, rewriter)
    if exchange.trailers and message.takes_trailers:
        response.begin(message)  # In chunks: behind a length there is no place for them.
    if response.has_begun:
        await response.write(rest)
    else:
        response.set_whole(rest)


async def _in_pieces(
    exchange: Exchange, message: Incoming, response: Outgoing, rewriter: PageRewriter
) -> bytes:
    """The body as it comes; gives the last of it."""
    while True:
        data = exchange.read_nowait()
        if data is None:
            data = await _soon(exchange)
        if data is None:
            response.begin(message)
            await response.write(rewriter.flush())
            response.send_head()
            data = await exchange.read()
        if not data:
            return rewriter.finish()
        if not response.has_begun:
            data = _gathered(exchange, data)
        exchange.keep(2 * rewriter.at_once)
        await _write(rewriter, data, message, response)


async def _write(rewriter: PageRewriter, data: bytes, message: Incoming, response: Outgoing) -> None:
    """A piece of the body, so little at once that others have their turn."""
    while data:
        at_once = rewriter.at_once
        if out := rewriter.write(data[:at_once]):
            response.begin(message)
            await response.write(out)
        if data := data[at_once:]:
            await asyncio.sleep(0)


def _gathered(exchange: Exchange, data: bytes) -> bytes:
    """``data`` and what else has come by now: it leaves together."""
    while len(data) < _COALESCED and exchange.buffered:
        data += exchange.read_nowait() or b""
    return data


async def _soon(exchange: Exchange) -> bytes | None:
    """What comes within a moment, or None: a page in one go costs less than one in pieces."""
    try:
        async with asyncio.timeout(_MOMENT):
            return await exchange.read()
    except TimeoutError:
        return None


def _unserved(message: Incoming) -> int:
    """The status of a request that no proxy should pass on, or 0."""
    if message.version not in _VERSIONS:
        return 505
    if message.method in ("CONNECT", "TRACE"):
        return 405
    if b"transfer-encoding" not in names(message.headers).places:
        return 0
    codings = values(message.headers, b"transfer-encoding")
    if message.version == HttpVersion10 or not codings[0]:
        return 400  # RFC 9112 §6.1: whoever stands in front may not have read it as chunks.
    return 0 if codings[0].lower() == b"chunked" else 501


def _request(message: Incoming, here: Hop) -> Request | None:
    """The request as the engine reads it; None where its target and its Host disagree."""
    host, target = here.host, message.target
    if not target.startswith(b"/") and target != b"*":
        # Absolute-form (RFC 9112 §3.2.2) must not pick another site than Host does.
        prefix = b"http://" + host.encode("latin-1")
        target = target[len(prefix) :] if target.lower().startswith(prefix.lower()) else b"?"
        if not target.startswith(b"/"):
            return None
    return Request(message.method, here.scheme, host, target, here.left(message.headers))
