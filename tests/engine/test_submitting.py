"""A tracked form is recorded with its answer: of whom, when, and when not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine_kit import (
    BOTH,
    CRAWLER,
    DEVICE,
    FORM,
    HTML,
    MP,
    ONLY_MIXPANEL,
    A,
    arrive,
    ask,
    browser,
    km,
    rules,
    send,
    submit,
    through,
    written,
)
from test_vendors_table import a, f, told

from kmproxy.forms.submission import MAX_BODY
from kmproxy.messages import Request, values
from kmproxy.visit import Arrival

BODY = "username=ann&password=hunter2&plan=pro"
SAID = "username=ann&plan=pro&"
ANONYMOUS = km(A)
SEARCH = {"path": "/search", "event": "Searched", "method": "get"}
SAME_ORIGIN = (b"Sec-Fetch-Site", b"same-origin")
HASTY = (b"Sec-Purpose", b"prefetch")


def tracked(request: Request, **tables: Any) -> Arrival:
    return arrive(request, **{"form": [FORM, SEARCH], **tables})


def reasons(arrival: Arrival) -> list[tuple[str, str]]:
    return [(what, why) for what, _, why in rules(arrival) if what != "word"]


def test_the_page_that_answers_already_knows_the_name() -> None:
    arrival, departure = submit(tracked(send(BODY, cookie=ANONYMOUS)), BODY, *HTML)
    page = through(departure, b'<a href="https://www.acme-blog.example/">')
    assert page == b'<a href="https://www.acme-blog.example/?kmi=ann">'
    assert told(arrival) == a("ann", A) + f("ann", SAID)
    assert reasons(arrival) == [("rejected", "field-secret"), ("form", "recorded")]


def test_a_password_is_in_no_call() -> None:
    arrival, _ = submit(tracked(send(BODY), **BOTH), BODY)
    assert len(arrival.calls) == 2
    assert "hunter2" not in repr(arrival.calls)


@pytest.mark.parametrize("status", [200, 201, 204, 302, 303, 304])
def test_an_answer_that_is_no_error_takes_the_form(status: int) -> None:
    arrival, departure = submit(tracked(send(BODY, cookie=ANONYMOUS)), BODY, status=status)
    assert told(arrival) == a("ann", A) + f("ann", SAID)
    assert written(departure.headers) == {"km_ni": "ann"}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        *[(status, "error-answered") for status in (400, 401, 404, 413, 422, 429, 500, 503)],
        *[(status, "sent-on") for status in (301, 307, 308)],
    ],
)
def test_an_error_or_a_redirect_to_send_it_elsewhere_does_not(status: int, why: str) -> None:
    arrival, departure = submit(tracked(send(BODY, cookie=ANONYMOUS)), BODY, status=status)
    assert (told(arrival), written(departure.headers)) == ([], {})
    assert reasons(arrival) == [("form", why)]


def test_a_form_that_broke_off_is_not_recorded() -> None:
    before = tracked(send(BODY, cookie=ANONYMOUS))
    arrival, _ = submit(before, BODY[:-1])
    assert (told(arrival), reasons(arrival)) == ([], [("form", "not-whole")])


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (send(BODY, agent=CRAWLER), ("rejected", "crawler")),
        (send(BODY, (b"Sec-GPC", b"1")), ("rejected", "gpc")),
        (send(BODY, (b"Sec-Fetch-Site", b"cross-site")), ("form", "cross-site")),
        (send(BODY, (b"Origin", b"https://www.acme-blog.example")), ("form", "cross-site")),
        (send(BODY, (b"Origin", b"null")), ("form", "cross-site")),
        (ask("/search?q=a", agent=CRAWLER), ("rejected", "crawler")),
        (ask("/search?q=a"), ("form", "not-from-a-page")),
        (ask("/search?q=a", (b"Referer", b"https://www.rival.example/")), ("form", "not-from-a-page")),
    ],
)
def test_a_form_is_refused_for_a_reason(request_: Request, reason: tuple[str, str]) -> None:
    before = tracked(request_)
    assert before.form is None
    arrival, departure = submit(before, BODY)
    assert told(arrival) == []
    assert "km_ni" not in written(departure.headers)
    assert reason in reasons(arrival)


def test_a_consent_cookie_is_asked_for() -> None:
    consent = {"cookie": {"name": "ok", "pattern": "yes"}}
    refused, _ = submit(tracked(send(BODY), consent=consent), BODY)
    assert told(refused) == []
    agreed, _ = submit(tracked(send(BODY, cookie="ok=yes"), consent=consent), BODY)
    assert told(agreed) == f("ann", SAID)


@pytest.mark.parametrize(
    "request_",
    [
        send(BODY, target="/subscribe/"),
        send(BODY, target="/"),
        send(BODY, method="PUT"),
        send("", method="HEAD"),
        ask("/subscribe?username=ann", SAME_ORIGIN),
        send(BODY, target="/search"),
        ask("/search", SAME_ORIGIN),
        ask("/search?", SAME_ORIGIN),
        ask("/search?username=ann", SAME_ORIGIN, method="HEAD"),
        ask("/search?username=ann", SAME_ORIGIN, HASTY),
        ask("/search?username=ann", SAME_ORIGIN, document=((b"Sec-Fetch-Dest", b"iframe"),)),
        send(BODY, host="www.rival.example"),
    ],
)
def test_no_other_request_is_a_form(request_: Request) -> None:
    before = tracked(request_)
    arrival, _ = submit(before, BODY)
    assert (before.form, told(arrival), reasons(before)) == (None, [], reasons(arrival))
    assert {what for what, _ in reasons(arrival)} <= {"minted"}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({b"Content-Type": b"multipart/form-data; boundary=x"}, "multipart"),
        ({b"Content-Type": b"application/json"}, "content-type"),
        ({b"Content-Type": b"application/x-www-form-urlencoded; charset=koi8-r"}, "charset"),
        ({b"Content-Length": b"%d" % (MAX_BODY + 1)}, "too-large"),
        ({b"Content-Encoding": b"gzip"}, "compressed"),
    ],
)
def test_a_body_that_is_not_read_is_counted(headers: dict[bytes, bytes], reason: str) -> None:
    sent = send(BODY, cookie=ANONYMOUS)
    before = tracked(sent._replace(headers=tuple({**dict(sent.headers), **headers}.items())))
    assert before.form is not None
    assert not before.form.is_read
    arrival, departure = submit(before, BODY)
    assert (told(arrival), reasons(arrival)) == ([], [("form", reason)])
    assert written(departure.headers) == {}


def test_a_form_sent_by_get_is_its_query() -> None:
    target = "/search?username=ann&q=red+shoes&kmi="
    before = tracked(ask(target, SAME_ORIGIN, cookie=ANONYMOUS), arrival={"url": "leave"})
    assert before.form is not None
    arrival, departure = submit(before, "", *HTML)
    searched = "/e?username=ann&q=red%20shoes&_p=ann&_n=Searched"
    assert told(arrival) == [*a("ann", A), searched]
    assert written(departure.headers) == {"km_ni": "ann"}


def test_a_form_sent_by_get_to_another_domain_of_the_site_is_recorded_after_the_arrival() -> None:
    from_blog = (b"Referer", b"https://www.acme-blog.example/")
    at_once = tracked(ask("/search?q=a&kmi=bob", from_blog, cookie=ANONYMOUS))
    assert at_once.answer is not None
    assert at_once.form is None
    arrival, _ = submit(tracked(ask("/search?q=a", from_blog, cookie=km(A, "bob"))), "")
    assert told(arrival) == ["/e?q=a&_p=bob&_n=Searched"]


@pytest.mark.parametrize(
    ("said", "cookie", "kept", "calls"),
    [
        # A login: the app knows best.
        (
            (b"X-KM-Identify", b"ann-7"),
            ANONYMOUS,
            {"km_ai": A, "km_ni": "ann-7"},
            a("ann-7", A) + f("ann-7", SAID),
        ),
        ((b"X-KM-Identify", b"eve"), km(A, "bob"), {"km_ai": "eve", "km_ni": "eve"}, f("eve", SAID)),
        # The form that logs bob out was bob's, whatever stands in it: it names nobody new.
        ((b"X-KM-Clear-Identity", b"1"), km(A, "bob"), {"km_ai": "AAECAwQFBgcICQoLDA0ODxAREhM="}, None),
        (
            (b"X-KM-Clear-Identity", b"1"),
            ANONYMOUS,
            {"km_ai": A, "km_ni": "ann"},
            a("ann", A) + f("ann", SAID),
        ),
    ],
)
def test_what_the_app_says_goes_first(
    said: tuple[bytes, bytes], cookie: str, kept: dict[str, str], calls: list[str] | None
) -> None:
    arrival, departure = submit(tracked(send(BODY, cookie=cookie)), BODY, said)
    assert browser(cookie, values(departure.headers, b"set-cookie")) == kept
    assert told(arrival) == (f(kept["km_ai"], SAID) if calls is None else calls)


def test_an_event_of_the_apps_own_comes_before_the_forms() -> None:
    arrival, _ = submit(tracked(send(BODY)), BODY, (b"X-KM-Record", b"Posted"))
    assert [call.url.partition("_n=")[2].partition("&")[0] for call in arrival.calls] == [
        "Posted",
        "ann",
        "Subscribed",
    ]


def test_fields_that_identify_and_fields_that_do_not_leave_can_be_named() -> None:
    form = {**FORM, "identify_from": ["member"], "ignore": ["pl*"]}
    body = "username=ann&member=7&plan=pro"
    arrival, _ = submit(tracked(send(body, cookie=ANONYMOUS), form=[form]), body)
    assert told(arrival) == a("7", A) + f("7", "username=ann&member=7&")


def mixpanel(named: str = "") -> str:
    stored = {"distinct_id": named or f"$device:{DEVICE}", "$device_id": DEVICE, "utm_source": "x"}
    if named:
        stored["$user_id"] = named
    return f"{MP}={json.dumps(stored, separators=(',', ':'))}"


@pytest.mark.parametrize(
    ("named", "body", "events", "person"),
    [
        ("", "username=ann&plan=pro", ["$identify", "Subscribed"], "ann"),
        ("", "plan=pro", ["Subscribed"], f"$device:{DEVICE}"),
        ("", "username=unknown", ["Subscribed"], f"$device:{DEVICE}"),
        ("bob", "username=ann&plan=pro", ["Subscribed"], "bob"),
    ],
)
def test_mixpanel_is_told_alike(named: str, body: str, events: list[str], person: str) -> None:
    arrival, departure = submit(tracked(send(body, cookie=mixpanel(named)), **ONLY_MIXPANEL), body)
    sent = [json.loads(call.body)[0] for call in arrival.calls]
    assert [event["event"] for event in sent] == events
    said = sent[-1]["properties"]
    assert (said["distinct_id"], said.get("plan"), said["utm_source"]) == (
        person,
        "pro" if "plan" in body else None,
        "x",
    )
    stored = [json.loads(value) for value in written(departure.headers).values()]
    assert [cookie["$user_id"] for cookie in stored] == (["ann"] if len(events) == 2 else [])


def test_who_has_a_name_by_one_vendor_gets_none_by_the_other() -> None:
    cookie = f"{km(A, 'bob')}; {mixpanel()}"
    arrival, _ = submit(tracked(send(BODY, cookie=cookie), **BOTH), BODY)
    assert told(arrival)[:1] == f("bob", SAID)
    (event,) = [json.loads(call.body)[0] for call in arrival.calls[1:]]
    assert (event["event"], event["properties"]["distinct_id"]) == ("Subscribed", f"$device:{DEVICE}")


def test_a_new_visitor_is_one_person_to_both() -> None:
    arrival, departure = submit(tracked(send(BODY), **BOTH), BODY)
    assert told(arrival)[:1] == f("ann", SAID)
    assert json.loads(arrival.calls[1].body)[0]["properties"]["distinct_id"] == "ann"
    assert set(written(departure.headers)) == {"km_ni", MP}
