"""Departing: what becomes of the upstream's response for this visitor."""

from __future__ import annotations

import re

from kmproxy import caching
from kmproxy.links.decorate import Skip
from kmproxy.messages import Headers, Response, first, tokens
from kmproxy.pages import charset, codings
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scanner import Scanner
from kmproxy.site import resolve_base
from kmproxy.visit import Arrival

_PAGES = frozenset({b"text/html", b"application/xhtml+xml"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITHOUT_PAGE = frozenset({204, 205, 206})

# WHATWG HTML §7.4.5, "shared declarative refresh steps".
_REFRESH = re.compile(
    rb"\s*[0-9.]+\s*[;,\s]\s*(?:url\s*=\s*)?(?:'([^']*)|\"([^\"]*)|(.+))", re.IGNORECASE | re.DOTALL
)


def is_page(response: Response) -> bool:
    """Whether this is HTML that a browser will show whole."""
    kind = first(response.headers, b"content-type").partition(b";")[0].strip().lower()
    shown = 200 <= response.status < 300 or response.status >= 400
    return kind in _PAGES and shown and response.status not in _WITHOUT_PAGE


def left_alone(headers: Headers) -> str | None:
    """Why a page that could be personal leaves as it came, or None."""
    if caching.is_attachment(headers):
        return "attachment"
    if caching.forbids_transforming(headers):
        return "no-transform"
    if not charset.is_spliceable(charset.declared(first(headers, b"content-type"))):
        return "charset"
    return None if _coding(headers) in codings.SUPPORTED else "coding"


def rewriter(arrival: Arrival, headers: Headers) -> PageRewriter:
    """What the page's body goes through."""
    site, host = arrival.domain.site, arrival.host
    scanner = Scanner(
        site.elements,
        arrival.origin,
        lambda raw, base: site.slot(host, base, raw, in_html=True),
        resolve_base,
    )
    return PageRewriter(_coding(headers), scanner, arrival.parameters("&amp;"))


def decorated_headers(arrival: Arrival, response: Response) -> Headers:
    """The headers with the URLs in Location and Refresh decorated."""
    text = arrival.parameters("&")
    if not text or not arrival.domain.site.links.redirects:
        return response.headers
    return tuple(
        (name, _decorated(arrival, response.status, name, value, text)) for name, value in response.headers
    )


def _decorated(arrival: Arrival, status: int, name: bytes, value: bytes, text: bytes) -> bytes:
    start = _url_start(status, name.lower(), value)
    if start is None:
        return value
    url = value[start[0] : start[1]]
    slot = arrival.domain.site.slot(arrival.host, arrival.origin, url, in_html=False)
    if isinstance(slot, Skip):
        return value
    place = start[0] + slot.offset
    return value[:place] + slot.lead + text + value[place:]


def _url_start(status: int, name: bytes, value: bytes) -> tuple[int, int] | None:
    """Where the URL stands in a header's value; None in a header that leads nowhere."""
    if name == b"location":
        return (0, len(value)) if status in _REDIRECTS else None
    match = _REFRESH.match(value) if name == b"refresh" else None
    return match.span(match.lastindex) if match and match.lastindex else None


def _coding(headers: Headers) -> bytes:
    return b", ".join(tokens(headers, b"content-encoding"))
