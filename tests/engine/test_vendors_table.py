"""KISSmetrics' own table, one row one case: what each trigger makes of each kind of visitor.

Source: "How KISSmetrics Handles Identities", and the vendor's library where that page is silent.
"""

from __future__ import annotations

from itertools import product
from typing import get_args
from urllib.parse import quote

import pytest
from engine_kit import (
    FORM,
    FROM_BLOG,
    HTML,
    KEY,
    MINTED,
    A,
    K,
    arrive,
    ask,
    browser,
    km,
    respond,
    send,
    submit,
)

from kmproxy.identity.visitor import Policy
from kmproxy.messages import first, values
from kmproxy.visit import Arrival

NEW = ""
ANONYMOUS = km(A)
NAMED = km(A, "bob")
ONLY_NAMED = km(named="bob")
TWICE_NAMED = km("bob", "bob")

POLICIES = get_args(Policy)

Kept = dict[str, str]


def a(other: str, person: str) -> list[str]:
    return [f"/a?_n={quote(other, safe='')}&_p={quote(person, safe='')}"]


def e(event: str, person: str, properties: str = "") -> list[str]:
    return [f"/e?{properties}_p={quote(person, safe='')}&_n={event}"]


def told(arrival: Arrival) -> list[str]:
    """The calls without what all have in common."""
    common = f"&_k={KEY}&_t=1700000000&_d=1"
    return [
        call.url.removeprefix("https://trk.kissmetrics.io").removesuffix(common) for call in arrival.calls
    ]


IDENTIFY, ALIAS, RECORD, CLEAR = b"X-KM-Identify", b"X-KM-Alias", b"X-KM-Record", b"X-KM-Clear-Identity"

# The visitor, what the app says, the cookies that the browser holds then, what the vendor is told.
WORDS: list[tuple[str, bytes, str, Kept, list[str]]] = [
    (NEW, IDENTIFY, "ann", {"km_ni": "ann"}, []),
    (NEW, IDENTIFY, K, {"km_ni": K}, []),
    (NEW, IDENTIFY, MINTED, {"km_ni": MINTED}, []),
    (NEW, IDENTIFY, "", {"km_ai": MINTED}, []),
    (NEW, IDENTIFY, "null", {"km_ai": MINTED}, []),
    (NEW, ALIAS, "ann", {"km_ai": MINTED}, a("ann", MINTED)),
    (NEW, ALIAS, MINTED, {"km_ai": MINTED}, []),
    (NEW, RECORD, "E", {"km_ai": MINTED}, e("E", MINTED)),
    (NEW, CLEAR, "1", {"km_ai": MINTED}, []),
    (ANONYMOUS, IDENTIFY, "ann", {"km_ai": A, "km_ni": "ann"}, a("ann", A)),
    (ANONYMOUS, IDENTIFY, K, {"km_ai": A, "km_ni": K}, a(K, A)),
    (ANONYMOUS, IDENTIFY, A, {"km_ai": A, "km_ni": A}, []),
    (ANONYMOUS, IDENTIFY, "", {"km_ai": A}, []),
    (ANONYMOUS, IDENTIFY, "null", {"km_ai": A}, []),
    (ANONYMOUS, ALIAS, "ann", {"km_ai": A}, a("ann", A)),
    (ANONYMOUS, ALIAS, A, {"km_ai": A}, []),
    (ANONYMOUS, RECORD, "E", {"km_ai": A}, e("E", A)),
    (ANONYMOUS, CLEAR, "1", {"km_ai": A}, []),
    (NAMED, IDENTIFY, "ann", {"km_ai": "ann", "km_ni": "ann"}, []),
    (NAMED, IDENTIFY, K, {"km_ai": K, "km_ni": K}, []),
    (NAMED, IDENTIFY, A, {"km_ai": A, "km_ni": A}, []),
    (NAMED, IDENTIFY, "bob", {"km_ai": "bob", "km_ni": "bob"}, []),
    *[
        (NAMED, IDENTIFY, nobody, {"km_ai": MINTED}, [])
        for nobody in ("", "%20", "null", "NULL", "nil", "''", '""', "'null'", '"null"', "'nil'", '"nil"')
    ],
    (NAMED, ALIAS, "ann", {"km_ai": A, "km_ni": "bob"}, a("ann", "bob")),
    (NAMED, ALIAS, A, {"km_ai": A, "km_ni": "bob"}, a(A, "bob")),
    (NAMED, ALIAS, "bob", {"km_ai": A, "km_ni": "bob"}, []),
    (NAMED, RECORD, "E", {"km_ai": A, "km_ni": "bob"}, e("E", "bob")),
    (NAMED, CLEAR, "1", {"km_ai": MINTED}, []),
    (ONLY_NAMED, IDENTIFY, "ann", {"km_ai": "ann", "km_ni": "ann"}, []),
    (ONLY_NAMED, IDENTIFY, "bob", {"km_ai": "bob", "km_ni": "bob"}, []),
    (ONLY_NAMED, IDENTIFY, "", {"km_ai": MINTED}, []),
    (ONLY_NAMED, ALIAS, "ann", {"km_ni": "bob"}, a("ann", "bob")),
    (ONLY_NAMED, RECORD, "E", {"km_ni": "bob"}, e("E", "bob")),
    (ONLY_NAMED, CLEAR, "1", {"km_ai": MINTED}, []),
    (TWICE_NAMED, IDENTIFY, "ann", {"km_ai": "ann", "km_ni": "ann"}, []),
    (TWICE_NAMED, IDENTIFY, "bob", {"km_ai": "bob", "km_ni": "bob"}, []),
    (TWICE_NAMED, CLEAR, "1", {"km_ai": MINTED}, []),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("cookie", "name", "value", "kept", "calls"), WORDS)
