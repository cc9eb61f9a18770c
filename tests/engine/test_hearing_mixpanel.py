"""Mixpanel's identify, reset, alias and track, as an app says them: cookie and calls, one row one case.

Source: the vendor's JavaScript SDK 2.83, and "Ingestion API: identity" for how projects merge.
"""

from __future__ import annotations

import json
from typing import Any, get_args
from urllib.parse import quote

import pytest
from engine_kit import (
    DEVICE,
    HTML,
    MP,
    NOT_MINTING,
    ONLY_MIXPANEL,
    TOKEN,
    arrive,
    ask,
    browser,
    engine,
    respond,
)

from kmproxy.identity.mixpanel_calls import IdMerge
from kmproxy.identity.word import Word
from kmproxy.messages import values
from kmproxy.visit import Arrival

X = DEVICE
MADE = "00010203-0405-4607-8809-0a0b0c0d0e0f"

Stored = dict[str, Any]

NOTHING: Stored = {}
ANONYMOUS: Stored = {"distinct_id": f"$device:{X}", "$device_id": X}
NAMED: Stored = {"distinct_id": "bob", "$device_id": X, "$user_id": "bob"}
ONLY_NAMED: Stored = {"distinct_id": "bob", "$user_id": "bob"}
SUPER = {"plan": "pro", "utm_source": "news"}

NEW_DEVICE: Stored = {"distinct_id": f"$device:{MADE}", "$device_id": MADE}
ANN: Stored = {"distinct_id": "ann", "$device_id": X, "$user_id": "ann"}


def project(id_merge: IdMerge) -> dict[str, Any]:
    return {**ONLY_MIXPANEL, "mixpanel": {"token": TOKEN, "id_merge": id_merge}}


def sent(stored: Stored) -> str:
    return f"{MP}=" + quote(json.dumps(stored), safe="") if stored else ""


def held(cookie: str, arrival: Arrival) -> Stored:
    """What the SDK finds in its cookie after the page."""
    _, departure = respond(arrival, *HTML)
    return json.loads(browser(cookie, values(departure.headers, b"set-cookie")).get(MP, "{}"))  # type: ignore[no-any-return]


def events(arrival: Arrival) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for call in arrival.calls:
        assert (call.method, call.url) == ("POST", "https://api.mixpanel.com/track?verbose=1&ip=0")
        [event] = json.loads(call.body)
        properties = event["properties"]
        assert (properties.pop("token"), properties.pop("time")) == (TOKEN, 1_700_000_000)
        assert len(properties.pop("$insert_id")) == 36
        found.append((event["event"], properties))
    return found


def said(stored: Stored, id_merge: IdMerge, *words: Word, **tables: Any) -> tuple[Arrival, Stored]:
    cookie = sent(stored)
    arrival = engine().hear(arrive(ask("/p", cookie=cookie), **project(id_merge), **tables), words)
    return arrival, held(cookie, arrival)


JOINED: dict[IdMerge, dict[str, str]] = {
    "simplified": {
        "distinct_id": "ann",
        "$user_id": "ann",
        "$device_id": X,
        "$anon_distinct_id": f"$device:{X}",
    },
    "original": {"distinct_id": "ann", "$identified_id": "ann", "$anon_id": f"$device:{X}"},
}


@pytest.mark.parametrize("id_merge", get_args(IdMerge))
@pytest.mark.parametrize(
    ("stored", "k", "cookie", "joins"),
    [
        (NOTHING, "ann", {**ANN, "$device_id": MADE}, False),
        (ANONYMOUS, "ann", ANN, True),
        (ANONYMOUS | SUPER, "ann", ANN | SUPER, True),
        (NAMED, "ann", ANN, False),
        (NAMED, "bob", NAMED, False),
        (ONLY_NAMED, "ann", {**ANN, "$device_id": MADE}, False),
        # A stale alias would keep the SDK's own identify from changing the distinct_id.
        (ANONYMOUS | {"__alias": "ann"}, "ann", ANN, True),
    ],
)
def test_identify_names_the_device_and_joins_it_if_it_was_nobodys(
    stored: Stored, k: str, cookie: Stored, joins: bool, id_merge: IdMerge
) -> None:
    arrival, after = said(stored, id_merge, Word("identify", k))
    assert after == cookie
    assert events(arrival) == ([("$identify", JOINED[id_merge])] if joins else [])


@pytest.mark.parametrize("id_merge", get_args(IdMerge))
@pytest.mark.parametrize("stored", [NOTHING, ANONYMOUS, NAMED])
@pytest.mark.parametrize(
    ("k", "reason"),
    [
        (f"$device:{X}", "device"),
        ("$device:other", "device"),
        ("$device:", "forbidden"),
        ("", "empty"),
        ("null", "forbidden"),
        ("anonymous", "forbidden"),
        ("0", "forbidden"),
    ],
)
def test_identify_refuses_devices_and_nobodies_and_logs_nobody_out(
    stored: Stored, k: str, reason: str, id_merge: IdMerge
) -> None:
    arrival, after = said(stored, id_merge, Word("identify", k))
    assert after == (stored or NEW_DEVICE)
    assert arrival.calls == ()
    assert arrival.notes[-1] == ("rejected", "mixpanel", f"identity-{reason}")


def test_identify_with_the_own_bare_id_of_an_original_merge_changes_nothing() -> None:
    bare = {"distinct_id": X, "$device_id": X}
    arrival, after = said(bare, "original", Word("identify", X))
    assert (after, arrival.calls) == (bare, ())


