"""Arrivals: who the visitor becomes, what the vendor is told, where the browser is sent."""

from __future__ import annotations

import json
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from ada_url import URL
from engine_kit import (
    BLOG,
    BOTH,
    BROWSER,
    CRAWLER,
    DEVICE,
    DOCUMENT,
    FROM_BLOG,
    HTML,
    K_ENCODED,
    KEY,
    MINTED,
    MP,
    NOT_MINTING,
    ONLY_MIXPANEL,
    OTHER_SITE,
    PARTNER,
    PASTED,
    SHOP,
    A,
    K,
    answer,
    arrive,
    ask,
    engine,
    jar,
    km,
    location,
    rules,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from kmproxy.messages import Headers, Response, first, values

ALIAS_A = f"/a?_n={K_ENCODED}&_p={quote(A, safe='')}&_k={KEY}&_t=1700000000&_d=1"


def calls(urls: tuple[Any, ...]) -> list[str]:
    return [call.url.removeprefix("https://trk.kissmetrics.io") for call in urls]


# Who the visitor becomes


@pytest.mark.parametrize(
    ("cookie", "k", "headers", "rule", "cookies", "told"),
    [
        # 1. Empty, null, nil, quoted: ignored, and nobody is logged out.
        (km(A), "", FROM_BLOG, "identity-empty", {}, []),
        (km(A, "bob"), "null", FROM_BLOG, "identity-forbidden", {}, []),
        (km(A, "bob"), "'null'", FROM_BLOG, "identity-forbidden", {}, []),
        # 2. The visitor's own name.
        (km(A, "bob"), "bob", FROM_BLOG, "own-id", {}, []),
        # 3. Home again with the own anonymous ID.
        (km(A), A, FROM_BLOG, "own-id", {}, []),
        (km(A, "bob"), A, FROM_BLOG, "own-id", {}, []),
        # 4. An anonymous ID meets a new visitor.
        ("", K, FROM_BLOG, "anonymous-adopted", {"km_ai": K}, []),
        ("", K, (), "anonymous-adopted", {"km_ai": K}, []),
        ("", K, PASTED, "no-click-from-the-site", {}, []),
        # 5. An anonymous ID meets an anonymous visitor.
        (km(A), K, FROM_BLOG, "anonymous-joined", {"km_ai": K}, [ALIAS_A]),
        (km(A), K, (), "no-click-from-the-site", {}, []),
        (km(A), K, PASTED, "no-click-from-the-site", {}, []),
        # 6. An anonymous ID meets a named visitor.
        (km(A, "bob"), K, FROM_BLOG, "named-kept", {}, []),
        # 7. A name meets another one, an anonymous visitor, a new one.
        (km(A, "bob"), "ann", FROM_BLOG, "named-switched", {"km_ai": "ann", "km_ni": "ann"}, []),
        (
            km(A),
            "ann",
            PASTED,
            "anonymous-identified",
            {"km_ni": "ann"},
            [f"/a?_n=ann&_p={quote(A, safe='')}&_k={KEY}&_t=1700000000&_d=1"],
        ),
        ("", "ann", PASTED, "new-visitor-named", {"km_ni": "ann"}, []),
    ],
)
def test_the_visitor_becomes_who_the_table_says(
    cookie: str, k: str, headers: Headers, rule: str, cookies: dict[str, str], told: list[str]
) -> None:
    arrival = arrive(ask(f"/p?kmi={quote(k, safe='')}", *headers, cookie=cookie))
    what = "rejected" if rule.startswith("identity-") else "arrival"
    assert rules(arrival) == [(what, "kissmetrics", rule)]
    assert jar(arrival.cookies) == written(answer(arrival).headers) == cookies
    assert calls(arrival.calls) == told
    assert location(arrival) == "/p"


@pytest.mark.parametrize(
    ("cookie", "k", "cookies", "told"),
    [
        ("", K, {"km_ni": K}, 0),
        (km(A), K, {"km_ni": K}, 1),
        (km(A), A, {"km_ni": A}, 0),
        (km(A, "bob"), K, {"km_ai": K, "km_ni": K}, 0),
        (km(A, "bob"), "ann", {"km_ai": "ann", "km_ni": "ann"}, 0),
    ],
)
def test_exact_does_as_the_vendors_table_without_asking_whence(
    cookie: str, k: str, cookies: dict[str, str], told: int
) -> None:
    request = ask(f"/?kmi={quote(k, safe='')}", *PASTED, cookie=cookie)
    arrival = arrive(request, arrival={"policy": "exact"})
    assert (jar(arrival.cookies), len(arrival.calls)) == (cookies, told)


@pytest.mark.parametrize(
    ("referer", "joined"),
    [
        (f"https://{BLOG}/post", True),
        (f"http://{BLOG}:8080/", True),
        (f"https://{PARTNER}/", True),
        (f"https://{SHOP}/cart", False),
        ("https://www.shop.acme.example/", False),
        ("https://acme.example/", False),
        ("https://evil.example/", False),
        (f"https://{OTHER_SITE}/", False),
        (f"https://{BLOG}.evil.example/", False),
        (f"https://evil.example/https://{BLOG}/", False),
        ("https://partner.example/", False),
        ("android-app://com.slack/", False),
        ("nonsense", False),
    ],
)
def test_an_anonymous_id_joins_only_when_the_click_came_from_another_domain_of_the_site(
    referer: str, joined: bool
) -> None:
    arrival = arrive(ask(f"/?kmi={K_ENCODED}", (b"Referer", referer.encode()), cookie=km(A)))
    assert bool(arrival.calls) is bool(arrival.cookies) is joined
    new = arrive(ask(f"/?kmi={K_ENCODED}", (b"Referer", referer.encode())))
    assert jar(new.cookies) == ({"km_ai": K} if joined else {})


@pytest.mark.parametrize(
    ("raw", "identity"),
    [
        ("y75Fe33597qBqkR4obZZYV%2BwF3Y%3D", "y75Fe33597qBqkR4obZZYV+wF3Y="),
        ("y75Fe33597qBqkR4obZZYV+wF3Y=", "y75Fe33597qBqkR4obZZYV+wF3Y="),
        ("rAy2wPD+HQeNkxP4eQNAIzMi/7s=", K),
        ("bob@bob.com", "bob@bob.com"),
        ("bob%2Btag%40bob.com", "bob+tag@bob.com"),
        ("%E6%97%A5%E6%9C%AC", "日本"),
        ("\xe6\x97\xa5", "日"),
        ("o%27brien%22%3Cb%3E", "o'brien\"<b>"),
        ("a%3B%20Domain%3Devil", "a; Domain=evil"),
        ("User+12345", "User 12345"),
        ("a" * 255, "a" * 255),
        ("%E6%97%A5" * 255, "日" * 255),
    ],
)
def test_an_identity_arrives_whole(raw: str, identity: str) -> None:
    arrival = arrive(ask(f"/?kmi={raw}", *FROM_BLOG))
    assert set(jar(arrival.cookies).values()) == {identity}
    for value in arrival.cookies:
        assert value.isascii()
        assert value.count(b"; Domain=") == 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        ("%20", "empty"),
        ("null", "forbidden"),
        ("undefined", "forbidden"),
        ("%22%22", "forbidden"),
        ("a" * 256, "too-long"),
        ("a%00b", "control-character"),
        ("a%0d%0aSet-Cookie:%20x=1", "control-character"),
        ("a%7F", "control-character"),
        ("100%", "undecodable"),
        ("%zz", "undecodable"),
        ("%E9", "undecodable"),
    ],
)
@pytest.mark.parametrize("cookie", ["", km(A), km(A, "bob")])
def test_an_identity_that_can_be_nobodys_is_ignored_stripped_and_noted(
    raw: str, reason: str, cookie: str
) -> None:
    arrival = arrive(ask(f"/p?a=1&kmi={raw}&b=2", *FROM_BLOG, cookie=cookie))
    assert location(arrival) == "/p?a=1&b=2"
    assert (arrival.cookies, arrival.calls) == ((), ())
    assert rules(arrival) == [("rejected", "kissmetrics", f"identity-{reason}")]


