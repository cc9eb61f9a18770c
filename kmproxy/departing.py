"""Departing: what becomes of the upstream's response for this visitor."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kmproxy import caching, validators
from kmproxy.links.decorate import Skip
from kmproxy.links.refresh import url_span
from kmproxy.messages import Headers, Names, Response, first, names, tokens, values
from kmproxy.pages import charset, codings
from kmproxy.pages.chunks import Texts
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.visit import Arrival

_PAGES = frozenset({b"text/html", b"application/xhtml+xml"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TELLING = frozenset({b"content-type", b"content-encoding", b"content-disposition"}) | caching.TELLING
_LEADS = frozenset({b"location", b"refresh"})
_WITHOUT_PAGE = frozenset({204, 205, 206})


class Body(NamedTuple):
    """What a response's body is, by its head."""

    leads: bool
    """Whether its head leads the visitor somewhere: has Location or Refresh."""

    is_page: bool
    """Whether this is HTML that a browser will show whole."""

    left_alone: str | None
    """Why a page that could be personal leaves as it came, or None."""

    coding: bytes
    privacy: caching.Privacy
    """What becomes of its head where it is made for one visitor."""


def body(status: int, headers: Headers) -> Body:
    """What the head tells; the next page's of a route tells the same."""
    known = names(headers)
    return _body(status, known, known.pick(_TELLING)(headers))


@lru_cache(maxsize=4096)
def _body(status: int, known: Names, fields: Headers) -> Body:
    said = tokens(fields, b"content-encoding")
    coding = said[0] if len(said) == 1 else b", ".join(said)
    privacy = caching.privacy(known, fields)
    leads = known.holds(_LEADS)
    return Body(leads, _is_page(status, fields), _left_alone(fields, coding), coding, privacy)


def _is_page(status: int, fields: Headers) -> bool:
    if not (200 <= status < 300 or status >= 400) or status in _WITHOUT_PAGE:
        return False
    kinds = values(fields, b"content-type")
    return bool(kinds) and all(kind.partition(b";")[0].strip().lower() in _PAGES for kind in kinds)


def _left_alone(fields: Headers, coding: bytes) -> str | None:
    if caching.is_attachment(fields):
        return "attachment"
    if caching.forbids_transforming(fields):
        return "no-transform"
    if not all(charset.is_spliceable(charset.declared(kind)) for kind in values(fields, b"content-type")):
        return "charset"
    return None if coding in codings.SUPPORTED else "coding"


def not_modified(arrival: Arrival, headers: Headers) -> Headers:
    """A 304's headers: they become those of the copy that is used again (RFC 9111 §4.3.4)."""
    request = arrival.request
    copies = validators.copies(request.method, request.headers, arrival.mark)
    if copies:
        if len(copies) == 1 and not first(headers, b"etag"):
            headers = (*headers, (b"ETag", b'"%b"' % copies[0]))
        return caching.personal(headers, arrival.mark, body(304, headers).privacy)
    # A copy without a word on Vary keeps its own.
    varies = first(headers, b"vary") and arrival.asked.for_page
    return caching.vary_on_cookie(headers) if varies else headers


def rewriter(arrival: Arrival, headers: Headers, coding: bytes, made: bytes) -> PageRewriter:
    """What the page's body goes through: it came in ``coding``, and leaves in ``made``, if that is any."""
    site, origin = arrival.domain.site, arrival.origin

    def scan() -> PageScan:
        return PageScan(site.scanner(arrival.host), arrival.host, origin, site.memory.chunks)

    seen = arrival.seen
    texts = Texts(seen.query_in_html, seen.inputs if site.elements.has_forms else b"")
    announced = first(headers, b"content-length")
    length = int(announced[:18]) if announced.isdigit() else 0
    return PageRewriter(coding, scan, texts, site.memory.templates, origin, length, made)


def decorated_headers(arrival: Arrival, response: Response) -> Headers:
    """The headers with the URLs in Location and Refresh decorated."""
    text = arrival.seen.query if arrival.domain.site.links.redirects else b""
    if not text:
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
    return value[: start[0]] + slot.filled(url, text) + value[start[1] :]


def _url_start(status: int, name: bytes, value: bytes) -> tuple[int, int] | None:
    """Where the URL stands in a header's value; None in a header that leads nowhere."""
    if name == b"location":
        return (0, len(value)) if status in _REDIRECTS else None
    # Latin-1 keeps every byte's place.
    return url_span(value.decode("latin-1")) if name == b"refresh" else None
