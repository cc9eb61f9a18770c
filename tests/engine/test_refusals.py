"""Each refusal to follow, identify, join or record a visitor is counted under its reason, once."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from engine_kit import (
    BOTH,
    BROWSER,
    CRAWLER,
    DEVICE,
    FROM_BLOG,
    HTML,
    KEY,
    MP,
    ONLY_MIXPANEL,
    PASTED,
    SHOP,
    TOKEN,
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
    through,
)
from prometheus_client import generate_latest

from kmproxy.admin.metrics import Metrics
from kmproxy.identity.word import Word
from kmproxy.messages import Headers, Response, first

ANONYMOUS_LINK = f"/?kmi={quote(K, safe='')}"
OPT = f"__mp_opt_in_out_{TOKEN}"
KNOWN = f"{MP}=" + quote(json.dumps({"distinct_id": f"$device:{DEVICE}", "$device_id": DEVICE}))
FROM_HERE = ((b"Referer", f"https://{SHOP}/before".encode()),)
LINK = b'<a href="https://www.acme-blog.example/">'


def counted(*notes: tuple[str, str, str]) -> set[str]:
    return {
        f'kmproxy_decisions_total{{provider="{provider}",site="acme",what="{what}",why="{why}"}} 1.0'
        for what, provider, why in notes
    }


def metrics(arrival: Any) -> set[str]:
    observer = Metrics()
    observer.arrived(arrival)
    text = generate_latest(observer.registry).decode()
    return {line for line in text.splitlines() if line.startswith("kmproxy_decisions_total{")}


@pytest.mark.parametrize("url", ["redirect", "inline", "leave"])
@pytest.mark.parametrize(
    ("target", "headers", "cookie", "tables", "note"),
    [
        # The gate for anonymous IDs.
        (ANONYMOUS_LINK, PASTED, km(A), {}, ("arrival", "kissmetrics", "no-click-from-the-site")),
        (
            *(ANONYMOUS_LINK, ((b"Referer", b"https://mail.example/"),), km(A)),
            *({}, ("arrival", "kissmetrics", "no-click-from-the-site")),
        ),
        (ANONYMOUS_LINK, (), km(A), {}, ("arrival", "kissmetrics", "no-click-from-the-site")),
        (ANONYMOUS_LINK, FROM_BLOG, km(A, "bob"), {}, ("arrival", "kissmetrics", "named-kept")),
        # A round trip.
        (f"/?kmi={quote(A, safe='')}", FROM_BLOG, km(A), {}, ("arrival", "kissmetrics", "own-id")),
        ("/?kmi=bob", FROM_BLOG, km(A, "bob"), {}, ("arrival", "kissmetrics", "own-id")),
        # Who is no visitor.
        ("/?kmi=ann", (CRAWLER,), km(A), {}, ("rejected", "", "crawler")),
        *[
            ("/?kmi=ann", ((b"User-Agent", agent),), km(A), {}, ("rejected", "", "crawler"))
            for agent in (b"Slackbot-LinkExpanding 1.0", b"WhatsApp/2.23.20.0", b"facebookexternalhit/1.1")
        ],
        ("/?kmi=ann", ((b"Sec-Purpose", b"prefetch"),), km(A), {}, ("rejected", "", "prefetch")),
        ("/?kmi=ann", ((b"Sec-Purpose", b"prefetch;prerender"),), km(A), {}, ("rejected", "", "prefetch")),
        # Who does not want it.
        ("/?kmi=ann", ((b"Sec-GPC", b"1"),), km(A), {}, ("rejected", "", "gpc")),
        ("/?kmi=ann", ((b"DNT", b"1"),), km(A), {"consent": {"respect": ["dnt"]}}, ("rejected", "", "dnt")),
        (
            *("/?kmi=ann", (), km(A)),
            {"consent": {"cookie": {"name": "ok", "pattern": "yes"}}},
            ("rejected", "", "consent-cookie"),
        ),
        ("/?kmi=ann", (), f"{km(A)}; km_ignore=1", {}, ("rejected", "kissmetrics", "km-ignore")),
        ("/?kmi=ann", (), f"{km(A)}; km_ignore=", {}, ("rejected", "kissmetrics", "km-ignore")),
        ("/?distinct_id=ann", (), f"{KNOWN}; {OPT}=0", ONLY_MIXPANEL, ("rejected", "mixpanel", "opted-out")),
        (
            "/?distinct_id=ann",
            (),
            f"{KNOWN}; mp_optout=1",
            ONLY_MIXPANEL,
            ("rejected", "mixpanel", "opted-out"),
        ),
        # IDs that are nobody's.
        *[
            (f"/?kmi={raw}", FROM_BLOG, km(A), {}, ("rejected", "kissmetrics", f"identity-{why}"))
            for raw, why in (
                ("", "empty"),
                ("null", "forbidden"),
                ("a%00", "control-character"),
                ("%zz", "undecodable"),
            )
        ],
        (f"/?kmi={'a' * 256}", FROM_BLOG, km(A), {}, ("rejected", "kissmetrics", "identity-too-long")),
        ("/?distinct_id=0", (), KNOWN, ONLY_MIXPANEL, ("rejected", "mixpanel", "identity-forbidden")),
    ],
)
def test_a_refused_arrival_changes_and_tells_nothing_and_is_counted(
    target: str, headers: Headers, cookie: str, tables: dict[str, Any], note: tuple[str, str, str], url: str
) -> None:
    agent = next(((name, value) for name, value in headers if name == b"User-Agent"), BROWSER)
    extra = [pair for pair in headers if pair[0] != b"User-Agent"]
    arrival = arrive(ask(target, *extra, cookie=cookie, agent=agent), arrival={"url": url}, **tables)
    assert (arrival.cookies, arrival.minted, arrival.calls) == ((), (), ())
    assert metrics(arrival) == counted(note)
    if url == "redirect" and note[2] != "prefetch":
        assert location(arrival) == "/"


@pytest.mark.parametrize(
    ("target", "note"),
    [
        ("/?kmi=ann", ("arrival", "kissmetrics", "head-joins-nobody")),
        ("/?kme=E", ("rejected", "kissmetrics", "head-records-nobody")),
        ("/?km_a=1", ("rejected", "kissmetrics", "head-records-nobody")),
    ],
)
def test_what_a_head_would_have_done_is_counted(target: str, note: tuple[str, str, str]) -> None:
    arrival = arrive(ask(target, cookie=km(A), method="HEAD"))
    assert arrival.calls == ()
    assert metrics(arrival) == counted(note)


# Opting out of one vendor


@pytest.mark.parametrize(
    ("cookie", "followed"),
    [
        ("", {"kissmetrics", "mixpanel"}),
        ("km_ignore=1", {"mixpanel"}),
        ("not_km_ignore=1", {"kissmetrics", "mixpanel"}),
        (f"{OPT}=0", {"kissmetrics"}),
        (f"{OPT}=1", {"kissmetrics", "mixpanel"}),
        (f"{OPT}=", {"kissmetrics", "mixpanel"}),
        ("__mp_opt_in_out_another-project=0", {"kissmetrics", "mixpanel"}),
        ("mp_optout=1", {"kissmetrics"}),
        ("mp_optout=", {"kissmetrics", "mixpanel"}),
        # To the SDK an opt-in is the later word.
        (f"mp_optout=1; {OPT}=1", {"kissmetrics", "mixpanel"}),
        (f"mp_optout=1; {OPT}=0", {"kissmetrics"}),
        (f"km_ignore=1; {OPT}=0", set()),
    ],
)
def test_who_opted_out_of_a_vendor_is_followed_for_the_other_alone(cookie: str, followed: set[str]) -> None:
    known = f"{km(A)}; {KNOWN}; {cookie}"
    page = arrive(ask("/", cookie=known), **BOTH)
    assert {provider.name for provider, _ in page.seen} == followed
    departure = engine(**BOTH).depart(page, Response(200, b"OK", HTML))
    decorated = through(departure, LINK) if departure.rewriter else LINK
    assert (b"kmi=" in decorated) is ("kissmetrics" in followed)
    assert (b"distinct_id=" in decorated) is ("mixpanel" in followed)
    assert first(page.headers, b"x-km-identity") == (
        A.encode() if "kissmetrics" in followed else b"$device:" + DEVICE.encode() if followed else b""
    )
    new = arrive(ask("/", cookie=cookie), **BOTH)
    cookies = {"kissmetrics": "km_ai", "mixpanel": MP}
    assert set(jar(new.minted)) == {cookies[name] for name in followed}
    heard = engine(**BOTH).hear(page, [Word("identify", "ann"), Word("record", "E")])
    assert {call.provider for call in heard.calls} == followed


def test_the_parameters_of_a_vendor_one_opted_out_of_are_stripped_all_the_same() -> None:
    known = f"{km(A)}; {KNOWN}; {OPT}=0"
    arrival = arrive(ask("/?kmi=ann&distinct_id=ann&x=1", cookie=known), **BOTH)
    assert location(arrival) == "/?x=1"
    assert jar(arrival.cookies) == {"km_ni": "ann"}
    assert [call.provider for call in arrival.calls] == ["kissmetrics"]
    assert rules(arrival) == [
        ("rejected", "mixpanel", "opted-out"),
        ("arrival", "kissmetrics", "anonymous-identified"),
    ]


def test_an_event_of_the_url_is_not_recorded_for_who_ignores_kissmetrics() -> None:
    arrival = arrive(ask("/?kme=E&km_a=1", cookie=f"{km(A)}; km_ignore=1"), **BOTH)
    assert location(arrival) == "/"
    assert (arrival.cookies, arrival.calls) == ((), ())
    assert rules(arrival) == [("rejected", "kissmetrics", "km-ignore")]


# A cookie that the SDK does not keep: localStorage persistence, or an opt-out in localStorage


def test_who_comes_from_a_page_of_this_host_without_the_sdks_cookie_is_not_made_another_device() -> None:
    arrival = arrive(ask("/next", *FROM_HERE, cookie=km(A)), **BOTH)
    assert (arrival.minted, arrival.seen.query) == ((), f"kmi={quote(A, safe='')}".encode())
    assert metrics(arrival) == counted(("rejected", "mixpanel", "cookie-not-kept"))


@pytest.mark.parametrize(
    "headers",
    [(), FROM_BLOG, ((b"Referer", b"https://acme.example/"),), ((b"Referer", b"https://[nonsense"),)],
)
def test_who_comes_from_elsewhere_gets_a_device(headers: Headers) -> None:
    arrival = arrive(ask("/next", *headers), **ONLY_MIXPANEL)
    assert list(jar(arrival.minted)) == [MP]


def test_kissmetrics_keeps_cookies_alone_and_mints_wherever_one_comes_from() -> None:
    assert list(jar(arrive(ask("/next", *FROM_HERE)).minted)) == ["km_ai"]


def test_an_event_still_makes_a_person_of_who_keeps_no_cookie() -> None:
    page = arrive(ask("/next", *FROM_HERE), **ONLY_MIXPANEL)
    heard = engine(**ONLY_MIXPANEL).hear(page, [Word("record", "E")])
    assert [call.provider for call in heard.calls] == ["mixpanel"]


def test_the_key_is_in_no_metric() -> None:
    arrival = arrive(ask("/?kmi=null", cookie=km(A)))
    assert not [line for line in metrics(arrival) if KEY in line or A in line]
    assert answer(arrival).status == 302
