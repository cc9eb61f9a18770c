"""Header fields that belong to a connection, not to a message, and those that tell of the visitor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from kmproxy.messages import Headers, pick, spellings, tokens, values, without
from kmproxy.proxy.forwarded import Said, read

HOP_BY_HOP = spellings(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"alt-svc"}
)
"""RFC 9110 §7.6.1, and what older and newer specifications add to it."""

_CONNECTION = frozenset({b"connection"})
_NOT_NAMED = frozenset({b"host", b"connection"})


def end_to_end(headers: Headers) -> Headers:
    """The headers that are for the other end: without the hop's own and those ``Connection`` names.

    To be asked before any header of ours is added, which the other side could have taken away by
    naming it.
    """
    return without(unnamed(headers), HOP_BY_HOP)


def unnamed(headers: Headers) -> Headers:
    """The headers without those ``Connection`` names; the same ones where it names none.

    Host is every hop's (RFC 9110 §7.6.1 forbids to name it there).
    """
    said = pick(headers, _CONNECTION)
    named = _named(said) if said else None
    # Anybody may name anything: nothing is remembered of it.
    return tuple([field for field in headers if field[0].lower() not in named]) if named else headers


@lru_cache(maxsize=1024)
def _named(said: Headers) -> frozenset[bytes]:
    """What is named but is no hop's own anyway, as ``keep-alive`` and ``close`` are."""
    return frozenset(tokens(said, b"connection")) - HOP_BY_HOP - _NOT_NAMED - {b"close"}


class TrustedProxies:
    """Peers whose word on the visitor's address and scheme is believed."""

    def __init__(self, peers: Sequence[IPv4Network | IPv6Network | str]) -> None:
        self._networks = tuple(peer for peer in peers if not isinstance(peer, str))
        self._has_unix = "unix:" in peers
        self._known = lru_cache(maxsize=4096)(self._is_within)

    def __contains__(self, peer: str) -> bool:
        return self._known(peer)

    def _is_within(self, peer: str) -> bool:
        if not peer:
            return self._has_unix
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def client(headers: Headers, peer: str, trusted: TrustedProxies) -> str:
    """The visitor's address: the nearest to us that is none of the ``trusted`` proxies."""
    known = chain(headers)
    while known and peer in trusted:
        peer = known.pop().decode("latin-1")
    return peer


def chain(headers: Headers) -> list[bytes]:
    """Whom each hop before the last was asked by, by either header."""
    return tokens(headers, b"x-forwarded-for") or [*said(headers).chain]


def said(headers: Headers) -> Said:
    """What ``Forwarded`` says."""
    return read(b",".join(values(headers, b"forwarded")))


def last(headers: Headers, name: bytes) -> bytes:
    """The last element of a list header, in lower case: the nearest proxy's own."""
    found = tokens(headers, name)
    return found[-1] if found else b""
