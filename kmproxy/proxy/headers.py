"""Header fields that belong to a connection, not to a message, and those that tell of the visitor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from kmproxy.messages import Headers, Request, names, spellings, tokens, values, without
from kmproxy.proxy.forwarded import Said, element, read

HOP_BY_HOP = spellings(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"alt-svc"}
)
"""RFC 9110 §7.6.1, and what older and newer specifications add to it."""

_NO_FIELDS = frozenset({b"keep-alive", b"close"})
"""What ``Connection`` says nearly always, and names no field but one that is a hop's own anyway."""

_NOT_NAMED = frozenset({b"host", b"connection"})

_FORWARDED = frozenset({b"forwarded"})
_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})

# What frameworks believe, and the servers and proxies in front of them say.
_BELIEVED = frozenset(
    {b"forwarded", b"x-real-ip", b"true-client-ip", b"x-client-ip", b"x-cluster-client-ip"}
    | {b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-server", b"x-forwarded-by"}
    | {b"x-forwarded-ssl", b"x-forwarded-scheme", b"x-forwarded-protocol", b"x-forwarded-client-cert"}
    | {b"x-forwarded-path", b"x-forwarded-uri", b"x-forwarded-method", b"x-forwarded-access-token"}
    | {b"x-forwarded-user", b"x-forwarded-email", b"x-forwarded-groups", b"x-forwarded-preferred-username"}
)

# Said anew by each proxy, whoever said it before; and 100-continue, which is answered here.
_REPLACED = spellings(_OURS) | {b"expect"}
_UNDERSCORED = spellings(_BELIEVED) - _BELIEVED
_REPLACED_OF_TRUSTED = _REPLACED | _UNDERSCORED
_REPLACED_OF_STRANGERS = _REPLACED | _UNDERSCORED | _BELIEVED


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
    if b"connection" not in names(headers):
        return headers
    named = frozenset(tokens(headers, b"connection"))
    return headers if named <= _NO_FIELDS else without(headers, named - _NOT_NAMED)


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
    said = (_last(headers, b"x-forwarded-proto") or _forwarded(headers).proto) if trusted else b""
    if said in (b"http", b"https"):
        return said.decode()
    return "https" if secure else "http"


def forwarded(headers: Headers, asked: Request, peer: str, *, trusted: bool) -> Headers:
    """The ``headers`` of what was ``asked``, with X-Forwarded-For, -Proto and -Host.

    A trusted proxy's chain grows, and what else it says stands; any other's word is replaced.
    """
    if trusted:
        return _forwarded_on(headers, asked, peer)
    kept = without(headers, _REPLACED_OF_STRANGERS)
    return (*kept, *_said_by_us([peer.encode()], asked.scheme, asked.host.encode("latin-1")))


def client(headers: Headers, peer: str, trusted: TrustedProxies) -> str:
    """The visitor's address: the nearest to us that is none of the ``trusted`` proxies."""
    chain = _chain(headers)
    while chain and peer in trusted:
        peer = chain.pop().decode("latin-1")
    return peer


def _forwarded_on(headers: Headers, asked: Request, peer: str) -> Headers:
    kept = without(headers, _REPLACED_OF_TRUSTED)
    said = _forwarded(asked.headers)
    if said.chain:
        chain = b", ".join([*values(asked.headers, b"forwarded"), element(peer)])
        kept = (*without(kept, _FORWARDED), (b"Forwarded", chain))
    host = _last(asked.headers, b"x-forwarded-host") or said.host or asked.host.encode("latin-1")
    return (*kept, *_said_by_us([*_chain(asked.headers), peer.encode()], asked.scheme, host))


def _chain(headers: Headers) -> list[bytes]:
    """Whom each hop before the last was asked by, by either header."""
    return tokens(headers, b"x-forwarded-for") or [*_forwarded(headers).chain]


def _said_by_us(addresses: Sequence[bytes], scheme: str, host: bytes) -> Headers:
    # Behind a Unix socket there is no peer; an empty address would be taken for one.
    chain = b", ".join([address for address in addresses if address])
    told = ((b"X-Forwarded-Proto", scheme.encode()), (b"X-Forwarded-Host", host))
    return ((b"X-Forwarded-For", chain), *told) if chain else told


def _forwarded(headers: Headers) -> Said:
    return read(b",".join(values(headers, b"forwarded")))


def _last(headers: Headers, name: bytes) -> bytes:
    """The last element of a list header, in lower case: the nearest proxy's own."""
    said = tokens(headers, name)
    return said[-1] if said else b""
