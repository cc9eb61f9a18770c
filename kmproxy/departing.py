"""Departing: what becomes of the upstream's response for this visitor."""

from __future__ import annotations

from functools import lru_cache
from html import escape

from kmproxy import caching, validators
from kmproxy.links.decorate import Skip
from kmproxy.links.refresh import url_span
from kmproxy.messages import Headers, Response, first, tokens, values
from kmproxy.pages import charset, codings
from kmproxy.pages.chunks import Texts
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.visit import Arrival

_PAGES = frozenset({b"text/html", b"application/xhtml+xml"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITHOUT_PAGE = frozenset({204, 205, 206})


def is_page(response: Response) -> bool:
    """Whether this is HTML that a browser will show whole."""
    status = response.status
    if not (200 <= status < 300 or status >= 400) or status in _WITHOUT_PAGE:
        return False
    kinds = values(response.headers, b"content-type")
    return bool(kinds) and all(map(_is_html, kinds))


@lru_cache(maxsize=256)
def _is_html(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() in _PAGES


def left_alone(headers: Headers) -> str | None:
    """Why a page that could be personal leaves as it came, or None."""
    if caching.is_attachment(headers):
        return "attachment"
    if caching.forbids_transforming(headers):
        return "no-transform"
    if not all(map(_is_spliceable, values(headers, b"content-type"))):
        return "charset"
    return None if _coding(headers) in codings.SUPPORTED else "coding"


@lru_cache(maxsize=256)
def _is_spliceable(content_type: bytes) -> bool:
    return charset.is_spliceable(charset.declared(content_type))


def not_modified(arrival: Arrival, headers: Headers) -> Headers:
    """A 304's headers: they become those of the copy that is used again (RFC 9111 §4.3.4)."""
    request = arrival.request
    copies = validators.copies(request.method, request.headers, arrival.mark)
    if copies:
        if len(copies) == 1 and not first(headers, b"etag"):
            headers = (*headers, (b"ETag", b'"%b"' % copies[0]))
        return caching.personal(headers, arrival.mark)
    # A copy without a word on Vary keeps its own.
    varies = first(headers, b"vary") and arrival.asks_for_page
    return caching.vary_on_cookie(headers) if varies else headers


def rewriter(arrival: Arrival, headers: Headers, made: bytes) -> PageRewriter:
    """What the page's body goes through; it leaves in the coding ``made``, or as it came (``b""``)."""
    site, origin = arrival.domain.site, arrival.origin

    def scan() -> PageScan:
        return PageScan(site.scanner(arrival.host), arrival.host, origin, site.memory.chunks)

    texts = Texts(arrival.parameters("&amp;"), _fields(arrival) if site.elements.has_forms else b"")
    announced = first(headers, b"content-length")
    length = int(announced[:18]) if announced.isdigit() else 0
    return PageRewriter(_coding(headers), scan, texts, site.memory.templates, origin, length, made)


def _fields(arrival: Arrival) -> bytes:
    """The visitor's parameters as a form sends them along by GET (HTML §4.10.21.3)."""
    said = [(provider.parameter, visitor.identity) for provider, visitor in arrival.seen]
    inputs = (f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in said if value)
    return "".join(inputs).encode()


def decorated_headers(arrival: Arrival, response: Response) -> Headers:
    """The headers with the URLs in Location and Refresh decorated."""
    leads = first(response.headers, b"location") or first(response.headers, b"refresh")
    text = arrival.parameters("&") if leads and arrival.domain.site.links.redirects else b""
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


def _coding(headers: Headers) -> bytes:
    said = tokens(headers, b"content-encoding")
    return said[0] if len(said) == 1 else b", ".join(said)
