"""The app's own word: on its way out of a response, into cookies, calls, links and counters."""

from __future__ import annotations

import json
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from engine_kit import (
    BLOG,
    BOTH,
    BROWSER,
    CRAWLER,
    FROM_BLOG,
    HTML,
    KEY,
    MINTED,
    MP,
    NOT_MINTING,
    NOW,
    ONLY_MIXPANEL,
    A,
    K,
    arrive,
    ask,
    browser,
    engine,
    jar,
    km,
    respond,
    rules,
    site,
    through,
    written,
)

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.identity.word import HEADERS, Word
from kmproxy.messages import Headers, Response, first, values
from kmproxy.site import Sites
from kmproxy.visit import Arrival

IDENTIFY_ANN = (b"X-KM-Identify", b"ann")
LOGOUT = (b"X-KM-Clear-Identity", b"1")
RECORD = (b"X-KM-Record", b"Signed Up")
ALL = (IDENTIFY_ANN, (b"x-km-alias", b"ann2"), RECORD, LOGOUT)

PAGE = f'<a href="https://{BLOG}/">'.encode()


def told(arrival: Arrival) -> list[str]:
    common = f"&_k={KEY}&_t=1700000000&_d=1"
    return [
        call.url.removeprefix("https://trk.kissmetrics.io").removesuffix(common) for call in arrival.calls
    ]


def names(headers: Headers) -> set[bytes]:
    return {name.lower() for name, _ in headers}


# On the way out


@pytest.mark.parametrize(
    "headers", [HTML, ((b"Content-Type", b"application/json"),), ((b"Location", b"/"),), ()]
)
@pytest.mark.parametrize("status", [200, 204, 206, 302, 304, 404, 500])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("cookie", ["", km(A), km(A, "bob")])
def test_no_browser_ever_sees_the_headers(headers: Headers, status: int, method: str, cookie: str) -> None:
    arrival = arrive(ask("/p", cookie=cookie, method=method))
    _, departure = respond(arrival, *headers, *ALL, status=status)
    assert names(departure.headers).isdisjoint(HEADERS)


@pytest.mark.parametrize(
    ("agent", "extra", "tables"),
    [
        (CRAWLER, (), {}),
        (BROWSER, ((b"Sec-GPC", b"1"),), {}),
        (BROWSER, (), {"consent": {"cookie": {"name": "ok", "pattern": "yes"}}}),
    ],
)
def test_nothing_is_heard_of_who_is_not_to_be_followed_but_the_headers_go(
    agent: tuple[bytes, bytes], extra: Headers, tables: dict[str, Any]
) -> None:
    arrival = arrive(ask("/p", *extra, cookie=km(A), agent=agent), **tables)
    heard, departure = respond(arrival, *HTML, *ALL)
    assert heard == arrival
    assert names(departure.headers).isdisjoint(HEADERS | {b"set-cookie"})
    assert engine().hear(arrival, [Word("identify", "ann")]) == arrival


def test_a_response_that_says_nothing_passes_as_the_same_objects() -> None:
    arrival, response = arrive(ask("/p", cookie=km(A))), Response(200, b"OK", HTML)
    heard, passed = engine().heed(arrival, response)
    assert heard is arrival
    assert passed is response


def test_the_other_headers_keep_their_order_and_their_bytes() -> None:
    headers = ((b"DATE", b"x"), RECORD, (b"X-Km", b"1"), IDENTIFY_ANN, (b"set-cookie", b"s=1"))
    _, response = engine().heed(arrive(ask("/p")), Response(200, b"Fine", headers, b""))
    assert response == Response(200, b"Fine", ((b"DATE", b"x"), (b"X-Km", b"1"), (b"set-cookie", b"s=1")))


# Whatever the response is


@pytest.mark.parametrize("status", [200, 201, 204, 206, 302, 303, 304, 401, 500])
@pytest.mark.parametrize("headers", [HTML, ((b"Content-Type", b"application/json"),), ()])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_sets_its_cookie_whatever_the_response(status: int, headers: Headers, method: str) -> None:
    arrival = arrive(ask("/login", cookie=km(A), method=method))
    public = (*headers, (b"Cache-Control", b"public, max-age=60"))
    _, departure = respond(arrival, *public, IDENTIFY_ANN, status=status)
    assert written(departure.headers) == {"km_ni": "ann"}
    assert b"public" not in first(departure.headers, b"cache-control")


