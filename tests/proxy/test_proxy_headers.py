"""Whose word on the visitor's address and scheme is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from kmproxy.messages import Headers, Request
from kmproxy.proxy.headers import TrustedProxies, end_to_end, forwarded, scheme

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


@pytest.mark.parametrize(
    ("said", "trusted", "secure", "found"),
    [
        (b"https", True, False, "https"),
        (b"https", False, False, "http"),
        (b"http", False, True, "https"),
        (b"https, http", True, True, "http"),
        (b"HTTPS", True, False, "https"),
        (b"gopher", True, False, "http"),
        (b"", True, True, "https"),
    ],
)
def test_the_scheme_is_the_trusted_proxys_word_or_the_connections(
    said: bytes, trusted: bool, secure: bool, found: str
) -> None:
    assert scheme(((PROTO, said),), trusted=trusted, secure=secure) == found


@pytest.mark.parametrize(
    ("came", "trusted", "left"),
    [
        ((), False, ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example"))),
        (((FOR, b"1.1.1.1"),), False, ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example"))),
        (((FOR, b"1.1.1.1"),), True, ((FOR, b"1.1.1.1, 9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example"))),
        (
            ((FOR, b"1.1.1.1"), (FOR, b"2.2.2.2")),
            True,
            ((FOR, b"1.1.1.1, 2.2.2.2, 9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example")),
        ),
        (((HOST, b"front.example"),), True, ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"front.example"))),
        (((HOST, b"evil.example"),), False, ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example"))),
        (
            ((b"Forwarded", b"for=1.1.1.1"),),
            False,
            ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example")),
        ),
        (((b"X-Real-IP", b"1.1.1.1"),), False, ((FOR, b"9.9.9.9"), (PROTO, b"https"), (HOST, b"a.example"))),
    ],
)
def test_a_trusted_chain_grows_and_any_other_is_replaced(came: Headers, trusted: bool, left: Headers) -> None:
    assert forwarded(came, _asked("https", came), "9.9.9.9", trusted=trusted) == left


def test_a_client_can_not_have_the_proxys_own_headers_removed_by_nominating_them() -> None:
    came = ((b"Connection", b"X-Forwarded-For, x-mine"), (b"X-Mine", b"1"))
    left = forwarded(end_to_end(came), _asked("http", came), "9.9.9.9", trusted=False)
    assert left[0] == (FOR, b"9.9.9.9")
    assert b"X-Mine" not in dict(left)


def _asked(scheme: str, headers: Headers) -> Request:
    return Request("GET", scheme, "a.example", b"/", headers)
