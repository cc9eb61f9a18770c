"""The vendor's URL API: kmi, kme and km_* in every combination, for every visitor, in both policies.

Source: "URL API": an URL records an event, sets the visitor's identity, sets properties.
"""

from __future__ import annotations

from itertools import product
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from engine_kit import (
    BOTH,
    FROM_BLOG,
    KEY,
    MINTED,
    PASTED,
    A,
    K,
    answer,
    arrive,
    ask,
    browser,
    km,
    location,
    rules,
)

from kmproxy.identity.visitor import Policy
from kmproxy.visit import Arrival

POLICIES = get_args(Policy)
VISITORS = {"new": "", "anonymous": km(A), "named": km(A, "bob")}
ORDERS = ("{kmi}{kme}{km}", "{km}{kme}{kmi}", "{kme}{km}x=1&{kmi}")

Told = tuple[str, dict[str, str]]
"""Path of the call and what it says, but the key and the time."""


def told(arrival: Arrival) -> list[Told]:
    found = []
    for call in arrival.calls:
        url = urlsplit(call.url)
        said = dict(parse_qsl(url.query, keep_blank_values=True))
        assert (said.pop("_k"), said.pop("_t"), said.pop("_d")) == (KEY, "1700000000", "1")
        found.append((url.path, said))
    return found


def recorded(person: str, *, event: bool, properties: bool) -> list[Told]:
    said = {"_p": person} | ({"colour": "red wine"} if properties else {})
    if event:
        return [("/e", said | {"_n": "Clicked Link"})]
    return [("/s", said)] if properties else []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize(
    ("identity", "event", "properties"), [row for row in product((False, True), repeat=3) if any(row)]
)
def test_the_visitor_is_identified_first_and_the_event_with_its_properties_is_that_persons(
    identity: bool, event: bool, properties: bool, visitor: str, policy: Policy, order: str
) -> None:
    parts = {
        "kmi": "kmi=ann&" if identity else "",
        "kme": "kme=Clicked+Link&" if event else "",
        "km": "km_colour=red%20wine&" if properties else "",
    }
    target = f"/offer?{order.format(**parts)}y=2"
    arrival = arrive(ask(target, cookie=VISITORS[visitor]), arrival={"policy": policy})
    before = {"new": MINTED, "anonymous": A, "named": "bob"}[visitor]
    alias: list[Told] = [("/a", {"_n": "ann", "_p": A})] if identity and visitor == "anonymous" else []
    person = "ann" if identity else before
    assert told(arrival) == alias + recorded(person, event=event, properties=properties)
    assert location(arrival) == ("/offer?x=1&y=2" if "x=1" in order else "/offer?y=2")
    held = browser(VISITORS[visitor], arrival.cookies)
    assert held.get("km_ni") == ("ann" if identity else "bob" if visitor == "named" else None)


@pytest.mark.parametrize(
    ("policy", "cookie", "evidence", "person", "aliased"),
    [
        # Adopted or joined: the event is of the one who came.
        ("guarded", "", FROM_BLOG, K, False),
        ("guarded", km(A), FROM_BLOG, K, True),
        # Not believed: it is of the one who was here, or is somebody new.
        ("guarded", "", PASTED, MINTED, False),
        ("guarded", km(A), PASTED, A, False),
        ("guarded", km(A, "bob"), FROM_BLOG, "bob", False),
        ("exact", "", PASTED, K, False),
        ("exact", km(A), PASTED, K, True),
        ("exact", km(A, "bob"), PASTED, K, False),
    ],
)
def test_an_event_beside_an_anonymous_id_is_of_whoever_the_visitor_is_then(
    policy: Policy, cookie: str, evidence: tuple[tuple[bytes, bytes], ...], person: str, aliased: bool
) -> None:
    request = ask(f"/?kmi={K.replace('+', '%2B')}&kme=Clicked+Link", *evidence, cookie=cookie)
    arrival = arrive(request, arrival={"policy": policy})
    alias: list[Told] = [("/a", {"_n": K, "_p": A})] if aliased else []
    assert told(arrival) == alias + recorded(person, event=True, properties=False)


@pytest.mark.parametrize("reserved", ["_p", "_n", "_k", "_t", "_d", "_", "_anything"])
@pytest.mark.parametrize("visitor", VISITORS)
def test_a_reserved_name_is_refused_and_costs_neither_the_event_nor_the_rest(
    reserved: str, visitor: str
) -> None:
    target = f"/?km_{reserved}=victim&kme=Clicked+Link&km_colour=red+wine"
    arrival = arrive(ask(target, cookie=VISITORS[visitor]))
    person = {"new": MINTED, "anonymous": A, "named": "bob"}[visitor]
    assert told(arrival) == recorded(person, event=True, properties=True)
    assert rules(arrival) == [("rejected", "kissmetrics", "property-reserved")]


def test_nothing_but_a_reserved_name_records_nothing_and_makes_nobody() -> None:
    arrival = arrive(ask("/?km__p=victim"))
    assert (arrival.cookies, arrival.calls, location(arrival)) == ((), (), "/")


@pytest.mark.parametrize("visitor", VISITORS)
def test_each_visit_to_the_url_records_once_and_the_page_it_leads_to_nothing(visitor: str) -> None:
    cookie, url = VISITORS[visitor], "/?kmi=ann&kme=Clicked+Link&km_colour=red+wine"
    for aliases in (int(visitor == "anonymous"), 0):
        arrival = arrive(ask(url, cookie=cookie))
        assert [path for path, _ in told(arrival)] == ["/a"] * aliases + ["/e"]
        cookie = km(**_cookies(browser(cookie, arrival.cookies)))
        for _ in range(2):  # the redirect, and a reload
            page = arrive(ask(location(arrival), cookie=cookie))
            assert (page.answer, page.calls) == (None, ())


def _cookies(held: dict[str, str]) -> dict[str, str]:
    return {"anonymous": held.get("km_ai", ""), "named": held.get("km_ni", "")}


def test_an_event_of_the_url_is_kissmetrics_alone() -> None:
    arrival = arrive(ask("/?kme=Clicked+Link", cookie=km(A)), **BOTH)
    assert [call.provider for call in arrival.calls] == ["kissmetrics"]
    assert answer(arrival).status == 302