def test_the_redirect_after_a_login_carries_the_new_name() -> None:
    arrival = arrive(ask("/login", cookie=km(A), method="POST"))
    away = (b"Location", f"https://{BLOG}/welcome".encode())
    heard, departure = respond(arrival, away, IDENTIFY_ANN, status=303)
    assert first(departure.headers, b"location") == f"https://{BLOG}/welcome?kmi=ann".encode()
    assert written(departure.headers) == {"km_ni": "ann"}
    assert told(heard) == [f"/a?_n=ann&_p={quote(A, safe='')}"]


@pytest.mark.parametrize(
    ("cookie", "word", "identity"),
    [
        (km(A), IDENTIFY_ANN, "ann"),
        ("", IDENTIFY_ANN, "ann"),
        (km(A, "bob"), LOGOUT, MINTED),
        ("", RECORD, MINTED),
    ],
)
def test_the_links_of_that_very_page_carry_who_the_visitor_is_then(
    cookie: str, word: tuple[bytes, bytes], identity: str
) -> None:
    arrival = arrive(ask("/p", cookie=cookie))
    _, departure = respond(arrival, *HTML, (b"ETag", b'"v1"'), word)
    expected = f'<a href="https://{BLOG}/?kmi={quote(identity, safe="")}">'.encode()
    assert through(departure, PAGE) == expected
    plain = arrive(ask("/p", cookie=km(identity) if identity == MINTED else km(named=identity)))
    assert first(departure.headers, b"etag") == b'W/"v1-km%b"' % plain.mark


def test_a_copy_that_the_browser_may_show_once_more_is_not_taken_for_the_new_visitors() -> None:
    etag = b'W/"v1-km%b"' % arrive(ask("/p", cookie=km(A, "bob"))).mark
    arrival = arrive(ask("/p", (b"If-None-Match", etag), cookie=km(A, "bob")))
    assert first(arrival.headers, b"if-none-match") == b'"v1", W/"v1"'
    _, departure = respond(arrival, (b"ETag", b'"v1"'), LOGOUT, status=304)
    assert written(departure.headers) == {"km_ai": MINTED, "km_ni": ""}
    kept = first(departure.headers, b"etag")
    for copy in (etag, kept):
        again = arrive(ask("/p", (b"If-None-Match", copy), cookie=km(MINTED)))
        assert first(again.headers, b"if-none-match") == b""


def test_without_a_page_only_a_word_takes_the_minted_id_out() -> None:
    arrival = arrive(ask("/p"))
    _, plain = respond(arrival, (b"Content-Type", b"image/png"))
    assert written(plain.headers) == {}
    _, recorded = respond(arrival, (b"Content-Type", b"image/png"), RECORD)
    assert written(recorded.headers) == {"km_ai": MINTED}


# Several words


