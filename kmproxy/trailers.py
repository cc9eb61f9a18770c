"""Trailers: fields behind a response's body (RFC 9110 §6.5), and which of them may leave."""

from __future__ import annotations

from kmproxy.acquaintance import IDENTITY_HEADERS
from kmproxy.caching import OF_THE_BODY
from kmproxy.identity.word import HEADERS as WORDS
from kmproxy.messages import Headers, without

# A body can't be read, kept or taken otherwise than its head said (§6.5.1), nor a visitor be somebody else.
_NEVER = IDENTITY_HEADERS.union(
    WORDS,
    b"content-length content-encoding content-type content-range content-disposition transfer-encoding"
    b" trailer age cache-control etag expires last-modified pragma vary location refresh retry-after host"
    b" set-cookie set-cookie2 cookie authorization www-authenticate authentication-info"
    b" proxy-authentication-info".split(),
)
_NEVER_OF_REWRITTEN = _NEVER | OF_THE_BODY


def kept(trailers: Headers, *, rewritten: bool) -> Headers:
    """Those that may leave; behind a body that was ``rewritten``, none that speaks of the upstream's."""
    return without(trailers, _NEVER_OF_REWRITTEN if rewritten else _NEVER)