@pytest.mark.parametrize("target", ["/?kmi", "/?kmi&x", "/?x&kmi"])
def test_a_parameter_without_a_value_says_nothing_and_is_stripped(target: str) -> None:
    arrival = arrive(ask(target))
    assert location(arrival) in ("/", "/?x")
    assert (arrival.cookies, arrival.calls, arrival.notes) == ((), (), ())


def test_the_cookies_are_written_for_the_registrable_domain_and_secure_where_the_visitor_is() -> None:
    [secure] = arrive(ask("/?kmi=bob")).cookies
    [plain] = arrive(ask("/?kmi=bob", scheme="http")).cookies
    assert plain == b"km_ni=bob; Domain=acme.example; Path=/; Max-Age=157680000; SameSite=Lax"
    assert secure == plain + b"; Secure"


# Where the browser is sent


@pytest.mark.parametrize(
    ("target", "clean"),
    [
        ("/?kmi=bob", "/"),
        ("/p?kmi=bob", "/p"),
        ("/p?x=1&kmi=bob", "/p?x=1"),
        ("/p?kmi=bob&x=1", "/p?x=1"),
        ("/p?b=2&kmi=bob&a=1", "/p?b=2&a=1"),
        ("/p?a=1%2C2&flag&u=%E9&kmi=bob", "/p?a=1%2C2&flag&u=%E9"),
        ("/p?a=b+c&kmi=bob&a=%20", "/p?a=b+c&a=%20"),
        ("/p?a=1;b=2&kmi=bob", "/p?a=1;b=2"),
        ("/p?&kmi=bob", "/p?"),
        ("/p?&&kmi=bob&&x=1&", "/p?&&&x=1&"),
        ("/p?kmi=bob&", "/p?"),
        ("/p?kmi=a&kmi=bob", "/p"),
        ("/p?km_i=bob", "/p"),
        ("/p?%6bmi=bob", "/p"),
        ("/p?KMI=a&kmi=bob", "/p?KMI=a"),
        ("/p?kmart=5&km=1&kmi=bob", "/p?kmart=5&km=1"),
        ("/p?q=kmi=x&kmi=bob", "/p?q=kmi=x"),
        ("/p?next=https://b.example/?kmi=x&kmi=bob", "/p?next=https://b.example/?kmi=x"),
        ("/a%2Fb/%zz;v=1/\xe9?kmi=bob", "/a%2Fb/%zz;v=1/\xe9"),
        ("/p?kmi=bob?x=1", "/p"),
        ("/p?%zz=1&kmi=bob", "/p?%zz=1"),
        ("/p?u=%0d%0aSet-Cookie:%20x=1&kmi=bob", "/p?u=%0d%0aSet-Cookie:%20x=1"),
        ("/p?kmi=bob&kme=E&km_a=1&x=1", "/p?x=1"),
    ],
)
def test_the_clean_url_keeps_every_other_byte(target: str, clean: str) -> None:
    redirect = answer(arrive(ask(target)))
    assert redirect.status == 302
    assert redirect.body == b""
    assert redirect.headers[:3] == (
        (b"Location", clean.encode("latin-1")),
        (b"Cache-Control", b"no-store"),
        (b"Content-Length", b"0"),
    )


