"""A 304: whose copy is used again, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest
from engine_kit import (
    BLOG,
    DOCUMENT,
    NOT_MINTING,
    A,
    arrive,
    ask,
    engine,
    km,
    written,
)
from validators_kit import (
    ANN,
    BOB,
    FETCH,
    IFRAME,
    IMAGE,
    SOME_DATE,
    depart,
    tag,
)

from kmproxy.messages import Headers, Response, first, values
from kmproxy.visit import Departure


def test_a_copy_that_is_used_again_is_the_visitors_own_still() -> None:
    arrival = arrive(ask("/p", (b"If-None-Match", tag()), cookie=BOB))
    departure = depart(
        arrival,
        304,
        (b"ETag", b'"x"'),
        (b"Last-Modified", SOME_DATE),
        (b"Cache-Control", b"public, max-age=60, s-maxage=600"),
        (b"Vary", b"Accept-Encoding"),
        (b"Surrogate-Control", b"max-age=600"),
        (b"Content-Length", b"9"),
        (b"Date", SOME_DATE),
    )
    assert departure == Departure(
        (
            (b"Date", SOME_DATE),
            (b"Cache-Control", b"private, max-age=60"),
            (b"Vary", b"Accept-Encoding, Cookie"),
            (b"ETag", tag()),
        )
    )


@pytest.mark.parametrize(
    ("said", "etag"), [(tag(), [tag()]), (tag(b"x") + b", " + tag(b"y"), []), (tag(b"x") + b', "y"', [tag()])]
)
def test_a_304_without_an_entity_tag_is_about_the_only_copy_asked_about(
    said: bytes, etag: list[bytes]
) -> None:
    arrival = arrive(ask("/p", (b"If-None-Match", said), cookie=BOB))
    assert values(depart(arrival, 304).headers, b"etag") == etag


@pytest.mark.parametrize(
    ("cookie", "document", "said"),
    [(BOB, IMAGE, b'"x"'), (BOB, FETCH, b'"x"'), ("", DOCUMENT, b'"x"'), ("", IMAGE, tag() + b', "x"')],
)
def test_a_304_about_a_copy_made_for_nobody_passes(cookie: str, document: Headers, said: bytes) -> None:
    arrival = arrive(ask("/p", (b"If-None-Match", said), cookie=cookie, document=document), **NOT_MINTING)
    headers = ((b"ETag", b'"x"'), (b"Cache-Control", b"public"), (b"Last-Modified", SOME_DATE))
    assert depart(arrival, 304, *headers) == Departure(headers)


@pytest.mark.parametrize(
    ("document", "vary"),
    [
        (DOCUMENT, b"Accept-Encoding, Cookie"),
        (IFRAME, b"Accept-Encoding, Cookie"),
        (IMAGE, b"Accept-Encoding"),
    ],
)
def test_a_304_does_not_make_a_stored_page_forget_that_it_varies(document: Headers, vary: bytes) -> None:
    arrival = arrive(ask("/p", (b"If-None-Match", b'"x"'), document=document), **NOT_MINTING)
    assert first(depart(arrival, 304, (b"Vary", b"Accept-Encoding")).headers, b"vary") == vary


def test_a_304_brings_the_cookies_of_the_arrival() -> None:
    inline: dict[str, Any] = {"arrival": {"url": "inline"}}
    ann = tag(cookie=ANN, **inline)
    arrival = arrive(ask("/p?kmi=ann", (b"If-None-Match", ann), cookie=km(A)), **inline)
    departure = engine(**inline).depart(arrival, Response(304, b"", ((b"ETag", b'"x"'),)))
    assert first(departure.headers, b"etag") == ann
    assert written(departure.headers) == {"km_ni": "ann"}
    assert f"https://{BLOG}" not in str(departure.headers)


def test_the_page_before_an_arrival_is_not_the_page_after_it() -> None:
    inline: dict[str, Any] = {"arrival": {"url": "inline"}}
    before = (b"If-None-Match", tag(cookie=km(A), **inline))
    arrival = arrive(ask("/p?kmi=ann", before, cookie=km(A)), **inline)
    assert first(arrival.headers, b"if-none-match") == b""
