"""Where a form came from."""

from __future__ import annotations

import pytest

from kmproxy.forms.origin import is_cross_site, is_from_page
from kmproxy.messages import Headers

HOST = "shop.acme.example"


def fetch(said: str) -> tuple[bytes, bytes]:
    return b"Sec-Fetch-Site", said.encode()


def origin(url: str) -> tuple[bytes, bytes]:
    return b"Origin", url.encode()


def referer(url: str) -> tuple[bytes, bytes]:
    return b"Referer", url.encode("latin-1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), False),
        ((fetch("same-origin"),), False),
        ((fetch("same-site"),), False),
        ((fetch("none"),), False),
        ((fetch("cross-site"),), True),
        # What the browser says itself counts most.
        ((fetch("same-origin"), origin("null"), referer("https://evil.example/")), False),
        ((fetch("cross-site"), origin("https://shop.acme.example")), True),
        ((origin("https://shop.acme.example"),), False),
        ((origin("http://shop.acme.example:8080"),), False),
        ((origin("https://www.acme.example"),), False),
        ((origin("https://acme-blog.example"),), True),
        ((origin("https://shop.acme.example.evil.example"),), True),
        ((origin("null"),), True),
        ((origin("http://[::1"),), True),
        ((origin("https://evil.example"), referer("https://shop.acme.example/")), True),
        ((referer("https://shop.acme.example/cart"),), False),
        ((referer("https://evil.example/?shop.acme.example"),), True),
        ((referer("https://shop.acme.example@evil.example/"),), True),
    ],
)
def test_a_post_is_cross_site_where_a_browser_would_keep_cookies_back(
    headers: Headers, expected: bool
) -> None:
    assert is_cross_site(headers, HOST) is expected


@pytest.mark.parametrize(
    ("host", "page", "expected"),
    [
        ("localhost", "http://localhost:8000", False),
        ("127.0.0.1", "http://127.0.0.1", False),
        ("127.0.0.1", "http://127.0.0.2", True),
        ("a.github.io", "https://b.github.io", True),
        ("a.co.uk", "https://b.co.uk", True),
    ],
)
def test_a_site_is_a_registrable_domain(host: str, page: str, expected: bool) -> None:
    assert is_cross_site((origin(page),), host) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), False),
        ((fetch("none"),), False),
        ((fetch("cross-site"),), False),
        ((fetch("same-origin"),), True),
        ((fetch("same-site"),), True),
        ((fetch("cross-site"), referer("https://own.example/")), True),
        ((fetch("cross-site"), referer("https://evil.example/own.example")), False),
        ((referer("https://OWN.example/page"),), True),
        ((referer("https://evil.example/"),), False),
        ((referer("http://[::1"),), False),
    ],
)
def test_a_get_is_a_forms_only_from_a_page_of_ones_own(headers: Headers, expected: bool) -> None:
    assert is_from_page(headers, lambda host: host == "own.example") is expected
