"""Header fields that belong to a connection, not to a message, and those that tell of the visitor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from kmproxy.messages import Headers, Request, first, tokens, without

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"alt-svc"}
)
"""RFC 9110 §7.6.1, and what older and newer specifications add to it."""

_NO_FIELDS = frozenset({b"keep-alive", b"close"})
"""What ``Connection`` says nearly always, and names no field but one that is a hop's own anyway."""

# Said anew by each proxy; and 100-continue, which is answered here.
_REPLACED = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"expect"}
    | {b"x-forwarded-prefix", b"x-forwarded-server", b"x-real-ip"}
)
_REPLACED_OF_STRANGERS = _REPLACED | {b"forwarded"}


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
    named = tokens(headers, b"connection")
    if _NO_FIELDS.issuperset(named):
        return headers
    return without(headers, {name for name in named if name not in (b"host", b"connection")})


class TrustedProxies:
    """Peers whose word on the visitor's address and scheme is believed."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._known = lru_cache(maxsize=4096)(self._is_within)

    def __contains__(self, peer: str) -> bool:
        return self._known(peer)

    def _is_within(self, peer: str) -> bool:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def scheme(headers: Headers, *, trusted: bool, secure: bool) -> str:
    """The scheme the visitor typed: the last proxy's word if it is trusted, else the connection's."""
    said = first(headers, b"x-forwarded-proto").rpartition(b",")[2].strip().lower() if trusted else b""
    if said in (b"http", b"https"):
        return said.decode()
    return "https" if secure else "http"


def forwarded(headers: Headers, asked: Request, peer: str, *, trusted: bool) -> Headers:
    """The ``headers`` of what was ``asked``, with X-Forwarded-For, -Proto and -Host.

    A trusted proxy's chain grows, any other is replaced.
    """
    chain = tokens(asked.headers, b"x-forwarded-for") if trusted else []
    host_said = first(asked.headers, b"x-forwarded-host") if trusted else b""
    kept = without(headers, _REPLACED if trusted else _REPLACED_OF_STRANGERS)
    return (
        *kept,
        (b"X-Forwarded-For", b", ".join([*chain, peer.encode("latin-1")])),
        (b"X-Forwarded-Proto", asked.scheme.encode()),
        (b"X-Forwarded-Host", host_said or asked.host.encode("latin-1")),
    )