def test_an_app_says_what_the_vendors_javascript_would(
    cookie: str, name: bytes, value: str, kept: Kept, calls: list[str], policy: Policy
) -> None:
    before = arrive(ask("/p", cookie=cookie), arrival={"policy": policy})
    arrival, departure = respond(before, *HTML, (name, value.encode()))
    assert browser(cookie, values(departure.headers, b"set-cookie")) == kept
    assert told(arrival) == calls


@pytest.mark.parametrize(("cookie", "name", "value", "kept", "calls"), WORDS)
def test_the_visitor_of_that_very_page_is_the_one_whom_the_cookies_then_tell_of(
    cookie: str, name: bytes, value: str, kept: Kept, calls: list[str]
) -> None:
    arrival, _ = respond(arrive(ask("/p", cookie=cookie)), *HTML, (name, value.encode()))
    again = arrive(ask("/p", cookie=km(kept.get("km_ai", ""), kept.get("km_ni", ""))))
    assert arrival.seen == again.seen


def f(person: str, properties: str = "") -> list[str]:
    return e("Subscribed", person, properties)


# The visitor, the form, the cookies that the browser holds then, what the vendor is told.
FORMS: list[tuple[str, str, Kept, list[str]]] = [
    (NEW, "plan=pro&username=ann", {"km_ni": "ann"}, f("ann", "plan=pro&username=ann&")),
    (NEW, "plan=pro", {"km_ai": MINTED}, f(MINTED, "plan=pro&")),
    (NEW, "", {"km_ai": MINTED}, f(MINTED)),
    (ANONYMOUS, "username=ann", {"km_ai": A, "km_ni": "ann"}, a("ann", A) + f("ann", "username=ann&")),
    (ANONYMOUS, "login=&user-id=7", {"km_ai": A, "km_ni": "7"}, a("7", A) + f("7", "user-id=7&")),
    (
        ANONYMOUS,
        f"userid={quote(A)}",
        {"km_ai": A, "km_ni": A},
        f(A, f"userid={quote(A)}&"),
    ),
    (ANONYMOUS, "plan=pro", {"km_ai": A}, f(A, "plan=pro&")),
    # As to identify with these would be to log out.
    (ANONYMOUS, "username=null", {"km_ai": A}, f(A, "username=null&")),
    (NAMED, "username=ann", {"km_ai": A, "km_ni": "bob"}, f("bob", "username=ann&")),
    (NAMED, "username=null", {"km_ai": A, "km_ni": "bob"}, f("bob", "username=null&")),
    (NAMED, "username=bob", {"km_ai": A, "km_ni": "bob"}, f("bob", "username=bob&")),
    (NAMED, "plan=pro", {"km_ai": A, "km_ni": "bob"}, f("bob", "plan=pro&")),
    (ONLY_NAMED, "username=ann", {"km_ni": "bob"}, f("bob", "username=ann&")),
    (TWICE_NAMED, "username=ann", {"km_ai": "bob", "km_ni": "bob"}, f("bob", "username=ann&")),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("cookie", "body", "kept", "calls"), FORMS)
def test_a_tracked_form_names_an_anonymous_visitor_and_no_other(
    cookie: str, body: str, kept: Kept, calls: list[str], policy: Policy
) -> None:
    before = arrive(send(body, cookie=cookie), arrival={"policy": policy}, form=[FORM])
    arrival, departure = submit(before, body, *HTML)
    assert browser(cookie, values(departure.headers, b"set-cookie")) == kept
    assert told(arrival) == calls