@pytest.mark.parametrize(
    ("target", "clean"),
    [
        ("//evil.example/?kmi=x", "/.//evil.example/"),
        ("///evil.example/?kmi=x", "/.///evil.example/"),
        ("/\\evil.example/?kmi=x", "/./\\evil.example/"),
        ("/\\/evil.example?kmi=x", "/./\\/evil.example"),
        ("//?kmi=x", "/.//"),
        ("/%09/evil.example?kmi=x", "/%09/evil.example"),
        ("/.//evil.example?kmi=x", "/.//evil.example"),
        ("/@evil.example?kmi=x", "/@evil.example"),
        ("/:80@evil.example?kmi=x", "/:80@evil.example"),
    ],
)
def test_a_redirect_never_leaves_the_host(target: str, clean: str) -> None:
    arrival = arrive(ask(target))
    assert location(arrival) == clean
    assert URL(clean, f"https://{SHOP}/").origin == f"https://{SHOP}"


@given(st.text(alphabet="/\\.@:?#&=%09adk\t\r\n mi", max_size=12))
def test_no_path_whatever_leads_a_browser_to_another_host(path: str) -> None:
    arrival = arrive(ask(f"/{path}?kmi=x"))
    if arrival.answer is not None:
        where = location(arrival)
        assert "\r" not in where
        assert "\n" not in where
        assert URL(where, f"https://{SHOP}/").origin == f"https://{SHOP}"


