"""What a shared cache in front of kmproxy would do with what leaves, by RFC 9111 §3."""

from __future__ import annotations

from typing import Any

import pytest
from engine_kit import BLOG, CRAWLER, DOCUMENT, HTML, NOT_MINTING, SHOP, A, arrive, ask, engine, km

from kmproxy.messages import Headers, Response, first, tokens, values

BOB = km(A, "bob")
FRESH = (b"Cache-Control", b"public, max-age=60, s-maxage=600")
# Each alone lets some shared cache keep a response.
INVITATIONS: list[Headers] = [
    (),
    ((b"Cache-Control", b"public"),),
    ((b"Cache-Control", b"s-maxage=600"),),
    ((b"Cache-Control", b"max-age=60"), (b"cache-control", b"PUBLIC")),
    ((b"Cache-Control", b'private="Set-Cookie", s-maxage=600'),),
    ((b"Cache-Control", b'x="private", public'),),
    ((b"Cache-Control", b"public, must-revalidate, stale-while-revalidate=60, immutable"),),
    ((b"Expires", b"Thu, 01 Dec 2033 16:00:00 GMT"),),
    ((b"Cache-Control", b"no-cache"), (b"Surrogate-Control", b"max-age=600")),
    ((b"Cache-Control", b"private"), (b"CDN-Cache-Control", b"max-age=600")),
    ((b"Cache-Control", b"no-store"), (b"Cloudflare-CDN-Cache-Control", b"public, max-age=600")),
    ((b"X-Accel-Expires", b"600"), (b"Edge-Control", b"max-age=600")),
    ((b"Last-Modified", b"Tue, 14 Nov 2023 22:13:20 GMT"), (b"ETag", b'"x"'), (b"Age", b"3")),
]
TARGETED = {b"surrogate-control", b"edge-control", b"x-accel-expires", b"x-litespeed-cache-control"}


def storable(headers: Headers) -> bool:
    """Whether some shared cache might keep a response: the most daring reading of each header."""
    names = {name.lower() for name, _ in headers}
    if names & TARGETED or any(name.endswith(b"cdn-cache-control") for name in names):
        return True
    said = tokens(headers, b"cache-control")
    if {b"public"} & set(said) or any(directive.startswith(b"s-maxage") for directive in said):
        return True
    return not {b"private", b"no-store"} & set(said)


def leaving(headers: Headers, status: int = 200, **more: Any) -> Headers:
    tables = more.pop("tables", {})
    return (
        engine(**tables).depart(arrive(ask("/p", **more), **tables), Response(status, b"", headers)).headers
    )


@pytest.mark.parametrize("said", INVITATIONS)
@pytest.mark.parametrize("status", [200, 203, 404, 410])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_personal_page_is_kept_by_no_shared_cache(said: Headers, status: int, method: str) -> None:
    headers = leaving((*HTML, *said), status, cookie=BOB, method=method)
    assert not storable(headers)
    assert b"cookie" in tokens(headers, b"vary")


@pytest.mark.parametrize("said", INVITATIONS)
def test_a_page_that_brings_a_new_visitors_cookie_is_kept_by_no_shared_cache(said: Headers) -> None:
    assert not storable(leaving((*HTML, *said)))
    assert not storable(leaving((*HTML, *said, (b"Content-Disposition", b"attachment"))))


@pytest.mark.parametrize("said", INVITATIONS)
@pytest.mark.parametrize("status", [301, 302, 308])
def test_a_decorated_redirect_is_kept_by_no_shared_cache(said: Headers, status: int) -> None:
    assert not storable(leaving(((b"Location", f"https://{BLOG}/".encode()), *said), status, cookie=BOB))


@pytest.mark.parametrize("said", INVITATIONS)
def test_a_304_about_a_personal_page_lets_no_shared_cache_keep_it(said: Headers) -> None:
    tag = first(leaving((*HTML, (b"ETag", b'"x"')), cookie=BOB), b"etag")
    asking = ask("/p", (b"If-None-Match", tag), cookie=BOB)
    departure = engine().depart(arrive(asking), Response(304, b"", said))
    assert not storable(departure.headers)


@pytest.mark.parametrize("said", [*INVITATIONS, (FRESH, (b"Vary", b"Accept-Encoding"))])
@pytest.mark.parametrize(
    "nobody",
    [
        {"tables": NOT_MINTING},
        {"agent": CRAWLER, "cookie": BOB},
        {"cookie": BOB, "document": (*DOCUMENT, (b"Sec-GPC", b"1"))},
    ],
)
def test_a_page_for_a_nobody_is_kept_as_before_and_not_shown_to_somebody(
    said: Headers, nobody: dict[str, Any]
) -> None:
    headers = leaving((*HTML, *said), **nobody)
    assert storable(headers) == storable(said)
    assert [pair for pair in headers if pair[0] != b"Vary"] == [
        pair for pair in (*HTML, *said) if pair[0] != b"Vary"
    ]
    assert b"cookie" in tokens(headers, b"vary")


@pytest.mark.parametrize("said", INVITATIONS)
@pytest.mark.parametrize("cookie", ["", BOB])
def test_an_asset_is_kept_as_before_whoever_asks(said: Headers, cookie: str) -> None:
    headers = ((b"Content-Type", b"image/png"), *said)
    assert leaving(headers, cookie=cookie) == headers


def test_the_site_is_served_on_more_than_one_host_and_each_page_is_its_own() -> None:
    hosts = (SHOP, BLOG)
    headers = [leaving((*HTML, FRESH), cookie=BOB, host=host) for host in hosts]
    assert [values(found, b"cache-control") for found in headers] == [[b"private, max-age=60"]] * 2
