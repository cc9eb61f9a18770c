"""Mixpanel: its one cookie of JSON, the SDK's idea of a domain, and the calls that join people."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any, Literal
from urllib.parse import quote, unquote

import pytest

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie
from kmproxy.identity.mixpanel import MAX_COOKIE, MixpanelProvider, sdk_domain
from kmproxy.identity.provider import Inbound
from kmproxy.identity.visitor import NOBODY, Decision, Evidence, Kind, Policy, Visitor
from kmproxy.tracking import TrackingCall

TOKEN = "0f8e7d6c5b4a39281706f5e4d3c2b1a0"
NAME = f"mp_{TOKEN}_mixpanel"
SIMPLIFIED = MixpanelProvider(TOKEN, "https://api.mixpanel.com", "simplified")
ORIGINAL = MixpanelProvider(TOKEN, "https://api-eu.mixpanel.com/", "original")
NOW = 1_700_000_000.9

X = "5f2b1f1e-93cc-4a0f-8f4d-2f8f3bd0d1c5"
Y = "0a1b2c3d-4e5f-4a6b-8c7d-8e9fa0b1c2d3"
OLD = "17b1c6e2f3a4b-0d7b3a5c6e8f1a-1a2b3c4d-1fa400-17b1c6e2f3b5c6"
"""As SDKs before 2.46 made them."""

DEVICE_X = f"$device:{X}"
DEVICE_Y = f"$device:{Y}"
MINTED = "00010203-0405-4607-8809-0a0b0c0d0e0f"


def counting(length: int) -> bytes:
    return bytes(range(length))


def raw(value: bytes) -> Cookies:
    return cookie.read([NAME.encode() + b"=" + value])


def stored(**said: object) -> Cookies:
    """The cookie as the SDK writes it: ``encodeURIComponent(JSON.stringify(…))``."""
    return raw(quote(json.dumps(said, separators=(",", ":")), safe="!'()*").encode())


def written(cookies: Cookies, before: Visitor, after: Visitor) -> dict[str, Any]:
    [made] = SIMPLIFIED.set_cookies("shop.acme.com", cookies, before, after, counting)
    found: dict[str, Any] = json.loads(made.value)
    return found


# Reading


@pytest.mark.parametrize(
    ("cookies", "visitor"),
    [
        (stored(distinct_id=DEVICE_X, **{"$device_id": X}), Visitor(DEVICE_X)),
        (stored(distinct_id="bob", **{"$device_id": X, "$user_id": "bob"}), Visitor(DEVICE_X, "bob")),
        (stored(distinct_id="bob", **{"$user_id": "bob"}), Visitor(None, "bob")),
        (stored(distinct_id="bob", **{"$device_id": X}), Visitor(DEVICE_X, "bob")),
        (stored(distinct_id=12345, **{"$device_id": X, "$user_id": 12345}), Visitor(DEVICE_X, "12345")),
        (stored(distinct_id=DEVICE_X), Visitor(DEVICE_X)),
        (stored(**{"$device_id": X}), Visitor(DEVICE_X)),
        # The SDK gives the distinct_id; a device that disagrees makes it no user.
        (stored(distinct_id=DEVICE_X, **{"$device_id": Y}), Visitor(DEVICE_X)),
        (raw(f'{{"distinct_id":"{DEVICE_X}","$device_id":"{X}"}}'.encode()), Visitor(DEVICE_X)),
        (raw(f'{{"distinct_id": "{DEVICE_X}", "a": "100%"}}'.encode()), Visitor(DEVICE_X)),
        (raw(rb'{"distinct_id":"\u65e5\u672c","$user_id":"\u65e5\u672c"}'), Visitor(None, "日本")),
        (raw(quote('{"distinct_id":"日本","$user_id":"日本"}').encode()), Visitor(None, "日本")),
        (raw(b"%7B%22distinct_id%22%3A%22%24device%3A" + X.encode() + b"%22%7D"), Visitor(DEVICE_X)),
        (stored(distinct_id=None, **{"$device_id": None, "$user_id": None}), NOBODY),
        (stored(distinct_id=True), NOBODY),
        (stored(distinct_id=["bob"]), NOBODY),
        (stored(distinct_id="", **{"$user_id": ""}), NOBODY),
        (stored(distinct_id="undefined", **{"$user_id": "null"}), NOBODY),
        (stored(distinct_id="$device:undefined"), NOBODY),
        (stored(distinct_id="$device:"), NOBODY),
        (stored(distinct_id="a" * 256, **{"$user_id": "a" * 256}), NOBODY),
        (stored(distinct_id="\ud800"), NOBODY),
        (stored(plan="pro"), NOBODY),
        (raw(b"{"), NOBODY),
        (raw(b"%7B%22distinct_id%22"), NOBODY),
        (raw(b"[1]"), NOBODY),
        (raw(b"null"), NOBODY),
        (raw(b'"bob"'), NOBODY),
        (raw(b""), NOBODY),
        (raw(b"%E9"), NOBODY),
        (raw(b'{"distinct_id":"bob","$user_id":"bob","n":NaN}'), NOBODY),
        (raw(b'{"a":' + b"[" * 100_000), NOBODY),
        (raw(b'{"a":' + b"9" * 10_000 + b"}"), NOBODY),
        (cookie.read([b"mp_other_mixpanel=%7B%22distinct_id%22%3A%22bob%22%7D"]), NOBODY),
        ({}, NOBODY),
    ],
)
def test_the_cookie_is_read_as_the_sdk_reads_it(cookies: Cookies, visitor: Visitor) -> None:
    assert SIMPLIFIED.read(cookies) == visitor
    assert ORIGINAL.read(cookies) == visitor


@pytest.mark.parametrize(
    ("cookies", "simplified", "original"),
    [
        # Simplified merge derives $device: and the device; an original merge knows the bare ID.
        (stored(distinct_id=X, **{"$device_id": X}), Visitor(DEVICE_X), Visitor(X)),
        (stored(distinct_id=OLD, **{"$device_id": OLD}), Visitor(f"$device:{OLD}"), Visitor(OLD)),
        # Alone, an ID without the prefix is a user's to the simplified merge.
        (stored(distinct_id=OLD), Visitor(None, OLD), Visitor(OLD)),
        (stored(distinct_id="bob"), Visitor(None, "bob"), Visitor(None, "bob")),
        (stored(distinct_id=Y, **{"$device_id": X}), Visitor(DEVICE_X, Y), Visitor(DEVICE_X, Y)),
    ],
)
def test_the_cookie_of_an_old_sdk_is_read_as_the_project_merges(
    cookies: Cookies, simplified: Visitor, original: Visitor
) -> None:
    assert SIMPLIFIED.read(cookies) == simplified
    assert ORIGINAL.read(cookies) == original


@pytest.mark.parametrize(
    ("identity", "simplified", "original"),
    [
        (DEVICE_X, Kind.ANONYMOUS, Kind.ANONYMOUS),
        (X, Kind.NAMED, Kind.ANONYMOUS),
        (OLD, Kind.NAMED, Kind.ANONYMOUS),
        ("1-2-3-4-5", Kind.NAMED, Kind.NAMED),
        ("bob@bob.com", Kind.NAMED, Kind.NAMED),
        ("12345", Kind.NAMED, Kind.NAMED),
        ("x" + DEVICE_X, Kind.NAMED, Kind.NAMED),
    ],
)
def test_a_device_is_told_by_its_prefix_or_where_that_may_be_missing_by_its_shape(
    identity: str, simplified: Kind, original: Kind
) -> None:
    assert (SIMPLIFIED.kind(identity), ORIGINAL.kind(identity)) == (simplified, original)


# Arriving


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DEVICE_X, Inbound(DEVICE_X)),
        ("bob@bob.com", Inbound("bob@bob.com")),
        ("a" * 255, Inbound("a" * 255)),
        *[
            (word, Inbound(rejected=("identity-forbidden",)))
            for word in (
                *("anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "<nil>"),
                *("0", "-1", "true", "false", "[]", "{}", "00000000-0000-0000-0000-000000000000"),
                *("$device:", "$device:undefined", "$device:00000000-0000-0000-0000-000000000000"),
                *("NULL", "Anonymous", " null "),
            )
        ],
        ("", Inbound(rejected=("identity-empty",))),
        (None, Inbound(rejected=("identity-undecodable",))),
        ("a" * 256, Inbound(rejected=("identity-too-long",))),
        ("a\r\nb", Inbound(rejected=("identity-control-character",))),
    ],
)
def test_the_vendors_forbidden_ids_are_nobodys(value: str | None, expected: Inbound) -> None:
    assert SIMPLIFIED.inbound([("distinct_id", value)]) == expected


def test_of_several_ids_in_an_url_the_last_one_counts() -> None:
    assert SIMPLIFIED.inbound([("distinct_id", "a"), ("distinct_id", "b")]) == Inbound("b")
    assert SIMPLIFIED.inbound([]) == Inbound()


@pytest.mark.parametrize(
    ("parameter", "owned"), [("distinct_id", True), ("kmi", False), ("$device_id", False)]
)
def test_only_distinct_id_is_the_vendors(parameter: str, owned: bool) -> None:
    assert SIMPLIFIED.owns(parameter, events=True) is owned


@pytest.mark.parametrize(
    ("policy", "visitor", "k", "evidence", "expected"),
    [
        ("guarded", NOBODY, DEVICE_X, Evidence.YES, Decision("anonymous-adopted", Visitor(DEVICE_X))),
        ("guarded", NOBODY, DEVICE_X, Evidence.NO, Decision("no-click-from-the-site", NOBODY)),
        ("guarded", NOBODY, "bob", Evidence.NO, Decision("new-visitor-named", Visitor(None, "bob"))),
        (
            "guarded",
            Visitor(DEVICE_Y),
            "bob",
            Evidence.NO,
            Decision("anonymous-identified", Visitor(DEVICE_Y, "bob"), (DEVICE_Y, "bob")),
        ),
        # The device stays itself, unlike km_ai.
        (
            "guarded",
            Visitor(DEVICE_Y, "ann"),
            "bob",
            Evidence.NO,
            Decision("named-switched", Visitor(DEVICE_Y, "bob")),
        ),
        (
            "exact",
            Visitor(DEVICE_Y, "ann"),
            "bob",
            Evidence.NO,
            Decision("named-switched", Visitor(DEVICE_Y, "bob")),
        ),
        ("exact", Visitor(None, "ann"), "bob", Evidence.NO, Decision("named-switched", Visitor(None, "bob"))),
        # identify refuses a device: a seeded cookie takes it, in exact without asking for evidence.
        ("exact", NOBODY, DEVICE_X, Evidence.NO, Decision("anonymous-adopted", Visitor(DEVICE_X))),
        (
            "exact",
            Visitor(DEVICE_Y),
            DEVICE_X,
            Evidence.NO,
            Decision("anonymous-joined", Visitor(DEVICE_X), (DEVICE_Y, DEVICE_X)),
        ),
        (
            "exact",
            Visitor(DEVICE_Y, "ann"),
            DEVICE_X,
            Evidence.YES,
            Decision("named-kept", Visitor(DEVICE_Y, "ann")),
        ),
        ("guarded", Visitor(DEVICE_Y), DEVICE_Y, Evidence.YES, Decision("own-id", Visitor(DEVICE_Y))),
        ("exact", Visitor(DEVICE_Y), DEVICE_Y, Evidence.YES, Decision("own-id", Visitor(DEVICE_Y))),
    ],
)
def test_an_arriving_id_decides_as_the_table_says(
    policy: Policy, visitor: Visitor, k: str, evidence: Evidence, expected: Decision
) -> None:
    assert SIMPLIFIED.decide(policy, visitor, k, evidence) == expected


def test_a_bare_id_in_an_original_merge_joins_nobody_without_evidence() -> None:
    assert ORIGINAL.decide("guarded", Visitor(OLD), X, Evidence.DOUBT).alias is None
    assert ORIGINAL.decide("guarded", Visitor(OLD), X, Evidence.YES).alias == (OLD, X)
    assert ORIGINAL.decide("exact", Visitor(OLD), X, Evidence.NO).alias == (OLD, X)


# Writing


def test_super_properties_are_kept() -> None:
    kept = {"plan": "pro", "utm_source": "news", "__mps": {"a": 1}, "n": 1.5, "x": None, "日": "本"}
    found = written(
        stored(distinct_id=DEVICE_Y, **{"$device_id": Y}, **kept), Visitor(DEVICE_Y), Visitor(DEVICE_X)
    )
    assert found == {**kept, "distinct_id": DEVICE_X, "$device_id": X}


@pytest.mark.parametrize(
    ("cookies", "before", "after", "expected"),
    [
        ({}, NOBODY, Visitor(DEVICE_X), {"distinct_id": DEVICE_X, "$device_id": X}),
        ({}, NOBODY, Visitor(None, "bob"), {"distinct_id": "bob", "$device_id": MINTED, "$user_id": "bob"}),
        (
            stored(distinct_id=DEVICE_Y, **{"$device_id": Y}),
            Visitor(DEVICE_Y),
            Visitor(DEVICE_Y, "bob"),
            {"distinct_id": "bob", "$device_id": Y, "$user_id": "bob"},
        ),
        (
            stored(distinct_id="ann", **{"$device_id": Y, "$user_id": "ann"}),
            Visitor(DEVICE_Y, "ann"),
            Visitor(DEVICE_Y, "bob"),
            {"distinct_id": "bob", "$device_id": Y, "$user_id": "bob"},
        ),
        (
            stored(distinct_id="ann", **{"$device_id": Y, "$user_id": "ann"}),
            Visitor(None, "ann"),
            Visitor(None, "bob"),
            {"distinct_id": "bob", "$device_id": Y, "$user_id": "bob"},
        ),
        # A stored null would stay null for ever, and a null user is nobody.
        (
            stored(distinct_id=None, **{"$device_id": None, "$user_id": None}),
            NOBODY,
            Visitor(None, "bob"),
            {"distinct_id": "bob", "$device_id": MINTED, "$user_id": "bob"},
        ),
        (
            stored(distinct_id=None, **{"$device_id": None, "$user_id": None}),
            NOBODY,
            Visitor(DEVICE_X),
            {"distinct_id": DEVICE_X, "$device_id": X},
        ),
        (raw(b"{broken"), NOBODY, Visitor(DEVICE_X), {"distinct_id": DEVICE_X, "$device_id": X}),
        # The vendor's override of a bare anonymous ID: both the same.
        ({}, NOBODY, Visitor(OLD), {"distinct_id": OLD, "$device_id": OLD}),
    ],
)
def test_distinct_id_and_device_id_are_always_both_written(
    cookies: Cookies, before: Visitor, after: Visitor, expected: dict[str, str]
) -> None:
    found = written(cookies, before, after)
    assert found == expected
    assert found["distinct_id"]
    assert found["$device_id"]


@pytest.mark.parametrize(
    "after", [Visitor(DEVICE_X), Visitor(DEVICE_X, "bob"), Visitor(OLD), Visitor(None, "bob")]
)
def test_what_is_written_is_read_back_as_the_same_person(after: Visitor) -> None:
    [made] = ORIGINAL.set_cookies("shop.acme.com", {}, NOBODY, after, counting)
    name, _, value = made.header(secure=True).partition(b";")[0].partition(b"=")
    again = ORIGINAL.read(cookie.read([name + b"=" + value]))
    assert (again.identity, again.named) == (after.identity, after.named)
    assert after.anonymous in (again.anonymous, None)


def test_a_visitor_who_stays_gets_no_cookie() -> None:
    assert SIMPLIFIED.set_cookies("shop.acme.com", {}, Visitor(DEVICE_X), Visitor(DEVICE_X), counting) == []


def test_a_visitor_who_is_nobody_now_has_the_cookie_deleted() -> None:
    made = SIMPLIFIED.set_cookies("shop.acme.com", {}, Visitor(DEVICE_X), NOBODY, counting)
    assert made == [SetCookie(NAME, "", 0, "acme.com")]


def test_the_cookie_is_the_sdks_own_and_never_http_only() -> None:
    [made] = SIMPLIFIED.set_cookies("shop.acme.co.uk", {}, NOBODY, Visitor(DEVICE_X), counting)
    assert (made.name, made.max_age, made.domain) == (NAME, 365 * 86_400, "acme.co.uk")
    header = made.header(secure=True).decode()
    assert header == (
        f"{NAME}=%7B%22distinct_id%22%3A%22%24device%3A{X}%22%2C%22%24device_id%22%3A%22{X}%22%7D"
        "; Domain=acme.co.uk; Path=/; Max-Age=31536000; SameSite=Lax; Secure"
    )
    assert "httponly" not in header.lower()


def test_spaces_are_never_written_as_plus() -> None:
    [made] = SIMPLIFIED.set_cookies("a.example", stored(a="b c+d"), NOBODY, Visitor(DEVICE_X), counting)
    value = made.header(secure=False).partition(b";")[0].decode()
    assert "+" not in value
    assert "b%20c%2Bd" in value


def test_a_cookie_that_browsers_would_drop_is_not_written() -> None:
    def made(filling: int) -> list[SetCookie]:
        cookies = stored(a="x" * filling)
        return SIMPLIFIED.set_cookies("a.example", cookies, NOBODY, Visitor(DEVICE_X), counting)

    overhead = len(NAME) + len(quote(made(0)[0].value, safe=""))
    largest = MAX_COOKIE - overhead
    [fits] = made(largest)
    assert len(fits.name) + len(quote(fits.value, safe="")) == MAX_COOKIE
    assert made(largest + 1) == []


def test_a_minted_device_is_a_uuid_of_version_four() -> None:
    assert SIMPLIFIED.mint(counting) == Visitor("$device:" + MINTED)
    assert re.fullmatch(
        r"\$device:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        SIMPLIFIED.mint(lambda length: b"\xff" * length).anonymous or "",
    )


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.mysite.com", "mysite.com"),
        ("a.b.c.mysite.com", "mysite.com"),
        ("mysite.com", "mysite.com"),
        ("example.org", "example.org"),
        ("www.acme.example", "acme.example"),
        ("www.shop.co.uk", "shop.co.uk"),
        ("www.shop.com.au", "shop.com.au"),
        ("example.io", "example.io"),
        ("www.example.io", "example.io"),
        # The guess for short labels: three of them, where the middle is short.
        ("www.t.co", "www.t.co"),
        # Public suffixes: the SDK tries, browsers refuse.
        ("sub.site.avocat.fr", ""),
        ("foo.github.io", ""),
        ("foo.herokuapp.com", ""),
        # The guess lies above a public suffix: no suffix itself, and refused as well.
        ("acme.s3.amazonaws.com", ""),
        ("localhost", ""),
        ("127.0.0.1", ""),
        ("[::1]", ""),
        ("10.0.0.com", "0.com"),
    ],
)
def test_the_cookie_goes_to_the_domain_the_sdk_writes_to(host: str, domain: str) -> None:
    assert sdk_domain(host) == domain
    assert SIMPLIFIED.scope(host) == domain


# Calls


def body(call: TrackingCall) -> dict[str, Any]:
    [event] = json.loads(call.body)
    found: dict[str, Any] = event
    return found


def test_simplified_merge_joins_a_device_and_a_user_in_one_event() -> None:
    decision = SIMPLIFIED.decide("guarded", Visitor(DEVICE_X), "bob", Evidence.NO)
    [call] = SIMPLIFIED.alias(decision, NOW)
    assert (call.method, call.url) == ("POST", "https://api.mixpanel.com/track?verbose=1&ip=0")
    assert call.headers == (("Content-Type", "application/json"),)
    assert (call.provider, call.person) == ("mixpanel", "bob")
    said = body(call)
    said["properties"].pop("$insert_id")
    assert said == {
        "event": "$identify",
        "properties": {
            "distinct_id": "bob",
            "$user_id": "bob",
            "$device_id": X,
            "$anon_distinct_id": DEVICE_X,
            "token": TOKEN,
            "time": 1_700_000_000,
        },
    }


@pytest.mark.parametrize("device", [DEVICE_X, OLD])
def test_original_merge_names_the_user_and_the_anonymous_id(device: str) -> None:
    decision = ORIGINAL.decide("guarded", Visitor(device), "bob", Evidence.NO)
    [call] = ORIGINAL.alias(decision, NOW)
    assert call.url == "https://api-eu.mixpanel.com/track?verbose=1&ip=0"
    said = body(call)
    said["properties"].pop("$insert_id")
    assert said == {
        "event": "$identify",
        "properties": {
            "distinct_id": "bob",
            "$identified_id": "bob",
            "$anon_id": device,
            "token": TOKEN,
            "time": 1_700_000_000,
        },
    }


def test_original_merge_joins_two_devices_by_import() -> None:
    decision = ORIGINAL.decide("guarded", Visitor(DEVICE_X), DEVICE_Y, Evidence.YES)
    [call] = ORIGINAL.alias(decision, NOW)
    assert (call.method, call.url) == ("POST", "https://api-eu.mixpanel.com/import?strict=1")
    scheme, _, secret = dict(call.headers)["Authorization"].partition(" ")
    assert (scheme, b64decode(secret).decode()) == ("Basic", f"{TOKEN}:")
    said = body(call)
    assert said["event"] == "$merge"
    assert said["properties"]["$distinct_ids"] == [DEVICE_X, DEVICE_Y]
    assert said["properties"]["time"] == 1_700_000_000


def test_simplified_merge_can_not_join_two_devices() -> None:
    decision = SIMPLIFIED.decide("guarded", Visitor(DEVICE_X), DEVICE_Y, Evidence.YES)
    assert decision.visitor == Visitor(DEVICE_Y)
    assert SIMPLIFIED.alias(decision, NOW) == []


def insert_id(vendor: MixpanelProvider, visitor: Visitor, k: str, now: float) -> str:
    [call] = vendor.alias(vendor.decide("guarded", visitor, k, Evidence.YES), now)
    found: str = body(call)["properties"]["$insert_id"]
    return found


@pytest.mark.parametrize("vendor", [SIMPLIFIED, ORIGINAL])
@pytest.mark.parametrize("k", ["bob", "日本 & co", "a" * 255])
def test_a_call_made_again_is_the_same_call_to_the_vendor(vendor: MixpanelProvider, k: str) -> None:
    found = insert_id(vendor, Visitor(DEVICE_X), k, NOW)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", found)
    assert insert_id(vendor, Visitor(DEVICE_X), k, NOW) == found
    others = {
        insert_id(vendor, Visitor(DEVICE_Y), k, NOW),
        insert_id(vendor, Visitor(DEVICE_X), k[::-1] + "x", NOW),
        insert_id(vendor, Visitor(DEVICE_X), k, NOW + 1),
    }
    assert len(others | {found}) == 4


def test_nothing_is_told_of_nobody_nor_without_an_event() -> None:
    assert SIMPLIFIED.record(NOBODY, Inbound(event="E"), {}, NOW, counting) == []
    assert SIMPLIFIED.record(Visitor(DEVICE_X), Inbound(properties={"a": "1"}), {}, NOW, counting) == []
    assert SIMPLIFIED.alias(Decision("own-id", Visitor(DEVICE_X)), NOW) == []
    assert ORIGINAL.alias_to(NOBODY, "bob", NOW) == []


def test_two_events_of_one_second_are_two() -> None:
    def insert_id(filling: bytes) -> str:
        [call] = SIMPLIFIED.record(
            Visitor(DEVICE_X), Inbound(event="E"), {}, NOW, lambda length: filling * length
        )
        found: str = body(call)["properties"]["$insert_id"]
        return found

    assert insert_id(b"a") != insert_id(b"b")
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", insert_id(b"a"))


@pytest.mark.parametrize("id_merge", ["simplified", "original"])
def test_a_link_carries_the_id_whole(id_merge: Literal["simplified", "original"]) -> None:
    vendor = MixpanelProvider(TOKEN, "https://x.example", id_merge)
    identity = vendor.read(stored(distinct_id=DEVICE_X, **{"$device_id": X})).identity
    assert identity == DEVICE_X
    assert unquote(f"%24device%3A{X}") == identity