@pytest.mark.parametrize(
    "target", ["https://evil.example/?kmi=x", "*?kmi=x", "?kmi=x", "/\t/evil.example?kmi=x"]
)
def test_a_target_that_is_no_plain_path_is_not_redirected(target: str) -> None:
    arrival = arrive(ask(target))
    assert (arrival.answer, arrival.cookies, arrival.target) == (None, (), target.encode())


@pytest.mark.parametrize(
    "target",
    [
        "/?kmi=a%0d%0aX-Evil:%201",
        "/?kme=a%0d%0aX-Evil:%201&kmi=bob",
        "/?km_a%0d%0aX-Evil=1%0d%0a&kmi=bob",
        "/%0d%0aX-Evil:1?u=%0d%0a&kmi=bob",
    ],
)
@pytest.mark.parametrize("url", ["redirect", "inline", "leave"])
def test_no_line_end_reaches_a_header(target: str, url: str) -> None:
    arrival = arrive(ask(target), arrival={"url": url})
    headers = [*arrival.headers, *(arrival.answer.headers if arrival.answer else ())]
    sent = [part for pair in headers for part in pair] + list(arrival.cookies)
    told = [part for call in arrival.calls for part in (call.url, *(value for _, value in call.headers))]
    assert not [part for part in sent if b"\r" in part or b"\n" in part]
    assert not [part for part in told if "\r" in part or "\n" in part]


def test_inline_strips_for_the_upstream_alone() -> None:
    arrival = arrive(ask("/p?x=1&kmi=bob", cookie=km(A)), arrival={"url": "inline"})
    assert arrival.answer is None
    assert arrival.target == b"/p?x=1"
    assert jar(arrival.cookies) == {"km_ni": "bob"}
    assert len(arrival.calls) == 1
    assert first(arrival.headers, b"x-km-identity") == b"bob"
    assert arrival.seen.query == b"kmi=bob"


def test_leave_touches_no_url_but_identifies() -> None:
    arrival = arrive(ask("/p?x=1&kmi=bob", cookie=km(A)), arrival={"url": "leave"})
    assert arrival.answer is None
    assert arrival.target == b"/p?x=1&kmi=bob"
    assert jar(arrival.cookies) == {"km_ni": "bob"}
    assert len(arrival.calls) == 1


# Events


def test_redirect_records_the_event_for_the_person_who_arrived() -> None:
    target = "/?kme=Clicked+Link&kmi=john.smith&km_Link+Location=top&km__p=victim&x=1"
    arrival = arrive(ask(target, cookie=km(A)))
    assert location(arrival) == "/?x=1"
    assert calls(arrival.calls) == [
        f"/a?_n=john.smith&_p={quote(A, safe='')}&_k={KEY}&_t=1700000000&_d=1",
        f"/e?Link%20Location=top&_p=john.smith&_n=Clicked%20Link&_k={KEY}&_t=1700000000&_d=1",
    ]
    assert rules(arrival) == [
        ("rejected", "kissmetrics", "property-reserved"),
        ("arrival", "kissmetrics", "anonymous-identified"),
    ]


def test_properties_alone_are_set() -> None:
    arrival = arrive(ask("/?km_variation=red+button", cookie=km(A, "bob")))
    assert calls(arrival.calls) == [f"/s?variation=red%20button&_p=bob&_k={KEY}&_t=1700000000&_d=1"]


def test_an_event_makes_a_new_visitor_a_person() -> None:
    arrival = arrive(ask("/?kme=E"))
    assert jar(arrival.cookies) == {"km_ai": MINTED}
    assert calls(arrival.calls) == [f"/e?_p={quote(MINTED, safe='')}&_n=E&_k={KEY}&_t=1700000000&_d=1"]
    assert location(arrival) == "/"


@pytest.mark.parametrize(
    ("url", "upstream_sees"), [("inline", b"/?kme=E&km_a=1"), ("leave", b"/?kme=E&km_a=1&kmi=bob")]
)
def test_the_pages_own_javascript_records_what_stays_in_the_browsers_url(
    url: str, upstream_sees: bytes
) -> None:
    arrival = arrive(ask("/?kme=E&km_a=1&kmi=bob"), arrival={"url": url})
    assert arrival.calls == ()
    assert arrival.target == upstream_sees
    assert jar(arrival.cookies) == {"km_ni": "bob"}


