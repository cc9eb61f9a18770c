"""Compressing in an app's stead.

Within kmproxy, what an app compresses is taken apart for the visitor's parameters and compressed
again. So a page that came compressed is asked for plain the next time, and leaves in the
coding that the app chose for the same Accept-Encoding; but only if the plain answer says that
it would have been another one (``Vary``, RFC 9110 §12.5.5). Where pages come over a network
compressed ones cost less, and who compressed them may have done so long ago: nothing is
remembered in the proxy.
"""

from __future__ import annotations

from kmproxy import validators
from kmproxy.messages import Headers, tokens, values, without
from kmproxy.pages.negotiated import Offer
from kmproxy.visit import Arrival

_ENCODING = frozenset({b"accept-encoding"})
_CODING = frozenset({b"content-encoding"})


def ask_plain(arrival: Arrival) -> Arrival:
    """``arrival`` as one for a plain page, where the app would compress a personal one.

    A copy's entity tag may name its coding: whoever asks about one is answered by the app alone.
    """
    known = arrival.domain.site.memory.negotiated
    if known is None or not (arrival.asked.for_page and arrival.seen.is_known):
        return arrival
    coding = known.coding(_offer(arrival))
    if not coding or validators.is_conditional(arrival.request.headers):
        return arrival
    headers = (*without(arrival.headers, _ENCODING), (b"Accept-Encoding", b"identity"))
    return arrival._replace(headers=headers, coding=coding)


def coding(arrival: Arrival, status: int, headers: Headers) -> bytes:
    """The coding to compress a page in that came plain on our account; ``b""`` for as it came."""
    known = arrival.domain.site.memory.negotiated
    if known is None or status != 200 or not arrival.asked.for_page:
        return b""
    came = tokens(headers, b"content-encoding")
    varies = b"accept-encoding" in tokens(headers, b"vary")
    if arrival.coding:
        if varies and came in ([], [b"identity"]):
            return arrival.coding
        known.forget(_offer(arrival))
    elif varies and len(came) == 1 and not _refuses(_offer(arrival)):
        known.learn(_offer(arrival), came[0])
    return b""


def encoded(headers: Headers, coding: bytes) -> Headers:
    """The headers of a page that leaves in ``coding``; as they are for ``b""``."""
    return (*without(headers, _CODING), (b"Content-Encoding", coding)) if coding else headers


def _refuses(offer: Offer) -> bool:
    """Whether something is offered for a last resort or not at all, as plain pages may be (``*;q=0``)."""
    return b"q=0" in offer[2].lower()


def _offer(arrival: Arrival) -> Offer:
    headers = arrival.request.headers
    path = arrival.request.target.partition(b"?")[0]
    return arrival.host, path, b",".join(values(headers, b"accept-encoding"))
