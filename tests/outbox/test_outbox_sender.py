from __future__ import annotations

import asyncio
import logging

import pytest
from outbox_desk import Desk, retries
from outbox_kit import call, eventually
from outbox_vendor import hang, reset, status

from kmproxy import __version__
from kmproxy.outbox.backoff import KEEP_TRYING
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


async def test_a_call_put_while_the_sender_sleeps_leaves_at_once(desk: Desk) -> None:
    await asyncio.sleep(0.02)
    await desk.put(desk.call("ann", "1"))
    await desk.saw("delivered")
    assert desk.vendor.took == [("ann", "1")]
    assert desk.results == [("kissmetrics", "delivered")]
    assert (await desk.outbox.stats()).waiting == 0


async def test_the_bytes_go_out_as_they_were_built(desk: Desk) -> None:
    target = "/import?strict=1&_p=%e9%2C%7e+a;b&_n='(x)'&flag&u=%2F"
    headers = (
        ("Content-Type", "application/json"),
        ("X-Same", "1"),
        ("X-Same", "2"),
        ("Authorization", "Basic eDo="),
    )
    await desk.put(
        TrackingCall("kissmetrics", "ann", "POST", desk.base + target, headers, b'[{"event":"\xc3\xa9"}]')
    )
    await desk.saw("delivered")
    [request] = desk.vendor.requests
    assert (request.method, request.raw_path) == ("POST", target)
    assert set(headers) <= set(request.headers.items())
    assert request.headers.getall("X-Same") == ["1", "2"]
    assert request.headers["User-Agent"] == f"kmproxy/{__version__}"
    assert desk.vendor.bodies == [b'[{"event":"\xc3\xa9"}]']


async def test_the_vendor_down_for_a_while_then_up_every_call_arrives_in_order_per_person(desk: Desk) -> None:
    desk.vendor.answers = [reset, status(500), status(503), reset, reset, status(502)]
    people = ["ann", "bob", "cleo"]
    await desk.put(*(desk.call(person, str(number)) for number in range(5) for person in people))
    took = await desk.took(15)
    for person in people:
        assert [name for who, name in took if who == person] == ["0", "1", "2", "3", "4"]


async def test_a_vendor_that_hangs_is_given_up_on_and_tried_again(desk: Desk) -> None:
    await desk.sender.stop()
    desk.timeout = 0.05
    await desk.sender.start()
    until = asyncio.Event()
    desk.vendor.answers = [hang(until)]
    await desk.put(desk.call("ann", "1"))
    await desk.saw("retry")
    until.set()
    await desk.later(1)
    await desk.saw("retry", "delivered")


async def test_nobody_listening_is_tried_again(desk: Desk, unused_tcp_port: int) -> None:
    await desk.put(call("ann", "1", base=f"http://127.0.0.1:{unused_tcp_port}"))
    await desk.saw("retry")
    assert (await desk.outbox.stats()).waiting == 1


async def test_a_vendor_that_hangs_does_not_hold_up_the_other(desk: Desk) -> None:
    until = asyncio.Event()
    desk.vendor.answers = [hang(until)] * 4
    await desk.put(*(desk.call(str(person), "1", "other") for person in range(20)))
    await eventually(lambda: desk.vendor.at_once == 4)
    await desk.put(*(desk.call(str(person), "1") for person in range(20)))
    await eventually(lambda: len(desk.delivered) == 20)
    assert desk.results == [("kissmetrics", "delivered")] * 20
    until.set()


async def test_no_more_than_so_many_are_in_flight(desk: Desk) -> None:
    await desk.put(*(desk.call(str(person), "1") for person in range(40)))
    await eventually(lambda: len(desk.delivered) == 40)
    assert desk.vendor.most_at_once <= 4


async def test_too_many_requests_holds_back_all_calls_to_that_vendor_as_long_as_it_asks(desk: Desk) -> None:
    desk.vendor.answers = [status(429, **{"Retry-After": "90"})]
    await desk.put(desk.call("ann", "1"))
    await desk.saw("retry")
    await desk.put(desk.call("bob", "2"))
    await desk.later(89)
    await asyncio.sleep(0.05)
    assert len(desk.vendor.requests) == 1
    await desk.later(1)
    await desk.saw("retry", "delivered", "delivered")


