"""Caching: response headers that stay true when a body is made for one visitor.

RFC 9111 (caching), RFC 9110 §8.8 (validators), §14 (ranges), RFC 9530 (digests).
"""

from __future__ import annotations

from kmproxy.messages import Headers, first, tokens, values, without

# They speak of the upstream's bytes, which are not the ones that leave.
_OF_THE_BODY = frozenset(
    b"content-length etag last-modified accept-ranges content-md5 digest content-digest repr-digest".split()
)
_SHARED_CACHES = frozenset({b"surrogate-control", b"cdn-cache-control"})
_SHARED_DIRECTIVES = (b"public", b"s-maxage", b"private", b"proxy-revalidate")

CONDITIONAL = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
"""Request headers that ask for less than the page, going by a copy made for a visitor."""


def personal(headers: Headers) -> Headers:
    """The headers of a body of its own: no validator of the upstream's, no shared cache."""
    return private(without(headers, _OF_THE_BODY))


def private(headers: Headers) -> Headers:
    """No shared cache may keep this; what was said of the visitor's own cache stays."""
    said = [
        directive
        for directive in tokens(headers, b"cache-control")
        if not directive.startswith(_SHARED_DIRECTIVES)
    ]
    kept = without(headers, {b"cache-control", *_SHARED_CACHES})
    return vary_on_cookie((*kept, (b"Cache-Control", b", ".join([b"private", *said]))))


def unstored(headers: Headers) -> Headers:
    """No cache at all may keep this."""
    kept = without(headers, {b"cache-control", b"expires", b"etag", b"last-modified", *_SHARED_CACHES})
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


def is_attachment(headers: Headers) -> bool:
    """A body that is saved, not shown (RFC 6266)."""
    return first(headers, b"content-disposition").strip().lower().startswith(b"attachment")