@pytest.mark.parametrize(
    ("cookie", "words", "kept", "calls"),
    [
        (
            km(A),
            (IDENTIFY_ANN, RECORD),
            {"km_ai": A, "km_ni": "ann"},
            [f"/a?_n=ann&_p={quote(A, safe='')}", "/e?_p=ann&_n=Signed%20Up"],
        ),
        (
            km(A),
            (RECORD, IDENTIFY_ANN),
            {"km_ai": A, "km_ni": "ann"},
            [f"/e?_p={quote(A, safe='')}&_n=Signed%20Up", f"/a?_n=ann&_p={quote(A, safe='')}"],
        ),
        # Who did something was somebody, and is aliased; who did nothing was nobody.
        (
            "",
            (RECORD, IDENTIFY_ANN),
            {"km_ai": MINTED, "km_ni": "ann"},
            [f"/e?_p={quote(MINTED, safe='')}&_n=Signed%20Up", f"/a?_n=ann&_p={quote(MINTED, safe='')}"],
        ),
        ("", (IDENTIFY_ANN, RECORD), {"km_ni": "ann"}, ["/e?_p=ann&_n=Signed%20Up"]),
        (km(A, "bob"), (LOGOUT, IDENTIFY_ANN), {"km_ni": "ann"}, []),
        (km(A, "bob"), (LOGOUT, LOGOUT, IDENTIFY_ANN), {"km_ni": "ann"}, []),
        (
            km(A, "bob"),
            (LOGOUT, RECORD, IDENTIFY_ANN),
            {"km_ai": MINTED, "km_ni": "ann"},
            [f"/e?_p={quote(MINTED, safe='')}&_n=Signed%20Up", f"/a?_n=ann&_p={quote(MINTED, safe='')}"],
        ),
        (km(A, "bob"), (RECORD, LOGOUT), {"km_ai": MINTED}, ["/e?_p=bob&_n=Signed%20Up"]),
        (km(A), (IDENTIFY_ANN, LOGOUT), {"km_ai": MINTED}, [f"/a?_n=ann&_p={quote(A, safe='')}"]),
        (
            km(A),
            (IDENTIFY_ANN, (b"X-KM-Identify", b"eve")),
            {"km_ai": "eve", "km_ni": "eve"},
            [f"/a?_n=ann&_p={quote(A, safe='')}"],
        ),
        (
            "",
            ((b"X-KM-Alias", b"x"), (b"X-KM-Alias", b"y")),
            {"km_ai": MINTED},
            [f"/a?_n={other}&_p={quote(MINTED, safe='')}" for other in "xy"],
        ),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_words_are_heard_in_their_order(
    cookie: str, words: Headers, kept: dict[str, str], calls: list[str], at_once: bool
) -> None:
    arrival = arrive(ask("/p", cookie=cookie))
    if at_once:
        arrival, departure = respond(arrival, *HTML, *words)
    else:
        # Inside the process, one by one.
        for word in words:
            arrival, _ = engine().heed(arrival, Response(200, b"OK", (word,)))
        departure = engine().depart(arrival, Response(200, b"OK", HTML))
    set_cookies = values(departure.headers, b"set-cookie")
    assert browser(cookie, set_cookies) == kept
    assert len(set_cookies) == len(jar(set_cookies)), "one Set-Cookie a name"
    assert told(arrival) == calls


def test_words_come_after_what_the_link_did() -> None:
    request = ask(f"/p?kmi={quote(K, safe='')}", *FROM_BLOG, cookie=km(A))
    before = arrive(request, arrival={"url": "inline"})
    heard, departure = respond(before, *HTML, IDENTIFY_ANN)
    assert heard.calls[: len(before.calls)] == before.calls
    assert heard.notes[: len(before.notes)] == before.notes
    assert told(heard)[1:] == [f"/a?_n=ann&_p={quote(K, safe='')}"]
    assert written(departure.headers) == {"km_ai": K, "km_ni": "ann"}


def test_a_word_replaces_the_cookie_that_the_link_set() -> None:
    before = arrive(ask("/p?kmi=bob", cookie=km(A)), arrival={"url": "inline"})
    _, departure = respond(before, *HTML, LOGOUT)
    set_cookies = values(departure.headers, b"set-cookie")
    assert browser(km(A), set_cookies) == {"km_ai": MINTED}
    assert len(set_cookies) == 2


def test_the_arrival_before_the_words_is_still_there_to_depart_with() -> None:
    arrival = arrive(ask("/p", cookie=km(A)))
    heard, response = engine().heed(arrival, Response(200, b"OK", (*HTML, IDENTIFY_ANN)))
    assert heard.calls
    departure = engine().depart(arrival, response)
    assert written(departure.headers) == {}
    assert through(departure, PAGE) == f'<a href="https://{BLOG}/?kmi={quote(A, safe="")}">'.encode()


# Cookies


def test_a_logout_deletes_the_name_in_its_own_scope() -> None:
    arrival = arrive(ask("/p", cookie=km(A, "bob")))
    _, departure = respond(arrival, LOGOUT)
    minted = quote(MINTED, safe="")
    assert values(departure.headers, b"set-cookie") == [
        f"km_ai={minted}; Domain=acme.example; Path=/; Max-Age=157680000; SameSite=Lax; Secure".encode(),
        b"km_ni=; Domain=acme.example; Path=/; Max-Age=0; SameSite=Lax; Secure",
    ]


def test_a_visitor_by_http_gets_a_cookie_for_http() -> None:
    _, departure = respond(arrive(ask("/p", scheme="http")), IDENTIFY_ANN)
    [value] = values(departure.headers, b"set-cookie")
    assert value == b"km_ni=ann; Domain=acme.example; Path=/; Max-Age=157680000; SameSite=Lax"


def test_to_say_the_same_on_every_page_sets_no_cookie_again() -> None:
    cookie = km("ann", "ann")
    heard, departure = respond(arrive(ask("/p", cookie=cookie)), *HTML, IDENTIFY_ANN)
    assert (written(departure.headers), heard.calls) == ({}, ())


def test_each_vendor_hears_for_itself() -> None:
    cookie = f"{km(A, 'bob')}; {MP}=" + quote(json.dumps({"distinct_id": "$device:x", "$device_id": "x"}))
    heard, _ = respond(arrive(ask("/p", cookie=cookie), **BOTH), IDENTIFY_ANN)
    cookies = browser(cookie, heard.cookies)
    assert json.loads(cookies.pop(MP)) == {"distinct_id": "ann", "$device_id": "x", "$user_id": "ann"}
    assert cookies == {"km_ai": "ann", "km_ni": "ann"}
    assert [call.provider for call in heard.calls] == ["mixpanel"]
    assert rules(heard) == [
        ("word", "kissmetrics", "named-switched"),
        ("word", "mixpanel", "anonymous-identified"),
    ]
    assert heard.seen.query == b"kmi=ann&distinct_id=ann"


def test_a_cookie_that_can_not_hold_more_is_left_alone_and_nothing_is_told() -> None:
    stored = {"distinct_id": "$device:x", "$device_id": "x", "filling": "x" * 3800}
    cookie = f"{MP}=" + quote(json.dumps(stored))
    arrival = arrive(ask("/p", cookie=cookie), **ONLY_MIXPANEL)
    heard, departure = respond(arrival, *HTML, (b"X-KM-Identify", b"a" * 255))
    assert (heard.calls, heard.seen, written(departure.headers)) == ((), arrival.seen, {})
    assert rules(heard) == [("rejected", "mixpanel", "cookie-too-large")]


def test_after_a_logout_each_vendor_has_a_new_visitor() -> None:
    stored = {"distinct_id": "bob", "$device_id": "x", "$user_id": "bob"}
    cookie = f"{km(A, 'bob')}; {MP}=" + quote(json.dumps(stored))
    heard, _ = respond(arrive(ask("/p", cookie=cookie), **BOTH), LOGOUT, IDENTIFY_ANN)
    assert heard.calls == ()
    assert [(note.what, note.why) for note in heard.notes] == [
        ("word", "cleared"),
        ("word", "cleared"),
        ("word", "new-visitor"),
        ("word", "new-visitor"),
    ]


# Who is made a person


@pytest.mark.parametrize("word", [RECORD, (b"X-KM-Alias", b"ann")])
def test_a_new_visitor_is_made_the_person_whom_the_app_was_told_of(word: tuple[bytes, bytes]) -> None:
    numbers = count()
    sites = Sites(load({"site": [site()]}))
    app = Engine(sites, lambda: NOW, lambda length: bytes([next(numbers)]) * length)
    arrival = app.arrive(ask("/p"))
    assert arrival is not None
    heard, _ = app.heed(arrival, Response(200, b"OK", (*HTML, word)))
    shown = first(arrival.headers, b"x-km-identity").decode()
    assert browser("", heard.cookies) == {"km_ai": shown}
    assert f"_p={quote(shown, safe='')}" in told(heard)[0]


@pytest.mark.parametrize("word", [RECORD, (b"X-KM-Alias", b"ann")])
def test_without_mint_no_word_makes_a_person(word: tuple[bytes, bytes]) -> None:
    heard, departure = respond(arrive(ask("/p"), **NOT_MINTING), *HTML, word)
    assert (heard.calls, written(departure.headers)) == ((), {})
    assert rules(heard) == [("rejected", "kissmetrics", "nobody")]


def test_without_mint_a_login_is_heard_and_a_logout_leaves_nobody() -> None:
    logged_in, _ = respond(arrive(ask("/p"), **NOT_MINTING), IDENTIFY_ANN)
    assert browser("", logged_in.cookies) == {"km_ni": "ann"}
    out, departure = respond(arrive(ask("/p", cookie=km(A, "bob")), **NOT_MINTING), *HTML, LOGOUT)
    assert browser(km(A, "bob"), out.cookies) == {}
    assert not out.seen.is_known
    assert departure.rewriter is None


def test_a_script_whose_request_is_recorded_makes_a_person_as_well() -> None:
    request = ask("/api", document=((b"Accept", b"*/*"), (b"Sec-Fetch-Dest", b"empty")), method="POST")
    heard, departure = respond(arrive(request), (b"Content-Type", b"application/json"), RECORD)
    assert written(departure.headers) == {"km_ai": MINTED}
    assert told(heard) == [f"/e?_p={quote(MINTED, safe='')}&_n=Signed%20Up"]


@pytest.mark.parametrize(
    ("cookie", "words", "kept", "rule"),
    [
        ("", (IDENTIFY_ANN,), {"km_ni": "ann"}, ["new-visitor"]),
        (km(A), (IDENTIFY_ANN,), {"km_ai": A}, ["head-joins-nobody"]),
        (km(A, "bob"), (IDENTIFY_ANN,), {"km_ai": "ann", "km_ni": "ann"}, ["named-switched"]),
        (km(A, "bob"), (LOGOUT,), {"km_ai": MINTED}, ["cleared"]),
        (km(A), ((b"X-KM-Alias", b"ann"),), {"km_ai": A}, ["head-joins-nobody"]),
        (km(A), (RECORD,), {"km_ai": A}, ["head-records-nobody"]),
    ],
)
def test_a_head_joins_and_records_nobody(
    cookie: str, words: Headers, kept: dict[str, str], rule: list[str]
) -> None:
    heard, departure = respond(arrive(ask("/p", cookie=cookie, method="HEAD")), *HTML, *words)
    assert heard.calls == ()
    assert browser(cookie, values(departure.headers, b"set-cookie")) == kept
    assert [why for what, _, why in rules(heard) if what != "minted"] == rule


# What is refused


@pytest.mark.parametrize("cookie", ["", km(A), km(A, "bob")])
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (Word("identify", "undefined"), "identity-forbidden"),
        (Word("identify", "a" * 256), "identity-too-long"),
        (Word("identify", "a\r\nSet-Cookie: x=1"), "identity-control-character"),
        (Word("identify", "\ud800"), "identity-surrogate"),
        (Word("identify", None), "identity-undecodable"),
        (Word("alias", ""), "identity-empty"),
        (Word("alias", "null"), "identity-forbidden"),
        (Word("alias", "a" * 256), "identity-too-long"),
        (Word("alias", "a\x00"), "identity-control-character"),
        (Word("alias", None), "identity-undecodable"),
        (Word("record", ""), "event-empty"),
        (Word("record", " "), "event-empty"),
        (Word("record", "e" * 256), "event-too-long"),
        (Word("record", "\udc00"), "event-surrogate"),
        (Word("record", None), "event-undecodable"),
        (Word("record", "", {"a": "1"}), "event-empty"),
    ],
)
def test_what_no_vendor_takes_is_refused_and_noted(cookie: str, word: Word, reason: str) -> None:
    arrival = arrive(ask("/p", cookie=cookie), **BOTH)
    heard = engine().hear(arrival, [word])
    assert heard._replace(notes=()) == arrival._replace(notes=())
    assert heard.notes[len(arrival.notes) :] == (
        ("rejected", "kissmetrics", reason),
        ("rejected", "mixpanel", reason),
    )


def test_a_property_that_no_vendor_takes_does_not_cost_the_event() -> None:
    properties = {"price": "12.50", "_p": "victim", "": "x", "n" * 256: "x", "half": "\ud800"}
    heard = engine().hear(arrive(ask("/p", cookie=km(A))), [Word("record", "Bought", properties)])
    assert told(heard) == [f"/e?price=12.50&_p={quote(A, safe='')}&_n=Bought"]
    assert rules(heard) == [
        ("word", "kissmetrics", "recorded"),
        ("rejected", "kissmetrics", "property-reserved"),
        ("rejected", "kissmetrics", "property-name-length"),
        ("rejected", "kissmetrics", "property-name-length"),
        ("rejected", "kissmetrics", "property-surrogate"),
    ]


def test_no_line_end_reaches_a_header_or_a_call() -> None:
    said = [Word("record", "a\r\nb", {"c\r\n": "d\r\n"}), Word("identify", "ann")]
    heard = engine().hear(arrive(ask("/p", cookie=km(A))), said)
    assert len(heard.calls) == 2
    assert not [value for value in heard.cookies if b"\r" in value or b"\n" in value]
    assert not [call for call in heard.calls if "\r" in call.url or "\n" in call.url]
