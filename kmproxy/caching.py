"""Caching: response headers that stay true when a body is made for one visitor.

RFC 9111 (caching), RFC 9110 §8.8 (validators), §14 (ranges), RFC 9530 (digests).
"""

from __future__ import annotations

import re

from kmproxy.messages import Headers, first, tokens, values, without

# They speak of the upstream's bytes, which are not the ones that leave.
_OF_THE_BODY = frozenset(
    b"content-length etag last-modified accept-ranges content-md5 digest content-digest repr-digest".split()
)
# They tell a shared cache more than Cache-Control does: RFC 9213, Akamai, nginx, LiteSpeed.
_SHARED_CACHES = frozenset(
    {b"surrogate-control", b"edge-control", b"x-accel-expires", b"x-litespeed-cache-control"}
)
_DIRECTIVE = re.compile(rb"""(?:[^,"]|"(?:[^"\\]|\\.)*"?)+""", re.DOTALL)
_SHARED_DIRECTIVES = (b"public", b"s-maxage", b"private", b"proxy-revalidate")

CONDITIONAL = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
"""Request headers that ask for less than the page, going by a copy made for a visitor."""


def personal(headers: Headers) -> Headers:
    """The headers of a body of its own: no validator of the upstream's, no shared cache."""
    return private(without(headers, _OF_THE_BODY))


def private(headers: Headers) -> Headers:
    """No shared cache may keep this; what was said of the visitor's own cache stays."""
    said = [said for said in _directives(headers) if not said.lower().startswith(_SHARED_DIRECTIVES)]
    kept = _for_one_cache(without(headers, {b"cache-control"}))
    return vary_on_cookie((*kept, (b"Cache-Control", b", ".join([b"private", *said]))))


def unstored(headers: Headers) -> Headers:
    """No cache at all may keep this."""
    kept = _for_one_cache(without(headers, {b"cache-control", b"expires", b"etag", b"last-modified"}))
    return (*kept, (b"Cache-Control", b"no-store"))


def vary_on_cookie(headers: Headers) -> Headers:
    """Other cookies, another page."""
    named = tokens(headers, b"vary")
    if b"cookie" in named or b"*" in named:
        return headers
    said = [value for value in values(headers, b"vary") if value.strip()]
    return (*without(headers, {b"vary"}), (b"Vary", b", ".join([*said, b"Cookie"])))


def forbids_transforming(headers: Headers) -> bool:
    """``Cache-Control: no-transform`` (RFC 9111 §5.2.2.6)."""
    return b"no-transform" in tokens(headers, b"cache-control")


def _directives(headers: Headers) -> list[bytes]:
    """What Cache-Control says; a comma within quotes is none (``private="a, b"``)."""
    found = _DIRECTIVE.findall(b",".join(values(headers, b"cache-control")))
    return [directive for said in found if (directive := said.strip())]


def _for_one_cache(headers: Headers) -> Headers:
    """Without the headers that speak to some shared cache alone (``CDN-Cache-Control`` and its kin)."""
    kept = without(headers, _SHARED_CACHES)
    return tuple(pair for pair in kept if not pair[0].lower().endswith(b"cdn-cache-control"))


def is_attachment(headers: Headers) -> bool:
    """A body that is saved, not shown (RFC 6266)."""
    return first(headers, b"content-disposition").strip().lower().startswith(b"attachment")