# The visitor, K on the link, and cookies and calls by policy. "bob" is a name, A and K are anonymous IDs.
LINKS: list[tuple[str, str, dict[Policy, tuple[Kept, list[str]]]]] = [
    (NEW, "ann", {"exact": ({"km_ni": "ann"}, []), "guarded": ({"km_ni": "ann"}, [])}),
    (NEW, K, {"exact": ({"km_ni": K}, []), "guarded": ({"km_ai": K}, [])}),
    (NEW, "", {"exact": ({}, []), "guarded": ({}, [])}),
    (NEW, "null", {"exact": ({}, []), "guarded": ({}, [])}),
    (
        ANONYMOUS,
        "ann",
        {
            "exact": ({"km_ai": A, "km_ni": "ann"}, a("ann", A)),
            "guarded": ({"km_ai": A, "km_ni": "ann"}, a("ann", A)),
        },
    ),
    (
        ANONYMOUS,
        K,
        {"exact": ({"km_ai": A, "km_ni": K}, a(K, A)), "guarded": ({"km_ai": K}, a(K, A))},
    ),
    (ANONYMOUS, A, {"exact": ({"km_ai": A, "km_ni": A}, []), "guarded": ({"km_ai": A}, [])}),
    (ANONYMOUS, "", {"exact": ({"km_ai": A}, []), "guarded": ({"km_ai": A}, [])}),
    (ANONYMOUS, "null", {"exact": ({"km_ai": A}, []), "guarded": ({"km_ai": A}, [])}),
    (
        NAMED,
        "ann",
        {
            "exact": ({"km_ai": "ann", "km_ni": "ann"}, []),
            "guarded": ({"km_ai": "ann", "km_ni": "ann"}, []),
        },
    ),
    (
        NAMED,
        "bob",
        {"exact": ({"km_ai": "bob", "km_ni": "bob"}, []), "guarded": ({"km_ai": A, "km_ni": "bob"}, [])},
    ),
    (NAMED, K, {"exact": ({"km_ai": K, "km_ni": K}, []), "guarded": ({"km_ai": A, "km_ni": "bob"}, [])}),
    (NAMED, A, {"exact": ({"km_ai": A, "km_ni": A}, []), "guarded": ({"km_ai": A, "km_ni": "bob"}, [])}),
    (NAMED, "", {policy: ({"km_ai": A, "km_ni": "bob"}, []) for policy in POLICIES}),
    # The library would log out; a link must not be able to.
    (NAMED, "null", {policy: ({"km_ai": A, "km_ni": "bob"}, []) for policy in POLICIES}),
    (
        ONLY_NAMED,
        "ann",
        {
            "exact": ({"km_ai": "ann", "km_ni": "ann"}, []),
            "guarded": ({"km_ai": "ann", "km_ni": "ann"}, []),
        },
    ),
    (
        ONLY_NAMED,
        "bob",
        {"exact": ({"km_ai": "bob", "km_ni": "bob"}, []), "guarded": ({"km_ni": "bob"}, [])},
    ),
    (ONLY_NAMED, K, {"exact": ({"km_ai": K, "km_ni": K}, []), "guarded": ({"km_ni": "bob"}, [])}),
    (ONLY_NAMED, "", {policy: ({"km_ni": "bob"}, []) for policy in POLICIES}),
    (ONLY_NAMED, "null", {policy: ({"km_ni": "bob"}, []) for policy in POLICIES}),
    (TWICE_NAMED, "ann", {policy: ({"km_ai": "ann", "km_ni": "ann"}, []) for policy in POLICIES}),
    (TWICE_NAMED, "bob", {policy: ({"km_ai": "bob", "km_ni": "bob"}, []) for policy in POLICIES}),
    (
        TWICE_NAMED,
        K,
        {"exact": ({"km_ai": K, "km_ni": K}, []), "guarded": ({"km_ai": "bob", "km_ni": "bob"}, [])},
    ),
    (TWICE_NAMED, "null", {policy: ({"km_ai": "bob", "km_ni": "bob"}, []) for policy in POLICIES}),
]


@pytest.mark.parametrize(
    ("cookie", "k", "kept", "calls", "policy"),
    [(cookie, k, *by[policy], policy) for (cookie, k, by), policy in product(LINKS, POLICIES)],
)
def test_a_tagged_link_does_what_the_policy_says(
    cookie: str, k: str, kept: Kept, calls: list[str], policy: Policy
) -> None:
    arrival = arrive(ask(f"/?kmi={quote(k, safe='')}", *FROM_BLOG, cookie=cookie), arrival={"policy": policy})
    assert browser(cookie, arrival.cookies) == kept
    assert told(arrival) == calls


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("cookie", "identity", "kept"),
    [
        (NEW, MINTED, {"km_ai": MINTED}),
        (ANONYMOUS, A, {"km_ai": A}),
        (NAMED, "bob", {"km_ai": A, "km_ni": "bob"}),
        (ONLY_NAMED, "bob", {"km_ni": "bob"}),
        (TWICE_NAMED, "bob", {"km_ai": "bob", "km_ni": "bob"}),
    ],
)
def test_a_plain_visit_has_the_identity_that_km_i_returns(
    cookie: str, identity: str, kept: Kept, policy: Policy
) -> None:
    arrival = arrive(ask("/p", cookie=cookie), arrival={"policy": policy})
    assert first(arrival.headers, b"x-km-identity") == identity.encode()
    after, departure = respond(arrival, *HTML)
    assert browser(cookie, values(departure.headers, b"set-cookie")) == kept
    assert told(after) == []