@pytest.mark.parametrize("id_merge", get_args(IdMerge))
@pytest.mark.parametrize("stored", [ANONYMOUS, NAMED, ONLY_NAMED, NAMED | SUPER, ANONYMOUS | SUPER])
def test_clear_is_a_reset_to_another_device_with_no_super_properties(
    stored: Stored, id_merge: IdMerge
) -> None:
    arrival, after = said(stored, id_merge, Word("clear"))
    assert after == NEW_DEVICE
    assert arrival.calls == ()
    assert arrival.notes == (("word", "mixpanel", "cleared"),)


def test_clear_of_a_new_visitor_keeps_the_device_made_just_now() -> None:
    arrival, after = said(NOTHING, "simplified", Word("clear"))
    assert after == NEW_DEVICE
    assert arrival.notes == (("minted", "mixpanel", "first-visit"),)


def test_super_properties_do_not_come_back_with_the_next_word() -> None:
    arrival, after = said(NAMED | SUPER, "simplified", Word("clear"), Word("identify", "ann"))
    assert after == {**ANN, "$device_id": MADE}
    assert arrival.calls == ()
    arrival, after = said(NAMED | SUPER, "simplified", Word("clear"), Word("record", "E"))
    assert events(arrival) == [("E", NEW_DEVICE)]


def test_without_mint_clear_deletes_the_cookie_and_the_sdk_makes_a_device() -> None:
    arrival, after = said(NAMED, "simplified", Word("clear"), **NOT_MINTING)
    assert after == {}
    [value] = arrival.cookies
    assert value.startswith(f"{MP}=; Domain=acme.example; Path=/; Max-Age=0;".encode())


@pytest.mark.parametrize(
    ("stored", "id_merge", "expected"),
    [
        (ANONYMOUS, "original", ("$create_alias", {"distinct_id": f"$device:{X}", "alias": "ann"})),
        (NAMED, "original", ("$create_alias", {"distinct_id": "bob", "alias": "ann"})),
        (ANONYMOUS, "simplified", ("$identify", JOINED["simplified"])),
    ],
)
def test_alias_joins_as_the_project_can_and_leaves_the_cookie(
    stored: Stored, id_merge: IdMerge, expected: tuple[str, dict[str, str]]
) -> None:
    arrival, after = said(stored, id_merge, Word("alias", "ann"))
    assert after == stored
    assert events(arrival) == [expected]


def test_two_users_of_a_simplified_merge_never_join() -> None:
    arrival, after = said(NAMED, "simplified", Word("alias", "ann"))
    assert (after, arrival.calls) == (NAMED, ())
    assert arrival.notes == (("rejected", "mixpanel", "alias-joins-nobody"),)


@pytest.mark.parametrize("id_merge", get_args(IdMerge))
@pytest.mark.parametrize(
    ("alias", "note"),
    [("bob", ("word", "mixpanel", "own-id")), ("$device:y", ("rejected", "mixpanel", "identity-device"))],
)
def test_alias_with_oneself_or_with_a_device_is_none(
    alias: str, note: tuple[str, str, str], id_merge: IdMerge
) -> None:
    arrival, after = said(NAMED, id_merge, Word("alias", alias))
    assert (after, arrival.calls, arrival.notes) == (NAMED, (), (note,))


def test_alias_of_a_new_visitor_makes_a_device_first() -> None:
    arrival, after = said(NOTHING, "original", Word("alias", "ann"))
    assert after == NEW_DEVICE
    assert events(arrival) == [("$create_alias", {"distinct_id": f"$device:{MADE}", "alias": "ann"})]


@pytest.mark.parametrize("id_merge", get_args(IdMerge))
@pytest.mark.parametrize(
    ("stored", "who"),
    [
        (NOTHING, NEW_DEVICE),
        (ANONYMOUS, ANONYMOUS),
        (NAMED, NAMED),
        (ANONYMOUS | SUPER, ANONYMOUS | SUPER),
        # What the cookie holds for the SDK alone is no property of an event.
        (NAMED | {"__timers": {"E": 1}, "__mps": {"$name": "Bob"}, "__alias": "b"}, NAMED),
    ],
)
def test_record_tracks_an_event_with_the_super_properties(
    stored: Stored, who: Stored, id_merge: IdMerge
) -> None:
    arrival, after = said(stored, id_merge, Word("record", "Bought", {"price": "12.50"}))
    assert events(arrival) == [("Bought", {**who, "price": "12.50"})]
    assert after == (stored or NEW_DEVICE)


def test_no_property_takes_the_place_of_the_person_the_project_or_the_time() -> None:
    hostile = {"distinct_id": "victim", "$device_id": "v", "$user_id": "v", "token": "t", "time": "1"}
    arrival, _ = said(NAMED, "simplified", Word("record", "E", {**hostile, "$insert_id": "i"}))
    assert events(arrival) == [("E", NAMED)]


def test_an_event_wins_over_a_super_property_of_the_same_name() -> None:
    arrival, _ = said(ANONYMOUS | SUPER, "simplified", Word("record", "E", {"plan": "free"}))
    assert events(arrival) == [("E", {**ANONYMOUS, **SUPER, "plan": "free"})]


def test_an_event_is_kept_in_the_persons_order() -> None:
    arrival, _ = said(ANONYMOUS, "simplified", Word("identify", "ann"), Word("record", "E"))
    assert [call.person for call in arrival.calls] == ["ann", "ann"]
    assert [name for name, _ in events(arrival)] == ["$identify", "E"]