def test_without_events_they_stay_in_the_url() -> None:
    arrival = arrive(ask("/?kme=E&km_a=1&kmi=bob"), arrival={"events": False})
    assert location(arrival) == "/?kme=E&km_a=1"
    assert arrival.calls == ()
    alone = arrive(ask("/?kme=E&km_a=1"), arrival={"events": False})
    assert (alone.answer, alone.target) == (None, b"/?kme=E&km_a=1")


def test_an_event_of_nobody_stays_in_the_url_where_nobody_is_minted() -> None:
    arrival = arrive(ask("/?kme=E"), **NOT_MINTING)
    assert (arrival.answer, arrival.cookies, arrival.calls) == (None, (), ())
    assert arrival.target == b"/?kme=E"


def test_an_event_beside_an_identity_is_recorded_once_the_visitor_is_somebody() -> None:
    first_time = arrive(ask("/?kme=E&kmi=bob"), **NOT_MINTING)
    assert location(first_time) == "/?kme=E"
    assert jar(first_time.cookies) == {"km_ni": "bob"}
    then = arrive(ask("/?kme=E", cookie="km_ni=bob"), **NOT_MINTING)
    assert location(then) == "/"
    assert calls(then.calls) == [f"/e?_p=bob&_n=E&_k={KEY}&_t=1700000000&_d=1"]


def test_a_visitor_another_vendor_knows_is_not_minted_for_an_event() -> None:
    cookie = f"{MP}=" + quote(json.dumps({"distinct_id": "bob", "$user_id": "bob"}))
    arrival = arrive(ask("/?kme=E", cookie=cookie), **BOTH, **NOT_MINTING)
    assert (arrival.answer, arrival.cookies, arrival.calls) == (None, (), ())


def test_an_event_in_the_url_of_a_site_of_mixpanel_alone_stays() -> None:
    arrival = arrive(ask("/?kme=E&km_a=1&distinct_id=bob"), **ONLY_MIXPANEL)
    assert location(arrival) == "/?kme=E&km_a=1"
    assert arrival.calls == ()


# Who is not followed


@pytest.mark.parametrize(
    ("request_headers", "agent", "tables", "reason"),
    [
        ((), CRAWLER, {}, "crawler"),
        ((), (b"User-Agent", b"curl/8.5.0"), {}, "crawler"),
        ((), (b"X-No-User-Agent", b""), {}, "crawler"),
        (((b"Sec-GPC", b"1"),), None, {}, "gpc"),
        (((b"DNT", b"1"),), None, {"consent": {"respect": ["dnt"]}}, "dnt"),
        ((), None, {"consent": {"cookie": {"name": "ok", "pattern": "yes"}}}, "consent-cookie"),
        (((b"Sec-GPC", b"1"), (b"Sec-Purpose", b"prefetch")), None, {}, "gpc"),
    ],
)
def test_crawlers_and_those_who_do_not_consent_get_the_clean_url_and_nothing_else(
    request_headers: Headers, agent: tuple[bytes, bytes] | None, tables: dict[str, Any], reason: str
) -> None:
    agent = agent or BROWSER
    target = "/p?x=1&kmi=bob&kme=E&km_a=1"
    arrival = arrive(ask(target, *FROM_BLOG, *request_headers, cookie=km(A), agent=agent), **tables)
    redirect = answer(arrival)
    assert redirect.headers == (
        (b"Location", b"/p?x=1"),
        (b"Cache-Control", b"no-store"),
        (b"Content-Length", b"0"),
    )
    assert (arrival.cookies, arrival.minted, arrival.calls, arrival.seen) == ((), (), (), ())
    assert rules(arrival) == [("rejected", "", reason)]
    page = arrive(ask("/p", *request_headers, cookie=km(A), agent=agent), **tables)
    assert (page.minted, page.seen, page.seen.query) == ((), (), b"")
    assert first(page.headers, b"x-km-identity") == b""


def test_a_visitor_who_agreed_is_followed() -> None:
    consent = {"cookie": {"name": "ok", "pattern": "yes"}}
    arrival = arrive(ask("/?kmi=bob", cookie="ok=yes"), consent=consent)
    assert jar(arrival.cookies) == {"km_ni": "bob"}