async def test_each_failure_waits_longer(desk: Desk) -> None:
    desk.vendor.answers = [status(500)] * 3
    await desk.put(desk.call("ann", "1"))
    for tries, seconds in [(1, 1.0), (2, 2.0), (3, 4.0)]:
        await desk.saw(*retries(tries))
        assert await desk.outbox.next_due() == {"kissmetrics": desk.clock.now + seconds}
        await desk.later(seconds)
    await desk.saw("retry", "retry", "retry", "delivered")


async def test_a_refused_call_is_set_apart_and_the_persons_next_goes_on(desk: Desk) -> None:
    desk.vendor.answers = [status(400, '{"status":0,"error":"data, missing or empty: ann"}')]
    desk.vendor.usual = status(200, "1")
    await desk.put(desk.call("ann", "1", "mixpanel"), desk.call("ann", "2", "mixpanel"))
    await desk.saw("refused", "delivered")
    [apart] = await desk.outbox.refused(10)
    assert apart.call == desk.call("ann", "1", "mixpanel")
    assert apart.reason == "HTTP 400: error data missing or empty"


async def test_after_a_week_of_failures_the_call_is_set_apart_and_the_persons_next_goes_on(
    desk: Desk,
) -> None:
    desk.vendor.answers = [status(401)] * 12
    await desk.put(desk.call("ann", "1"), desk.call("ann", "2"))
    for tries in range(1, 12):
        await desk.saw(*retries(tries))
        await desk.later(KEEP_TRYING / 11 + 1)
    await desk.saw(*retries(11), "expired", "delivered")
    [apart] = await desk.outbox.refused(10)
    assert apart.reason == "given up after a week: HTTP 401"
    assert desk.vendor.took == [("ann", "2")]


async def test_a_redirect_is_not_followed(desk: Desk) -> None:
    desk.vendor.answers = [status(302, Location="/elsewhere")]
    await desk.put(desk.call("ann", "1"))
    await desk.saw("retry")
    assert len(desk.vendor.requests) == 1


async def test_a_vendors_cookies_are_not_kept(desk: Desk) -> None:
    desk.vendor.answers = [status(200, **{"Set-Cookie": "a=b; Path=/"})]
    await desk.put(desk.call("ann", "1"), desk.call("ann", "2"))
    await desk.saw("delivered", "delivered")
    assert all("Cookie" not in request.headers for request in desk.vendor.requests)


async def test_an_answer_without_end_is_read_no_further_than_needed(desk: Desk) -> None:
    desk.vendor.usual = status(200, "1" * 1_000_000)
    await desk.put(desk.call("ann", "1"))
    await desk.saw("delivered")


@pytest.mark.parametrize(
    "url", ["", "no url", "http://", "http://[", "ftp://vendor.example/", "http://a:99999/"]
)
async def test_a_call_that_cant_be_sent_is_no_reason_to_stop(desk: Desk, url: str) -> None:
    await desk.put(TrackingCall("kissmetrics", "odd", "GET", url), desk.call("ann", "1"))
    await eventually(lambda: len(desk.results) >= 2)
    assert sorted(outcome for _, outcome in desk.results[:2]) == ["delivered", "retry"]


async def test_no_log_holds_an_identity(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.vendor.answers = [status(400, "who is SECRET?"), status(500, "SECRET"), reset]
    for number in range(4):
        await desk.put(desk.call(f"SECRET{number}", "1"))
    await desk.put(TrackingCall("kissmetrics", "SECRET", "GET", "http://[SECRET"))
    await eventually(lambda: len(desk.results) >= 5)
    ours = [record for record in caplog.records if record.name.startswith("kmproxy")]
    assert len(ours) >= 4
    assert not any("SECRET" in record.getMessage() or record.exc_info for record in ours)
