"""KISSmetrics: its cookies, its URL API and its tracking calls, row by row."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import SetCookie
from kmproxy.identity.kissmetrics import KissmetricsProvider, kind, repaired
from kmproxy.identity.provider import Inbound
from kmproxy.identity.visitor import NOBODY, Decision, Evidence, Kind, Visitor
from kmproxy.links.query import parameters
from kmproxy.messages import Request, Response, first
from kmproxy.site import Sites

KEY = "0123456789abcdef0123456789abcdef01234567"
VENDOR = KissmetricsProvider(KEY, "https://trk.kissmetrics.io")
NOW = 1_393_344_604.7

PLUS = "y75Fe33597qBqkR4obZZYV+wF3Y="
SLASH = "rAy2wPD+HQeNkxP4eQNAIzMi/7s="
BOTH = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
LEGACY = "qFq2LweZugFNE4o49hLhmRPBW34"

COOKIES = [
    (b"km_ai=y75Fe33597qBqkR4obZZYV%2BwF3Y%3D", PLUS, b"kmi=y75Fe33597qBqkR4obZZYV%2BwF3Y%3D"),
    (b"km_ai=rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D", SLASH, b"kmi=rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D"),
    (b"km_ai=rAy2wPD+HQeNkxP4eQNAIzMi/7s=", SLASH, b"kmi=rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D"),
    (
        b"km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D; km_ni=bob%40bob.com",
        "bob@bob.com",
        b"kmi=bob%40bob.com",
    ),
    (b"km_ni=; km_ai=qFq2LweZugFNE4o49hLhmRPBW34", LEGACY, b"kmi=qFq2LweZugFNE4o49hLhmRPBW34"),
    (b"km_ni=null; km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D", BOTH, b"kmi=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D"),
    (b"km_ni=User%2012345", "User 12345", b"kmi=User%2012345"),
    (b"km_ni=a%2Bb%40ex.com", "a+b@ex.com", b"kmi=a%2Bb%40ex.com"),
    (b"km_ni=%E6%97%A5%E6%9C%AC%E8%AA%9E", "日本語", b"kmi=%E6%97%A5%E6%9C%AC%E8%AA%9E"),
    (b"km_ni=a%26b%3Dc%23d", "a&b=c#d", b"kmi=a%26b%3Dc%23d"),
    (b"km_ni=100%25", "100%", b"kmi=100%25"),
    # Strict rather than encodeURIComponent's: a quote must not end an attribute. Both decode alike.
    (b"km_ni=o'brien~(x)!*%40ex.com", "o'brien~(x)!*@ex.com", b"kmi=o%27brien~%28x%29%21%2A%40ex.com"),
    (b"km_ai=first; km_ai=second", "first", b"kmi=first"),
    (b"km_lv=1; km_vs=1; km_uq=; km_abi=x", None, b""),
    (b"", None, b""),
    # Not in the vendor's words: a name that can't be used hides the anonymous ID beside it,
    # which belongs to that person already.
    (b"km_ai=first; km_ni=undefined", None, b""),
    (b"km_ai=first; km_ni=a%0d%0ab", None, b""),
    (b"km_ai=first; km_ni=jos\xe9", None, b""),
    (b"km_ai=first; km_ni=" + b"n" * 256, None, b""),
    (b"km_ai=first; km_ni=%22%22", "first", b"kmi=first"),
    (b"km_ai=first; km_ni=%20", "first", b"kmi=first"),
    (b"km_ai=null", None, b""),
]


@pytest.mark.parametrize(("header", "identity"), [row[:2] for row in COOKIES])
def test_the_cookies_are_decoded_once(header: bytes, identity: str | None) -> None:
    assert VENDOR.read(cookie.read([header])).identity == identity


@pytest.mark.parametrize(("header", "parameter"), [(row[0], row[2]) for row in COOKIES])
def test_the_identity_is_encoded_once_for_the_link(header: bytes, parameter: bytes) -> None:
    site = {
        "name": "acme",
        "kissmetrics": {"api_key": KEY},
        "domain": [{"host": "a.example"}, {"host": "b.example"}],
        "identity": {"mint": False},
    }
    engine = Engine(Sites(load({"site": [site]})), lambda: NOW, bytes)
    headers = ((b"Cookie", header), (b"User-Agent", b"Mozilla/5.0"), (b"Sec-Fetch-Dest", b"document"))
    arrival = engine.arrive(Request("GET", "https", "a.example", b"/", headers))
    assert arrival is not None
    response = Response(302, b"Found", ((b"Location", b"https://b.example/?x=1#top"),))
    location = first(engine.depart(arrival, response).headers, b"location")
    expected = b"https://b.example/?x=1&" + parameter + b"#top" if parameter else response.headers[0][1]
    assert location == expected


def said(query: str) -> Inbound:
    pairs = [
        (found.name, found.value)
        for found in parameters(b"/" + query.encode("latin-1"))
        if VENDOR.owns(found.name, events=True)
    ]
    return VENDOR.inbound(pairs)


@pytest.mark.parametrize(
    ("query", "identity", "rejected"),
    [
        ("?kmi=y75Fe33597qBqkR4obZZYV%2BwF3Y%3D", PLUS, ()),
        # The library makes a space of + and drops the second =: the ID comes back whole here.
        ("?kmi=y75Fe33597qBqkR4obZZYV+wF3Y=", PLUS, ()),
        ("?kmi=y75Fe33597qBqkR4obZZYV%2BwF3Y=", PLUS, ()),
        ("?kmi=y75Fe33597qBqkR4obZZYV%2BwF3Y", PLUS, ()),
        # Without padding, + or / it may be the older kind, which has none: it stays.
        ("?kmi=p2fvF3kGwdjQPxTO6yYKy8qocPA", BOTH[:-1], ()),
        ("?kmi=qFq2LweZugFNE4o49hLhmRPBW34", LEGACY, ()),
        # A name of that length with spaces is a name.
        ("?kmi=Maria+Fernanda+Lopez+Santos", "Maria Fernanda Lopez Santos", ()),
        ("?kmi=y75F%252B", "y75F%2B", ()),
        ("?kmi=bob@bob.com", "bob@bob.com", ()),
        ("?kmi=User+12345", "User 12345", ()),
        ("?kmi=User%2B12345", "User+12345", ()),
        ("?kmi=s739830572754", "s739830572754", ()),
        ("?kmi=a=b", "a=b", ()),
        ("?kmi=a&kmi=b", "b", ()),
        ("?kmi=a&km_i=b", "b", ()),
        ("?km_i=b&kmi=a", "a", ()),
        ("?%6Bmi=a", "a", ()),
        ("?&kmi=a", "a", ()),
        ("?kmi=%E6%97%A5%E6%9C%AC", "日本", ()),
        ("?kmi=" + "a" * 255, "a" * 255, ()),
        ("?kmi", None, ()),
        ("?KMI=a", None, ()),
        ("#kmi=a", None, ()),
        ("/#/r?kmi=a", None, ()),
        ("?x=1#kmi=a", None, ()),
        ("?x=1;kmi=a", None, ()),
        ("?kmi=", None, ("identity-empty",)),
        ("?kmi=a&kmi=", None, ("identity-empty",)),
        ("?kmi=+", None, ("identity-empty",)),
        # The library logs the visitor out; a link must not be able to.
        ("?kmi=null", None, ("identity-forbidden",)),
        ("?kmi=NULL", None, ("identity-forbidden",)),
        ("?kmi=nil", None, ("identity-forbidden",)),
        ("?kmi=%27%27", None, ("identity-forbidden",)),
        ("?kmi=%22%22", None, ("identity-forbidden",)),
        ("?kmi=%22null%22", None, ("identity-forbidden",)),
        ("?kmi=%27nil%27", None, ("identity-forbidden",)),
        ("?kmi=undefined", None, ("identity-forbidden",)),
        # The library throws, and nothing of the page is tracked; here the one value is dropped.
        ("?kmi=100%", None, ("identity-undecodable",)),
        ("?kmi=%zz", None, ("identity-undecodable",)),
        ("?kmi=%E9", None, ("identity-undecodable",)),
        ("?kmi=a&q=%E9", "a", ()),
        ("?kmi=" + "a" * 256, None, ("identity-too-long",)),
        ("?kmi=a%0d%0ab", None, ("identity-control-character",)),
        ("?kmi=a%00", None, ("identity-control-character",)),
        ("?kmi=a%C2%85", None, ("identity-control-character",)),
    ],
)
def test_the_url_says_who_it_is(query: str, identity: str | None, rejected: tuple[str, ...]) -> None:
    assert said(query) == Inbound(identity, rejected=rejected)


@pytest.mark.parametrize(
    ("query", "identity", "event", "properties", "rejected"),
    [
        (
            "?kme=Clicked+Link&kmi=john.smith&km_Link+Location=top",
            "john.smith",
            "Clicked Link",
            {"Link Location": "top"},
            (),
        ),
        ("?km_variation=red+button", None, None, {"variation": "red button"}, ()),
        ("?kme=Facebook+Ad", None, "Facebook Ad", {}, ()),
        ("?km_e=E", None, "E", {}, ()),
        ("?kme=A&kme=B", None, "B", {}, ()),
        ("?km_a=1&km_a=2", None, None, {"a": "2"}, ()),
        ("?km_a=", None, None, {"a": ""}, ()),
        ("?km_km_prev_source=fb", None, None, {"km_prev_source": "fb"}, ()),
        # The library eats every parameter that begins with km; the vendor's page says km_.
        ("?kmart=5&kme=E", None, "E", {}, ()),
        ("?km=5&kme=E", None, "E", {}, ()),
        # The library lets a link record for somebody else.
        ("?kme=E&km__p=victim", None, "E", {}, ("property-reserved",)),
        ("?kme=E&km__k=key&km__t=1&km__d=1", None, "E", {}, ("property-reserved",) * 3),
        ("?km_=x", None, None, {}, ("property-name-length",)),
        ("?km_" + "n" * 256 + "=x", None, None, {}, ("property-name-length",)),
        ("?km_" + "n" * 255 + "=x", None, None, {"n" * 255: "x"}, ()),
        ("?km_a=%E9&km_b=1", None, None, {"b": "1"}, ("property-undecodable",)),
        ("?kme=%zz", None, None, {}, ("event-undecodable",)),
        ("?kme=", None, None, {}, ("event-empty",)),
        ("?kme=" + "e" * 255, None, "e" * 255, {}, ()),
        ("?kme=" + "e" * 256, None, None, {}, ("event-too-long",)),
        ("?kmi=null&kme=E", None, "E", {}, ("identity-forbidden",)),
    ],
)
def test_the_url_says_what_happened(
    query: str,
    identity: str | None,
    event: str | None,
    properties: dict[str, str],
    rejected: tuple[str, ...],
) -> None:
    found = said(query)
    assert found == Inbound(identity, event, properties, rejected)
    assert found.records == bool(event or properties)


@pytest.mark.parametrize(
    ("parameter", "always", "with_events"),
    [
        ("kmi", True, True),
        ("km_i", True, True),
        ("kme", False, True),
        ("km_e", False, True),
        ("km_source", False, True),
        ("km_", False, True),
        ("km", False, False),
        ("kmart", False, False),
        ("KMI", False, False),
        ("xkmi", False, False),
        ("distinct_id", False, False),
    ],
)
def test_a_parameter_is_the_vendors_or_not(parameter: str, always: bool, with_events: bool) -> None:
    assert VENDOR.owns(parameter, events=False) is always
    assert VENDOR.owns(parameter, events=True) is with_events


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("p2fvF3kGwdjQPxTO6yYKy8qocPA=", Kind.ANONYMOUS),
        ("y75Fe33597qBqkR4obZZYV+wF3Y=", Kind.ANONYMOUS),
        ("6j1KH1zrwBS6T2iIsixvpfnCnxY=", Kind.ANONYMOUS),
        ("rAy2wPD+HQeNkxP4eQNAIzMi/7s=", Kind.ANONYMOUS),
        ("8Kb8K7HSBfImcisqIGI4F1+t3tE=", Kind.ANONYMOUS),
        ("1rNfguj/Kk3VsDyuLBXqiOnzYK4=", Kind.ANONYMOUS),
        ("Z9iGGN1n1-zeVqbgzrlKkl39hiY", Kind.ANONYMOUS),
        ("xy5cdaPdlMSI4u2xv8rndfudaAE", Kind.ANONYMOUS),
        ("qFq2LweZugFNE4o49hLhmRPBW34", Kind.ANONYMOUS),
        ("bob@bob.com", Kind.NAMED),
        ("s739830572754", Kind.NAMED),
        ("p2fvF3kGwdjQPxTO6yYKy8qocPB=", Kind.NAMED),  # no 20 bytes end so
        ("y75Fe33597qBqkR4obZZYV wF3Y=", Kind.NAMED),
        ("p2fvF3kGwdjQPxTO6yYKy8qocPA=\n", Kind.NAMED),
        ("5f2b1f1e-93cc-4a0f-8f4d-2f8f3bd0d1c5", Kind.NAMED),
        ("$device:5f2b1f1e-93cc-4a0f-8f4d-2f8f3bd0d1c5", Kind.NAMED),
        ("", Kind.NAMED),
    ],
)
def test_an_anonymous_id_is_told_by_its_shape(identity: str, expected: Kind) -> None:
    assert kind(identity) is expected


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        (None, None),
        ("rAy2wPD HQeNkxP4eQNAIzMi/7s=", SLASH),
        ("rAy2wPD+HQeNkxP4eQNAIzMi/7s", SLASH),
        ("rAy2wPD HQeNkxP4eQNAIzMi/7s", "rAy2wPD HQeNkxP4eQNAIzMi/7s"),
        (SLASH, SLASH),
        (LEGACY, LEGACY),
        ("bob smith", "bob smith"),
    ],
)
def test_a_damaged_anonymous_id_is_made_whole_where_only_one_can_be_meant(
    damaged: str | None, whole: str | None
) -> None:
    assert repaired(damaged) == whole


@pytest.mark.parametrize("filling", [0x00, 0x7F, 0xFB, 0xFF])
def test_a_minted_id_looks_like_the_vendors_own(filling: int) -> None:
    made = VENDOR.mint(lambda length: bytes([filling]) * length)
    assert made.named is None
    assert made.anonymous is not None
    assert len(made.anonymous) == 28
    assert kind(made.anonymous) is Kind.ANONYMOUS


def test_a_minted_id_is_twenty_random_bytes() -> None:
    assert VENDOR.mint(lambda length: bytes(range(length))) == Visitor("AAECAwQFBgcICQoLDA0ODxAREhM=")


# Tracking calls, byte for byte.


def urls(decision: Decision) -> list[str]:
    return [call.url for call in VENDOR.alias(decision, NOW)]


def test_an_alias_is_the_call_of_the_vendors_javascript() -> None:
    decision = VENDOR.decide("guarded", Visitor(PLUS), "bob@bob.com", Evidence.NO)
    [call] = VENDOR.alias(decision, NOW)
    assert call.url == (
        "https://trk.kissmetrics.io/a?_n=bob%40bob.com&_p=y75Fe33597qBqkR4obZZYV%2BwF3Y%3D"
        f"&_k={KEY}&_t=1393344604&_d=1"
    )
    assert (call.provider, call.person, call.method) == ("kissmetrics", "bob@bob.com", "GET")
    assert (call.headers, call.body) == ((), b"")


def test_without_an_alias_nothing_is_called() -> None:
    assert urls(VENDOR.decide("guarded", NOBODY, "bob", Evidence.YES)) == []


@pytest.mark.parametrize(
    ("inbound", "path_and_query"),
    [
        (
            Inbound(event="Clicked Link", properties={"Link Location": "top"}),
            "/e?Link%20Location=top&_p=bob%40bob.com&_n=Clicked%20Link&_k=KEY&_t=1393344604&_d=1",
        ),
        (
            Inbound(properties={"variation": "red+button"}),
            "/s?variation=red%2Bbutton&_p=bob%40bob.com&_k=KEY&_t=1393344604&_d=1",
        ),
        (
            Inbound(event="日本 & 100%\r\n"),
            "/e?_p=bob%40bob.com&_n=%E6%97%A5%E6%9C%AC%20%26%20100%25%0D%0A&_k=KEY&_t=1393344604&_d=1",
        ),
    ],
)
def test_events_and_properties_are_recorded_for_the_visitor(inbound: Inbound, path_and_query: str) -> None:
    [call] = VENDOR.record(Visitor("A", "bob@bob.com"), inbound, {}, NOW, bytes)
    assert call.url == "https://trk.kissmetrics.io" + path_and_query.replace("KEY", KEY)
    assert call.person == "bob@bob.com"


def test_nothing_is_recorded_for_nobody_nor_without_anything_to_record() -> None:
    assert VENDOR.record(NOBODY, Inbound(event="E"), {}, NOW, bytes) == []
    assert VENDOR.record(Visitor("A"), Inbound("A"), {}, NOW, bytes) == []


def test_no_property_can_take_the_place_of_the_person_the_key_or_the_time() -> None:
    hostile = Inbound(event="E", properties={"_p": "victim", "_k": "key", "_t": "1", "_n": "N", "_d": "0"})
    [call] = VENDOR.record(Visitor("A"), hostile, {}, NOW, bytes)
    pairs = parse_qsl(urlsplit(call.url).query)
    assert sorted(pairs) == [("_d", "1"), ("_k", KEY), ("_n", "E"), ("_p", "A"), ("_t", "1393344604")]


def test_an_endpoint_of_ones_own_may_end_in_a_slash() -> None:
    vendor = KissmetricsProvider(KEY, "https://km.acme.example/trk/")
    [call] = vendor.record(Visitor("A"), Inbound(event="E"), {}, NOW, bytes)
    assert call.url.startswith("https://km.acme.example/trk/e?_p=A&_n=E&")


# Cookies


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        (NOBODY, Visitor(named="bob@bob.com"), [("km_ni", "bob@bob.com")]),
        (Visitor("A"), Visitor("A", "K"), [("km_ni", "K")]),
        (Visitor("A"), Visitor("A", "A"), [("km_ni", "A")]),
        (Visitor("A", "N"), Visitor("K", "K"), [("km_ai", "K"), ("km_ni", "K")]),
        (NOBODY, Visitor("K"), [("km_ai", "K")]),
        (Visitor("A"), Visitor("A"), []),
        # Logged out.
        (Visitor("A", "N"), Visitor("K"), [("km_ai", "K"), ("km_ni", "")]),
        (Visitor("A", "N"), NOBODY, [("km_ai", ""), ("km_ni", "")]),
    ],
)
def test_only_cookies_that_change_are_written(
    before: Visitor, after: Visitor, written: list[tuple[str, str]]
) -> None:
    made = VENDOR.set_cookies("www.mysite.com", {}, before, after, bytes)
    ages = [157_680_000 if value else 0 for _, value in written]
    assert made == [
        SetCookie(name, value, age, "mysite.com") for (name, value), age in zip(written, ages, strict=True)
    ]


def test_a_cookie_is_the_one_the_vendors_javascript_would_write() -> None:
    [made] = VENDOR.set_cookies("www.mysite.com", {}, NOBODY, Visitor(named="bob@bob.com"), bytes)
    header = made.header(secure=False).decode()
    assert header == "km_ni=bob%40bob.com; Domain=mysite.com; Path=/; Max-Age=157680000; SameSite=Lax"
    assert made.max_age == 1825 * 86_400
    assert made.header(secure=True).decode() == header + "; Secure"
    assert "httponly" not in header.lower()


@pytest.mark.parametrize(
    ("cookie_domain", "host", "scope"),
    [
        ("", "www.mysite.com", "mysite.com"),
        ("", "mysite.com", "mysite.com"),
        ("", "www.blog.mysite.com", "mysite.com"),
        ("", "awww.cute.com", "cute.com"),
        ("", "www.shop.co.uk", "shop.co.uk"),
        ("", "localhost", ""),
        ("", "10.0.0.5", ""),
        ("", "github.io", ""),
        ("www.mysite.com", "www.mysite.com", "www.mysite.com"),
        ("www.mysite.com", "blog.mysite.com", "mysite.com"),
        ("mysite.com", "notmysite.com", "notmysite.com"),
    ],
)
def test_the_cookie_scope_is_the_pages_or_the_registrable_domain(
    cookie_domain: str, host: str, scope: str
) -> None:
    assert KissmetricsProvider(KEY, "https://x.example", cookie_domain).scope(host) == scope