@pytest.mark.parametrize(
    ("method", "document"),
    [
        *product(("POST", "PUT", "DELETE", "OPTIONS"), (DOCUMENT,)),
        ("GET", ((b"Sec-Fetch-Dest", b"image"),)),
        ("GET", ((b"Sec-Fetch-Dest", b"iframe"), (b"Accept", b"text/html"))),
        ("GET", ((b"Sec-Fetch-Dest", b"empty"), (b"Accept", b"text/html"))),
        ("GET", ((b"Accept", b"*/*"),)),
    ],
)
def test_what_is_no_navigation_goes_on_untouched(method: str, document: Headers) -> None:
    request = ask("/p?kmi=bob&kme=E", *FROM_BLOG, method=method, document=document)
    arrival = arrive(request)
    assert (arrival.answer, arrival.target, arrival.headers) == (None, request.target, request.headers)
    assert (arrival.cookies, arrival.minted, arrival.calls, arrival.notes) == ((), (), (), ())


@pytest.mark.parametrize("url", ["redirect", "inline", "leave"])
def test_a_prefetch_identifies_nobody_and_is_not_answered_ahead_with_a_redirect(url: str) -> None:
    request = ask("/p?kmi=bob&x=1", *FROM_BLOG, (b"Sec-Purpose", b"prefetch"), cookie=km(A))
    arrival = arrive(request, arrival={"url": url})
    assert (arrival.cookies, arrival.minted, arrival.calls) == ((), (), ())
    assert rules(arrival) == [("rejected", "", "prefetch")]
    if url == "redirect":
        assert answer(arrival).status == 503
        assert first(answer(arrival).headers, b"cache-control") == b"no-store"
    else:
        assert arrival.answer is None
        assert arrival.target == (b"/p?x=1" if url == "inline" else b"/p?kmi=bob&x=1")


def test_a_prefetch_of_a_plain_page_goes_on_and_mints_nobody() -> None:
    arrival = arrive(ask("/p", (b"Purpose", b"prefetch")))
    assert (arrival.answer, arrival.minted, arrival.seen[0].visitor.identity) == (None, (), None)


@pytest.mark.parametrize(
    ("cookie", "k", "rule", "cookies"),
    [
        ("", "bob", "new-visitor-named", {"km_ni": "bob"}),
        (km(A), "bob", "head-joins-nobody", {}),
        (km(A), K, "head-joins-nobody", {}),
        (km(A, "ann"), K, "named-kept", {}),
    ],
)
def test_a_head_joins_and_records_nobody(cookie: str, k: str, rule: str, cookies: dict[str, str]) -> None:
    request = ask(f"/p?kmi={quote(k)}&kme=E", *FROM_BLOG, cookie=cookie, method="HEAD")
    arrival = arrive(request)
    assert location(arrival) == "/p"
    assert answer(arrival).body == b""
    assert arrival.calls == ()
    assert jar(arrival.cookies) == cookies
    assert rules(arrival) == [
        ("arrival", "kissmetrics", rule),
        ("rejected", "kissmetrics", "head-records-nobody"),
    ]


# Minting


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_first_visit_gives_an_anonymous_id(method: str) -> None:
    arrival = arrive(ask("/p", method=method))
    assert arrival.cookies == ()
    assert jar(arrival.minted) == {"km_ai": MINTED}
    assert first(arrival.headers, b"x-km-identity") == MINTED.encode()
    assert first(arrival.headers, b"x-km-anonymous-id") == MINTED.encode()
    assert rules(arrival) == [("minted", "kissmetrics", "first-visit")]


def test_a_known_visitor_is_not_minted_again() -> None:
    assert arrive(ask("/p", cookie=km(A))).minted == ()
    assert arrive(ask("/p", cookie="km_ni=bob")).minted == ()


def test_without_mint_a_new_visitor_stays_nobody() -> None:
    arrival = arrive(ask("/p"), **NOT_MINTING)
    assert (arrival.minted, arrival.seen.is_known, arrival.seen.query) == ((), False, b"")
    assert first(arrival.headers, b"x-km-identity") == b""


def test_a_cookie_that_can_not_hold_more_is_left_alone() -> None:
    cookie = f"{MP}=" + quote(json.dumps({"filling": "x" * 4000}))
    page = arrive(ask("/p", cookie=cookie), **ONLY_MIXPANEL)
    assert page.minted == ()
    assert rules(page) == [("rejected", "mixpanel", "cookie-too-large")]
    arrival = arrive(ask("/p?distinct_id=bob", cookie=cookie), **ONLY_MIXPANEL)
    assert location(arrival) == "/p"
    assert (arrival.cookies, arrival.calls) == ((), ())
    assert rules(arrival) == [("rejected", "mixpanel", "cookie-too-large")]


