"""A page as its domain's upstream gives it, asked as the proxy would ask."""

from __future__ import annotations

from kmproxy.errors import QuestionError
from kmproxy.messages import Response, tokens
from kmproxy.observer import Observers
from kmproxy.pages.codings import SUPPORTED, decoder
from kmproxy.proxy.hop import hop
from kmproxy.proxy.upstreams import Upstreams
from kmproxy.upstream import Exchange, Timeouts
from kmproxy.visit import Arrival

MAX_BYTES = 64 << 20
"""Of a page; who has a longer one may save its beginning in a file."""


async def fetch(arrival: Arrival, timeouts: Timeouts) -> Response:
    """The upstream's answer, its body decoded. Raises UpstreamError, CodingError, QuestionError."""
    if not arrival.domain.upstreams:
        raise QuestionError(f"{arrival.domain.host} has no upstream to ask; give its page as a file")
    upstreams = Upstreams([arrival.domain], timeouts, Observers())
    asked = arrival.request
    here = hop(asked.headers, "127.0.0.1", trusted=False, secure=asked.scheme == "https")
    headers = (*here.left(arrival.headers), *here.said)
    try:
        exchange = await upstreams.exchange(
            arrival.domain, asked.method.encode(), arrival.target, headers, None
        )
        try:
            return Response(exchange.head.status, b"", exchange.head.headers, await _body(exchange))
        finally:
            exchange.close()
    finally:
        upstreams.close()


async def _body(exchange: Exchange) -> bytes:
    body = b""
    while data := await exchange.read():
        body += data
        if len(body) > MAX_BYTES:
            raise QuestionError(f"the page is longer than {MAX_BYTES >> 20} MB")
    coding = b", ".join(tokens(exchange.head.headers, b"content-encoding"))
    if coding not in SUPPORTED or not body:
        return body
    plain = decoder(coding)
    return plain.write(body) + plain.finish()
