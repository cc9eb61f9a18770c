"""The cookie scope by the Public Suffix List."""

from __future__ import annotations

import pytest

from kmproxy.identity.scope import covers, is_address, is_public_suffix, registrable_domain


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.acme.com", "acme.com"),
        ("acme.com", "acme.com"),
        ("a.b.c.acme.com", "acme.com"),
        ("www.shop.acme.co.uk", "acme.co.uk"),
        ("acme.co.uk", "acme.co.uk"),
        ("shop.acme.example", "acme.example"),
        ("acme.github.io", "acme.github.io"),
        ("www.acme.github.io", "acme.github.io"),
        ("acme.herokuapp.com", "acme.herokuapp.com"),
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),
        ("a.b.kobe.jp", "a.b.kobe.jp"),
        ("www.xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("shop.localhost", "shop.localhost"),
        ("com", None),
        ("co.uk", None),
        ("github.io", None),
        ("localhost", None),
        ("127.0.0.1", None),
        ("[2001:db8::1]", None),
        ("2001:db8::1", None),
    ],
)
def test_the_registrable_domain_is_a_public_suffix_and_one_label(host: str, domain: str | None) -> None:
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("host", "public"),
    [("com", True), ("co.uk", True), ("github.io", True), ("acme.com", False), ("acme.github.io", False)],
)
def test_browsers_refuse_cookies_for_a_public_suffix(host: str, public: bool) -> None:
    assert is_public_suffix(host) is public


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("::1", True),
        ("1.2.3", False),
        ("a.1.2.3.4", False),
        ("localhost", False),
    ],
)
def test_an_address_is_told_from_a_name(host: str, address: bool) -> None:
    assert is_address(host) is address


@pytest.mark.parametrize(
    ("scope", "host", "reached"),
    [
        ("acme.com", "acme.com", True),
        ("acme.com", "www.acme.com", True),
        ("acme.com", "a.b.acme.com", True),
        ("acme.com", "notacme.com", False),
        ("www.acme.com", "acme.com", False),
        ("acme.com", "acme.com.evil.example", False),
    ],
)
def test_a_cookie_reaches_its_domain_and_what_is_below(scope: str, host: str, reached: bool) -> None:
    assert covers(scope, host) is reached