# Two vendors, two sites, many hosts


def test_both_vendors_identify_at_once() -> None:
    device = quote(f"$device:{DEVICE}", safe="")
    arrival = arrive(ask(f"/?a=1&kmi={K_ENCODED}&distinct_id={device}&b=2", *FROM_BLOG), **BOTH)
    assert location(arrival) == "/?a=1&b=2"
    cookies = jar(arrival.cookies)
    assert cookies.pop("km_ai") == K
    assert json.loads(cookies.pop(MP)) == {"distinct_id": f"$device:{DEVICE}", "$device_id": DEVICE}
    assert cookies == {}
    assert rules(arrival) == [
        ("arrival", "kissmetrics", "anonymous-adopted"),
        ("arrival", "mixpanel", "anonymous-adopted"),
    ]
    assert arrival.seen.query == f"kmi={K_ENCODED}&distinct_id={device}".encode()
    assert arrival.seen.query_in_html == f"kmi={K_ENCODED}&amp;distinct_id={device}".encode()


def test_one_vendors_bad_id_does_not_keep_the_other_from_identifying() -> None:
    arrival = arrive(ask("/?kmi=null&distinct_id=bob"), **BOTH)
    assert list(jar(arrival.cookies)) == [MP]
    assert rules(arrival) == [
        ("rejected", "kissmetrics", "identity-forbidden"),
        ("arrival", "mixpanel", "new-visitor-named"),
    ]


def test_a_parameter_of_a_vendor_the_site_does_not_use_is_the_pages_own() -> None:
    assert arrive(ask("/?distinct_id=bob")).target == b"/?distinct_id=bob"
    assert arrive(ask("/?kmi=bob"), **ONLY_MIXPANEL).target == b"/?kmi=bob"


def test_two_sites_never_exchange_identities() -> None:
    both = engine()
    arrival = both.arrive(ask("/", cookie=km(A, "bob")))
    assert arrival is not None
    away = Response(302, b"Found", ((b"Location", f"https://{OTHER_SITE}/".encode()),))
    assert both.depart(arrival, away).headers == away.headers
    here = Response(302, b"Found", ((b"Location", f"https://{BLOG}/".encode()),))
    assert first(both.depart(arrival, here).headers, b"location") == f"https://{BLOG}/?kmi=bob".encode()
    page = both.depart(arrival, Response(200, b"OK", HTML))
    assert page.rewriter is not None
    body = f'<a href="https://{OTHER_SITE}/"><a href="https://{BLOG}/">'.encode()
    decorated = page.rewriter.write(body) + page.rewriter.finish()
    assert decorated == f'<a href="https://{OTHER_SITE}/"><a href="https://{BLOG}/?kmi=bob">'.encode()
    # And a click from the other site is no evidence here.
    request = ask(f"/?kmi={K_ENCODED}", (b"Referer", f"https://{OTHER_SITE}/".encode()), cookie=km(A))
    assert arrive(request).calls == ()


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        (SHOP, "acme.example"),
        ("SHOP.Acme.Example", "acme.example"),
        (f"{SHOP}:8443", "acme.example"),
        (f"{SHOP}.", "acme.example"),
        (f"{SHOP}.:443", "acme.example"),
        (f"{SHOP}:", "acme.example"),
        (PARTNER, "partner.example"),
        ("a.b.partner.example", "partner.example"),
    ],
)
def test_a_host_is_known_however_it_is_written(host: str, scope: str) -> None:
    [cookie] = arrive(ask("/?kmi=bob", host=host)).cookies
    assert f"; Domain={scope};".encode() in cookie


@pytest.mark.parametrize(
    "host",
    [
        "",
        "partner.example",
        "acme.example",
        f"x.{SHOP}",
        f"{SHOP}@evil.example",
        f"{SHOP}:80@evil.example",
        "[::1]",
    ],
)
def test_an_unknown_host_is_nobodys(host: str) -> None:
    assert engine().arrive(ask("/?kmi=bob", host=host)) is None


# The upstream's view


