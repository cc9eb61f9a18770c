from __future__ import annotations

import json

import pytest

from kmproxy.outbox import Claimed
from kmproxy.outbox.together import as_one, groups, judge_each, most
from kmproxy.tracking import TrackingCall

JSON = (("Content-Type", "application/json"),)
TRACK = "https://api.mixpanel.com/track?verbose=1&ip=0"


def event(
    person: str, *, url: str = TRACK, headers: tuple[tuple[str, str], ...] = JSON, pad: int = 0
) -> TrackingCall:
    body = json.dumps([{"event": "e", "properties": {"distinct_id": person, "pad": "x" * pad}}]).encode()
    return TrackingCall("mixpanel", person, "POST", url, headers, body)


def grouped(*calls: TrackingCall, size: int = 2000) -> list[list[str]]:
    claims = [Claimed(str(at), call, 1, 0.0) for at, call in enumerate(calls)]
    return [[claimed.call.person for claimed in group] for group in groups(claims, size)]


def test_events_for_one_endpoint_go_together_and_others_by_themselves() -> None:
    imported = event("cleo", url="https://api.mixpanel.com/import?strict=1")
    other_project = event("dora", headers=(*JSON, ("Authorization", "Basic eDo=")))
    assert grouped(event("ann"), imported, event("bob"), other_project, event("eve")) == [
        ["ann", "bob", "eve"],
        ["cleo"],
        ["dora"],
    ]


def test_a_group_has_its_size_and_the_next_goes_on() -> None:
    assert grouped(*map(event, "abcde"), size=2) == [["a", "b"], ["c", "d"], ["e"]]
    assert [len(group) for group in grouped(*map(event, "a" * 2001))] == [2000, 1]


def test_a_body_stays_below_a_megabyte_but_a_call_that_is_larger_is_sent_all_the_same() -> None:
    large = [event(person, pad=400_000) for person in "abc"]
    assert grouped(*large, event("d", pad=2_000_000)) == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize(
    "call",
    [
        TrackingCall("mixpanel", "x", "GET", TRACK, JSON, b'[{"event":"e"}]'),
        TrackingCall("mixpanel", "x", "POST", TRACK, (), b'[{"event":"e"}]'),
        TrackingCall("mixpanel", "x", "POST", TRACK, JSON, b'{"event":"e"}'),
        TrackingCall("mixpanel", "x", "POST", TRACK, JSON, b"[]"),
        TrackingCall("mixpanel", "x", "POST", TRACK, JSON, b""),
        TrackingCall("kissmetrics", "x", "POST", TRACK, JSON, b'[{"event":"e"}]'),
    ],
)
def test_what_is_no_array_of_events_for_mixpanel_goes_alone(call: TrackingCall) -> None:
    assert grouped(call, call) == [["x"], ["x"]]
    assert most("another") == 1


def test_a_group_is_one_array_of_its_events_in_their_own_bytes() -> None:
    calls = [event("ann"), event("bob")]
    one = as_one(calls)
    assert [made["properties"]["distinct_id"] for made in json.loads(one.body)] == ["ann", "bob"]
    assert (one.url, one.headers, one.method) == (calls[0].url, calls[0].headers, "POST")
    assert as_one(calls[:1]) is calls[0]


def refusal(*failed: int, imported: int, **extra: object) -> bytes:
    records = [
        {"index": at, "insert_id": "x", "field": "properties.time", "message": "invalid for bob"}
        for at in failed
    ]
    answer = {
        "code": 400,
        "status": "Bad Request",
        "num_records_imported": imported,
        "failed_records": records,
    }
    return json.dumps({**answer, **extra}).encode()


def outcomes(body: bytes, status: int = 200, calls: int = 3) -> list[str]:
    return [verdict.outcome for verdict in judge_each([event("ann")] * calls, status, body)]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"status":1,"error":null}', ["delivered"] * 3),
        (200, b'{"code":200,"num_records_imported":3,"status":"OK"}', ["delivered"] * 3),
        (503, b"", ["retry"] * 3),
        (429, b"", ["retry"] * 3),
        (200, b"<html>", ["retry"] * 3),
        (200, b'{"status":0,"error":"data, missing or empty"}', ["unclear"] * 3),
        (413, b"", ["unclear"] * 3),
        (400, b"[" * 60_000, ["unclear"] * 3),
        (400, refusal(1, imported=2), ["delivered", "refused", "delivered"]),
        (400, refusal(0, 2, imported=1), ["refused", "delivered", "refused"]),
        (400, refusal(0, 1, 2, imported=0), ["refused"] * 3),
        (400, refusal(imported=3), ["unclear"] * 3),
        (400, refusal(1, imported=0), ["unclear"] * 3),
        (400, refusal(3, imported=2), ["unclear"] * 3),
        (400, refusal(1, imported=2, failed_records=[{"index": "one"}]), ["unclear"] * 3),
        (400, refusal(1, imported=2, failed_records=[7]), ["unclear"] * 3),
    ],
)
def test_what_an_answer_means_for_each_of_a_group(status: int, body: bytes, expected: list[str]) -> None:
    assert outcomes(body, status) == expected


def test_places_say_nothing_where_a_call_holds_two_events() -> None:
    two = TrackingCall("mixpanel", "ann", "POST", TRACK, JSON, b'[{"event":"a"},{"event":"b"}]')
    verdicts = judge_each([two, event("bob")], 400, refusal(1, imported=1))
    assert [verdict.outcome for verdict in verdicts] == ["unclear"] * 2


def test_a_call_alone_is_judged_alone_and_never_unclear() -> None:
    assert outcomes(b'{"status":0}', calls=1) == outcomes(b"", 413, calls=1) == ["refused"]


def test_each_refusal_says_why_without_the_visitor() -> None:
    reasons = [verdict.reason for verdict in judge_each([event("bob")] * 2, 400, refusal(1, imported=1))]
    assert reasons == ["", "HTTP 400: properties time invalid for"]
