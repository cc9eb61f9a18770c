"""Validators: how an entity tag comes to be a visitor's, and becomes the upstream's again."""

from __future__ import annotations

from typing import Any

import pytest
from engine_kit import (
    BOTH,
    CRAWLER,
    DEVICE,
    DOCUMENT,
    HTML,
    MP,
    NOT_MINTING,
    SHOP,
    A,
    K,
    arrive,
    ask,
    km,
    site,
)
from validators_kit import (
    ANN,
    BOB,
    ELSEWHERE,
    FETCH,
    FRAME,
    IFRAME,
    IMAGE,
    SOME_DATE,
    TURBO,
    asked,
    depart,
    mark,
    tag,
)

from kmproxy.config import load
from kmproxy.messages import Headers, values
from kmproxy.validators import fingerprint

# On the way out


@pytest.mark.parametrize(
    ("upstreams", "opaque"),
    [
        ([b'"x"'], b"x"),
        ([b'W/"x"'], b"x"),
        ([b'""'], b""),
        ([b' "x" '], b"x"),
        ([b'"a, b"'], b"a, b"),
        ([b'"\xe9"'], b"\xe9"),
        ([b'"x-km0123456789abcdef"'], b"x-km0123456789abcdef"),
        ([b'"x-gzip"'], b"x-gzip"),
        ([b"x"], None),
        ([b'w/"x"'], None),
        ([b'"x'], None),
        ([b'"x"y"'], None),
        ([b""], None),
        ([b'"x"', b'"y"'], None),
        ([], None),
    ],
)
def test_a_personal_page_leaves_with_the_upstreams_entity_tag_marked_and_weak(
    upstreams: list[bytes], opaque: bytes | None
) -> None:
    departure = depart(arrive(ask(cookie=BOB)), 200, *HTML, *((b"ETag", value) for value in upstreams))
    assert values(departure.headers, b"etag") == ([] if opaque is None else [tag(opaque)])


def test_a_mark_tells_no_identity() -> None:
    assert len(mark()) == 16
    assert b"bob" not in tag()


MARKS: list[tuple[str, dict[str, Any]]] = [
    (BOB, {}),
    (ANN, {}),
    (km(A), {}),
    (km(K), {}),
    (f"{BOB}; {MP}=%7B%22distinct_id%22%3A%22%24device%3A{DEVICE}%22%7D", BOTH),
    (BOB, ELSEWHERE),
    (BOB, {"links": {"elements": ["a"]}}),
    (BOB, {"links": {"redirects": False}}),
    (BOB, {"identity": {"cookie_domain": SHOP}}),
]


def test_every_identity_and_every_configuration_that_shapes_a_page_has_a_mark_of_its_own() -> None:
    assert len({mark(cookie, **tables) for cookie, tables in MARKS}) == len(MARKS)


@pytest.mark.parametrize(
    "tables", [NOT_MINTING, {"arrival": {"url": "leave"}}, {"consent": {"respect": []}}, {"name": "acme-2"}]
)
def test_what_shapes_no_page_leaves_the_mark_alone(tables: dict[str, Any]) -> None:
    assert mark(**tables) == mark()


def test_another_release_has_other_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    [config] = load({"site": [site()]}).site
    before = fingerprint(config, ())
    assert fingerprint(config, ()) == before
    monkeypatch.setattr("kmproxy.validators.__version__", "999")
    assert fingerprint(config, ()) != before


def test_a_nobody_has_no_mark() -> None:
    assert (mark("", **NOT_MINTING), arrive(ask(agent=CRAWLER, cookie=BOB)).mark) == (b"", b"")