@pytest.mark.parametrize(
    "name", [b"X-KM-Identity", b"x-km-identity", b"X_KM_Identity", b"X-KM_IDENTITY", b"X_KM_Anonymous-ID"]
)
@pytest.mark.parametrize("cookie", ["", km(A), km(A, "bob")])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_but_kmproxy_tells_the_upstream_who_the_visitor_is(
    name: bytes, cookie: str, method: str
) -> None:
    arrival = arrive(ask("/p", (name, b"victim"), cookie=cookie, method=method), **NOT_MINTING)
    assert b"victim" not in [value for _, value in arrival.headers]
    identity = b"bob" if "bob" in cookie else A.encode() if cookie else b""
    assert first(arrival.headers, b"x-km-identity") == identity
    assert first(arrival.headers, b"x-km-anonymous-id") == (A.encode() if cookie else b"")


def test_the_upstream_is_asked_for_the_whole_page_in_a_coding_that_can_be_read() -> None:
    asked = (
        (b"Accept-Encoding", b"gzip, dcb;q=0.9, br;q=0.8, *;q=0.1"),
        *((name, b"x") for name in (b"If-None-Match", b"If-Modified-Since", b"If-Range", b"Range")),
    )
    arrival = arrive(ask("/p", *asked, cookie=km(A)))
    assert values(arrival.headers, b"accept-encoding") == [b"gzip, br;q=0.8"]
    names = {name.lower() for name, _ in arrival.headers}
    assert not names & {b"if-none-match", b"if-modified-since", b"if-range", b"range"}


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ([b"gzip, deflate, br, zstd"], [b"gzip, deflate, br, zstd"]),
        ([b"GZIP"], [b"GZIP"]),
        ([b"gzip", b"br"], [b"gzip", b"br"]),
        ([b"dcb"], [b"identity"]),
        ([b"*"], [b"identity"]),
        ([], []),
    ],
)
def test_codings_that_can_be_read_are_asked_for_as_the_browser_did(
    offered: list[bytes], sent: list[bytes]
) -> None:
    arrival = arrive(ask("/p", *((b"Accept-Encoding", value) for value in offered)))
    assert values(arrival.headers, b"accept-encoding") == sent


def test_a_page_for_a_nobody_and_an_asset_may_be_revalidated() -> None:
    asked = ((b"If-None-Match", b'"x"'), (b"Accept-Encoding", b"br"))
    assert first(arrive(ask("/p", *asked), **NOT_MINTING).headers, b"if-none-match") == b'"x"'
    asset = ask("/p", *asked, cookie=km(A), document=((b"Sec-Fetch-Dest", b"image"),))
    assert first(arrive(asset).headers, b"if-none-match") == b'"x"'


# Where tracking calls can't be stored


@pytest.mark.parametrize("url", ["redirect", "inline", "leave"])
@pytest.mark.parametrize("cookie", ["", km(A), km(A, "bob")])
def test_without_recording_nobody_is_identified_and_the_url_stays(url: str, cookie: str) -> None:
    request = ask("/p?kmi=ann&kme=E&km_a=1", *FROM_BLOG, cookie=cookie)
    arrival = engine(arrival={"url": url}).arrive(request, recording=False)
    assert arrival is not None
    assert (arrival.answer, arrival.target) == (None, request.target)
    assert (arrival.cookies, arrival.calls) == ((), ())
    assert b"ann" not in arrival.seen.query


def test_the_same_arrival_is_always_decided_alike() -> None:
    request = ask(f"/?kmi={K_ENCODED}&kme=E", *FROM_BLOG, cookie=km(A))
    once, twice = arrive(request), arrive(request)
    assert once.calls == twice.calls
    assert once.answer == twice.answer


def test_an_arrival_whose_redirect_is_followed_comes_to_rest() -> None:
    request = ask(f"/p?kmi={K_ENCODED}&kme=E&x=1", *FROM_BLOG, cookie=km(A))
    arrival = arrive(request)
    cookie = "; ".join(f"{name}={quote(value)}" for name, value in jar(arrival.cookies).items())
    then = arrive(ask(location(arrival), *FROM_BLOG, cookie=cookie))
    assert (then.answer, then.cookies, then.minted, then.calls) == (None, (), (), ())
    assert then.seen.query == f"kmi={K_ENCODED}".encode()
