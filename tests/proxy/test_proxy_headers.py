"""Whose word on the visitor's address and scheme is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from kmproxy.messages import Headers
from kmproxy.proxy.forwarded import element
from kmproxy.proxy.headers import TrustedProxies, client
from kmproxy.proxy.hop import hop

FOR, PROTO, HOST = b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("::ffff:127.0.0.1", True),
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("fd00::1", True),
        ("fe80::1%eth0", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_only_the_named_networks_are_trusted(peer: str, trusted: bool) -> None:
    networks = [ip_network(network) for network in ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")]
    assert (peer in TrustedProxies(networks)) is trusted


STRANGER, TRUSTED = False, True
FORWARDED = b"Forwarded"
OURS = ((FOR, b"9.9.9.9"), (PROTO, b"http"), (HOST, b"a.example"))


def chain(addresses: bytes, proto: bytes = b"http", host: bytes = b"a.example") -> Headers:
    return ((FOR, addresses), (PROTO, proto), (HOST, host))


@pytest.mark.parametrize(
    ("came", "peer_is", "left"),
    [
        # Nothing is said.
        ((), STRANGER, OURS),
        ((), TRUSTED, OURS),
        # A stranger's word is replaced, whatever the name and its spelling.
        (((FOR, b"1.1.1.1"),), STRANGER, OURS),
        (((b"x-forwarded-for", b"1.1.1.1"), (FOR, b"2.2.2.2")), STRANGER, OURS),
        (((PROTO, b"https"),), STRANGER, OURS),
        (((HOST, b"evil.example"),), STRANGER, OURS),
        (((FORWARDED, b"for=1.1.1.1;proto=https;host=evil.example"),), STRANGER, OURS),
        (((b"X-Real-IP", b"1.1.1.1"),), STRANGER, OURS),
        (((b"True-Client-IP", b"1.1.1.1"),), STRANGER, OURS),
        (
            ((b"X-Forwarded-Port", b"1"), (b"X-Forwarded-Prefix", b"/p"), (b"X-Forwarded-Ssl", b"on")),
            STRANGER,
            OURS,
        ),
        (((b"X-Forwarded-User", b"root"), (b"X-Forwarded-Client-Cert", b"root")), STRANGER, OURS),
        (((b"X_Forwarded_For", b"1.1.1.1"), (b"x_real-ip", b"1.1.1.1")), STRANGER, OURS),
        # A trusted proxy's chain grows, be it in one field or in several.
        (((FOR, b"1.1.1.1"),), TRUSTED, chain(b"1.1.1.1, 9.9.9.9")),
        (((FOR, b"1.1.1.1"), (FOR, b"2.2.2.2")), TRUSTED, chain(b"1.1.1.1, 2.2.2.2, 9.9.9.9")),
        (((FOR, b"1.1.1.1 ,, 2.2.2.2"),), TRUSTED, chain(b"1.1.1.1, 2.2.2.2, 9.9.9.9")),
        (((FOR, b""),), TRUSTED, OURS),
        # Of scheme and host its own word counts: the last one.
        (((PROTO, b"https"),), TRUSTED, chain(b"9.9.9.9", b"https")),
        (((PROTO, b"HTTPS"),), TRUSTED, chain(b"9.9.9.9", b"https")),
        (((PROTO, b"https, http"),), TRUSTED, chain(b"9.9.9.9", b"http")),
        (((PROTO, b"http"), (PROTO, b"https")), TRUSTED, chain(b"9.9.9.9", b"https")),
        (((PROTO, b"gopher"),), TRUSTED, OURS),
        (((HOST, b"front.example"),), TRUSTED, chain(b"9.9.9.9", host=b"front.example")),
        (((HOST, b"evil.example, front.example"),), TRUSTED, chain(b"9.9.9.9", host=b"front.example")),
        # What else it says stands, but for spellings it would not use.
        (((b"X-Real-IP", b"1.1.1.1"),), TRUSTED, ((b"X-Real-IP", b"1.1.1.1"), *OURS)),
        (((b"X-Forwarded-Port", b"443"),), TRUSTED, ((b"X-Forwarded-Port", b"443"), *OURS)),
        (((b"X_Forwarded_For", b"1.1.1.1"), (b"X_Real_IP", b"1.1.1.1")), TRUSTED, OURS),
        # RFC 7239 says the same in one header; where both speak, the older one counts.
        (
            ((FORWARDED, b"for=1.1.1.1;proto=https;host=front.example"),),
            TRUSTED,
            (
                (FORWARDED, b"for=1.1.1.1;proto=https;host=front.example, for=9.9.9.9"),
                *chain(b"1.1.1.1, 9.9.9.9", b"https", b"front.example"),
            ),
        ),
        (
            ((FORWARDED, b'for="[2001:db8::1]:47"'), (b"forwarded", b'For=_x, for=1.1.1.1:80;Proto="HTTPS"')),
            TRUSTED,
            (
                (FORWARDED, b'for="[2001:db8::1]:47", For=_x, for=1.1.1.1:80;Proto="HTTPS", for=9.9.9.9'),
                *chain(b"2001:db8::1, _x, 1.1.1.1, 9.9.9.9", b"https"),
            ),
        ),
        (
            ((FORWARDED, b"proto=https, for=2.2.2.2"), (PROTO, b"https"), (FOR, b"1.1.1.1")),
            TRUSTED,
            ((FORWARDED, b"proto=https, for=2.2.2.2, for=9.9.9.9"), *chain(b"1.1.1.1, 9.9.9.9", b"https")),
        ),
        (
            ((FORWARDED, b'for="1.1.1.1, evil";proto=https, for=<>'),),
            TRUSTED,
            (
                (FORWARDED, b'for="1.1.1.1, evil";proto=https, for=<>, for=9.9.9.9'),
                *chain(b"unknown, unknown, 9.9.9.9"),
            ),
        ),
    ],
)
def test_what_is_said_of_the_visitor_is_believed_of_trusted_proxies_only(
    came: Headers, peer_is: bool, left: Headers
) -> None:
    assert _sent_on(came, trusted=peer_is) == left


@pytest.mark.parametrize(("said", "found"), [(b"http", "http"), (b"", "https"), (b"gopher", "https")])
def test_a_trusted_proxy_may_say_that_a_tls_connection_carries_plain_http(said: bytes, found: str) -> None:
    assert hop(((PROTO, said),), "9.9.9.9", trusted=True, secure=True).scheme == found
    assert hop(((PROTO, said),), "9.9.9.9", trusted=False, secure=True).scheme == "https"


@pytest.mark.parametrize(
    ("peer", "said"), [("9.9.9.9", b"for=9.9.9.9"), ("::1", b'for="[::1]"'), ("", b"for=unknown")]
)
def test_the_hop_adds_itself_in_the_headers_own_grammar(peer: str, said: bytes) -> None:
    assert element(peer) == said


def test_nobody_behind_a_unix_socket_has_an_address() -> None:
    assert _sent_on((), "") == ((PROTO, b"http"), (HOST, b"a.example"))


def test_a_client_can_not_have_the_proxys_own_headers_removed_by_nominating_them() -> None:
    came = ((b"Connection", b"X-Forwarded-For, x-mine"), (b"X-Mine", b"1"))
    left = _sent_on(came)
    assert left[0] == (FOR, b"9.9.9.9")
    assert b"X-Mine" not in dict(left)


def test_nor_can_it_have_a_trusted_proxys_word_forgotten_that_way() -> None:
    came = ((b"Connection", b"X-Forwarded-For, X-Forwarded-Proto"), (FOR, b"1.1.1.1"), (PROTO, b"https"))
    assert _sent_on(came, trusted=True) == chain(b"1.1.1.1, 9.9.9.9", b"https")


def _sent_on(came: Headers, peer: str = "9.9.9.9", *, trusted: bool = False) -> Headers:
    """What an upstream is told, but for the Host."""
    came = ((b"Host", b"a.example"), *came)
    here = hop(came, peer, trusted=trusted, secure=False)
    host, *left = (*here.left(came), *here.said)
    assert host == came[0]
    return tuple(left)


@pytest.mark.parametrize(
    ("peer", "came", "found"),
    [
        ("9.9.9.9", (), "9.9.9.9"),
        ("9.9.9.9", ((FOR, b"1.1.1.1"),), "9.9.9.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ((FOR, b"1.1.1.1"),), "1.1.1.1"),
        # What stands before the first address that is no proxy of ours, a stranger may have written.
        ("10.0.0.1", ((FOR, b"6.6.6.6, 1.1.1.1, 10.0.0.2"),), "1.1.1.1"),
        ("10.0.0.1", ((FOR, b"10.0.0.3, 10.0.0.2"),), "10.0.0.3"),
        ("10.0.0.1", ((FORWARDED, b'for=6.6.6.6, for="[2001:db8::1]:80", for=10.0.0.2'),), "2001:db8::1"),
        ("", ((FOR, b"1.1.1.1"),), ""),
        ("unknown", ((FOR, b"1.1.1.1"),), "unknown"),
    ],
)
def test_the_visitor_is_the_nearest_who_is_no_trusted_proxy(peer: str, came: Headers, found: str) -> None:
    assert client(came, peer, TrustedProxies([ip_network("10.0.0.0/8")])) == found


@pytest.mark.parametrize(
    ("peer", "found"), [("", "1.1.1.1"), ("10.0.0.1", "10.0.0.1"), ("unknown", "unknown")]
)
def test_behind_a_trusted_unix_socket_the_visitor_is_whom_its_peer_names(peer: str, found: str) -> None:
    assert client(((FOR, b"1.1.1.1"),), peer, TrustedProxies(["unix:"])) == found