# On the way in


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("document", [DOCUMENT, IFRAME, FRAME, TURBO, FETCH, IMAGE])
def test_a_visitors_own_copy_is_asked_about_in_either_form(method: str, document: Headers) -> None:
    conditions = (
        (b"If-None-Match", tag()),
        (b"If-Modified-Since", SOME_DATE),
        (b"If-Range", tag()),
        (b"Range", b"bytes=0-9"),
    )
    told = asked(*conditions, cookie=BOB, document=document, method=method)
    assert told == {b"if-none-match": b'"x", W/"x"'}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([tag()], b'"x", W/"x"'),
        ([tag()[2:]], b'"x", W/"x"'),
        ([tag(b"x"), tag(b"y")], b'"x", W/"x", "y", W/"y"'),
        ([tag(b"x") + b"," + tag(b"y")], b'"x", W/"x", "y", W/"y"'),
        ([tag(b"a, b")], b'"a, b", W/"a, b"'),
        ([tag(b"x-km0123456789abcdef")], b'"x-km0123456789abcdef", W/"x-km0123456789abcdef"'),
        ([b'"y", ' + tag() + b', W/"z"'], b'"x", W/"x"'),
        ([tag(cookie=ANN) + b", " + tag()], b'"x", W/"x"'),
        ([tag(cookie=ANN)], None),
        ([tag(**ELSEWHERE)], None),
        ([b'"x"'], None),
        ([b'W/"x"'], None),
        ([b"x"], None),
        ([b"*"], None),
        ([b""], None),
        ([tag()[:-1]], None),
        ([tag().upper()], None),
    ],
)
@pytest.mark.parametrize("document", [DOCUMENT, IFRAME, FRAME, TURBO])
def test_a_page_is_revalidated_by_copies_of_this_visitor_only(
    said: list[bytes], told: bytes | None, document: Headers
) -> None:
    conditions = [(b"If-None-Match", value) for value in said]
    sent = asked(*conditions, (b"If-Modified-Since", SOME_DATE), cookie=BOB, document=document)
    assert sent == ({b"if-none-match": told} if told else {})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'"x"', b'"x"'),
        (b'"x" ,W/"y"', b'"x" ,W/"y"'),
        (b"x", b"x"),
        (tag(cookie=ANN), None),
        (tag(cookie=ANN) + b', "y"', b'"y"'),
        (b"*", None),
    ],
)
@pytest.mark.parametrize(
    ("cookie", "document"), [(BOB, IMAGE), (BOB, FETCH), ("", DOCUMENT), ("", IMAGE), ("", FETCH)]
)
def test_an_asset_and_a_page_for_a_nobody_are_revalidated_by_copies_made_for_nobody(
    said: bytes, told: bytes | None, cookie: str, document: Headers
) -> None:
    sent = asked((b"If-None-Match", said), cookie=cookie, document=document)
    assert sent == ({b"if-none-match": told} if told else {})


@pytest.mark.parametrize("cookie", ["", BOB])
def test_where_a_copy_of_another_visitor_is_left_out_the_date_is_not_gone_by_either(cookie: str) -> None:
    conditions = ((b"If-None-Match", tag(cookie=ANN)), (b"If-Modified-Since", SOME_DATE))
    assert asked(*conditions, cookie=cookie, document=IMAGE) == {}


@pytest.mark.parametrize("cookie", ["", BOB])
def test_conditions_of_an_asset_pass_as_they_came(cookie: str) -> None:
    conditions = (
        (b"IF-MODIFIED-SINCE", SOME_DATE),
        (b"If-Range", b'"x"'),
        (b"range", b"bytes=0-"),
        (b"If-None-Match", b'"x"'),
        (b"If-Match", b'"x"'),
        (b"If-Unmodified-Since", SOME_DATE),
        (b"Want-Digest", b"sha-256"),
        (b"Want-Content-Digest", b"sha-256=1"),
        (b"Want-Repr-Digest", b"sha-256=1"),
    )
    arrival = arrive(ask("/p", *conditions, cookie=cookie, document=IMAGE), **NOT_MINTING)
    assert set(conditions) <= set(arrival.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", [b"If-Match", b"If-None-Match"])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (tag(), b'"x", W/"x"'),
        (tag(cookie=ANN), b'"x", W/"x"'),
        (b'"y", ' + tag(), b'"y", "x", W/"x"'),
        (b'"x"', b'"x"'),
        (b"*", b"*"),
    ],
)
@pytest.mark.parametrize("cookie", ["", BOB])
def test_to_change_something_the_upstreams_state_is_asked_about_whoever_saw_it(
    method: str, name: bytes, said: bytes, told: bytes, cookie: str
) -> None:
    since = (b"If-Unmodified-Since", SOME_DATE)
    sent = asked((name, said), since, cookie=cookie, method=method)
    assert sent == {name.lower(): told, b"if-unmodified-since": SOME_DATE}
