"""What this hop makes of a request's fields: which go no further, and what it says of who asked it.

The same proxies ask for the same hosts, so it is found out once for all they ask alike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kmproxy.messages import Headers, first, pick, spellings, values, without
from kmproxy.proxy.forwarded import element
from kmproxy.proxy.headers import HOP_BY_HOP, chain, last, said, unnamed

_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
_TELLING = _OURS | {b"forwarded"}
"""What a proxy says of who asked it, in lower case."""

# What frameworks believe, and the servers and proxies in front of them say.
_BELIEVED = frozenset(
    {b"forwarded", b"x-real-ip", b"true-client-ip", b"x-client-ip", b"x-cluster-client-ip"}
    | {b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-server", b"x-forwarded-by"}
    | {b"x-forwarded-ssl", b"x-forwarded-scheme", b"x-forwarded-protocol", b"x-forwarded-client-cert"}
    | {b"x-forwarded-path", b"x-forwarded-uri", b"x-forwarded-method", b"x-forwarded-access-token"}
    | {b"x-forwarded-user", b"x-forwarded-email", b"x-forwarded-groups", b"x-forwarded-preferred-username"}
)

# Said anew by each proxy, whoever said it before; and 100-continue, which is answered here.
_REPLACED = HOP_BY_HOP | spellings(_OURS) | {b"expect"}
_OF_TRUSTED = _REPLACED | (spellings(_BELIEVED) - _BELIEVED)
_OF_TRUSTED_IN_A_CHAIN = _OF_TRUSTED | {b"forwarded"}
_OF_STRANGERS = _REPLACED | spellings(_BELIEVED)


class Hop(NamedTuple):
    """What becomes of a request."""

    host: str
    """That which is asked for, as sent."""

    scheme: str
    """``http`` or ``https`` as the visitor typed it: the last proxy's word if it is trusted, else the
    connection's."""

    replaced: frozenset[bytes]
    """Names (in lower case) of what goes no further."""

    said: Headers
    """X-Forwarded-For, -Proto and -Host. A trusted proxy's chain grows; any other's word is replaced."""

    def left(self, headers: Headers) -> Headers:
        """What goes further of the request's ``headers``, ``said`` not being added yet."""
        return without(unnamed(headers), self.replaced)


def hop(headers: Headers, peer: str, *, trusted: bool, secure: bool) -> Hop:
    """What becomes of a request with these ``headers`` from ``peer``; ``secure`` came over TLS."""
    asked = first(headers, b"host")
    if trusted:
        return _of_trusted(pick(headers, _TELLING), asked, peer, secure)
    return _of_stranger(asked, peer, secure)


@lru_cache(maxsize=1024)
def _of_stranger(asked: bytes, peer: str, secure: bool) -> Hop:
    scheme = "https" if secure else "http"
    return Hop(_text(asked), scheme, _OF_STRANGERS, _said([peer.encode()], scheme, asked))


@lru_cache(maxsize=1024)
def _of_trusted(fields: Headers, asked: bytes, peer: str, secure: bool) -> Hop:
    forwarded = said(fields)
    proto = last(fields, b"x-forwarded-proto") or forwarded.proto
    scheme = proto.decode() if proto in (b"http", b"https") else "https" if secure else "http"
    host = last(fields, b"x-forwarded-host") or forwarded.host or asked
    told = _said([*chain(fields), peer.encode()], scheme, host)
    if not forwarded.chain:
        return Hop(_text(asked), scheme, _OF_TRUSTED, told)
    longer = b", ".join([*values(fields, b"forwarded"), element(peer)])
    return Hop(_text(asked), scheme, _OF_TRUSTED_IN_A_CHAIN, ((b"Forwarded", longer), *told))


def _text(asked: bytes) -> str:
    # Latin-1 keeps every byte.
    return asked.decode("latin-1")


def _said(addresses: list[bytes], scheme: str, host: bytes) -> Headers:
    # Behind a Unix socket there is no peer; an empty address would be taken for one.
    known = b", ".join([address for address in addresses if address])
    told = ((b"X-Forwarded-Proto", scheme.encode()), (b"X-Forwarded-Host", host))
    return ((b"X-Forwarded-For", known), *told) if known else told
