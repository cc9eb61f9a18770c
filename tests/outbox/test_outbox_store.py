from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from outbox_kit import Clock, call, names
from outbox_stores import Store

from kmproxy.outbox import Outbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


ODD = TrackingCall(
    "mixpanel",
    "b\u00f6b \udc80\x00'; DROP TABLE call; --",
    "POST",
    "https://api.mixpanel.com/import?strict=1&x=%E9%2c",
    (("Content-Type", "application/json"), ("X-Same", "1"), ("X-Same", "2")),
    bytes(range(256)),
)


async def test_a_call_comes_back_as_it_was_put(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([ODD])
    [claimed] = await outbox.claim(10, clock.now)
    assert claimed.call == ODD
    assert (claimed.attempts, claimed.queued_at) == (1, clock.now)


async def test_calls_survive_closing_and_opening(store: Store, clock: Clock) -> None:
    with closing(store.open(clock)) as first:
        await first.put([ODD])
    with closing(store.open(clock)) as second:
        assert [claimed.call for claimed in await second.claim(10, clock.now)] == [ODD]


async def test_a_persons_second_call_waits_for_the_first(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3")])
    await outbox.put([call("ann", "4")])
    first = await outbox.claim(10, clock.now)
    assert names(first) == ["1", "3"]
    assert await outbox.claim(10, clock.now) == []
    await outbox.done(first[0].id)
    second = await outbox.claim(10, clock.now)
    assert names(second) == ["2"]
    await outbox.set_apart(second[0].id, reason="HTTP 400")
    assert names(await outbox.claim(10, clock.now)) == ["4"]


async def test_a_failed_call_keeps_its_place_before_the_persons_next(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2")])
    [claimed] = await outbox.claim(10, clock.now)
    await outbox.fail(claimed.id, retry_at=clock.now + 30, reason="HTTP 503")
    assert await outbox.claim(10, clock.now + 29) == []
    [again] = await outbox.claim(10, clock.now + 30)
    assert (again.id, again.attempts) == (claimed.id, 2)


async def test_a_vendor_that_is_down_does_not_hold_up_the_other_vendors_calls_of_a_person(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1", provider="mixpanel"), call("ann", "2", provider="kissmetrics")])
    assert names(await outbox.claim(10, clock.now)) == ["1", "2"]


async def test_the_longest_due_leave_first_and_never_more_than_asked_for(
    outbox: Outbox, clock: Clock
) -> None:
    for name in "abcd":
        await outbox.put([call(name, name, provider="mixpanel" if name == "c" else "kissmetrics")])
        clock.now += 1
    assert names(await outbox.claim(3, clock.now)) == ["a", "b", "c"]
    assert await outbox.claim(0, clock.now) == []
    assert await outbox.claim(5, clock.now, "mixpanel") == []
    assert names(await outbox.claim(5, clock.now, "kissmetrics")) == ["d"]


async def test_each_providers_next_due_time_is_known(outbox: Outbox, clock: Clock) -> None:
    assert await outbox.next_due() == {}
    start = clock.now
    await outbox.put([call("ann"), call("ann"), call("bob"), call("ann", provider="mixpanel")])
    assert await outbox.next_due() == {"kissmetrics": start, "mixpanel": start}
    [claimed] = await outbox.claim(5, clock.now, "mixpanel")
    await outbox.fail(claimed.id, retry_at=start + 7, reason="")
    assert await outbox.next_due() == {"kissmetrics": start, "mixpanel": start + 7}


async def test_a_claim_whose_sender_died_comes_back_after_its_lease(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call()])
    await outbox.claim(1, clock.now)
    assert await outbox.claim(1, clock.now + 59.9) == []
    [again] = await outbox.claim(1, clock.now + 60)
    assert again.attempts == 2


async def test_a_late_word_about_a_call_that_is_gone_touches_no_other(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call("ann", "1")])
    [claimed] = await outbox.claim(1, clock.now)
    await outbox.done(claimed.id)
    await outbox.put([call("ann", "2"), call("ann", "3")])
    await outbox.done(claimed.id)
    await outbox.fail(claimed.id, retry_at=clock.now + 99, reason="late")
    await outbox.set_apart(claimed.id, reason="late")
    assert (await outbox.stats()).set_apart == 0
    assert names(await outbox.claim(1, clock.now)) == ["2"]


async def test_a_refused_call_is_kept_with_its_reason_and_can_be_replayed(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([ODD])
    [claimed] = await outbox.claim(1, clock.now)
    await outbox.set_apart(claimed.id, reason="HTTP 400")
    [apart] = await outbox.refused(10)
    assert (apart.call, apart.reason, apart.attempts) == (ODD, "HTTP 400", 1)
    clock.now += 90
    assert await outbox.replay([apart.id, apart.id, "999"]) == 1
    assert await outbox.refused(10) == []
    [again] = await outbox.claim(1, clock.now)
    assert (again.call, again.attempts, again.queued_at) == (ODD, 1, clock.now)


async def test_depth_and_age_are_told(outbox: Outbox, clock: Clock) -> None:
    stats = await outbox.stats()
    assert (stats.waiting, stats.set_apart, stats.oldest_age) == (0, 0, 0.0)
    await outbox.put([call("ann"), call("ann"), call("bob")])
    clock.now += 12
    [claimed, _] = await outbox.claim(9, clock.now)
    await outbox.set_apart(claimed.id, reason="")
    stats = await outbox.stats()
    assert (stats.waiting, stats.set_apart, stats.oldest_age) == (2, 1, 12.0)


async def test_a_failure_told_late_does_not_lend_a_persons_second_call(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2")])
    [claimed] = await outbox.claim(9, clock.now)
    await outbox.set_apart(claimed.id, reason="")
    await outbox.fail(claimed.id, retry_at=clock.now, reason="late")
    assert names(await outbox.claim(9, clock.now)) == ["2"]
    assert await outbox.claim(9, clock.now) == []


async def test_a_replayed_call_goes_behind_its_persons_others(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2")])
    [claimed] = await outbox.claim(9, clock.now)
    await outbox.set_apart(claimed.id, reason="")
    [apart] = await outbox.refused(1)
    assert await outbox.replay([apart.id]) == 1
    for name in "21":
        [claimed] = await outbox.claim(9, clock.now)
        assert names([claimed]) == [name]
        await outbox.done(claimed.id)
    assert (await outbox.stats()).waiting == 0


async def test_the_calls_set_apart_are_told_the_oldest_first_and_no_more_than_asked_for(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call(name, name) for name in "abc"])
    for claimed in await outbox.claim(9, clock.now):
        await outbox.set_apart(claimed.id, reason=claimed.call.person)
    assert [apart.reason for apart in await outbox.refused(2)] == ["a", "b"]
    assert await outbox.refused(0) == []


async def test_a_call_that_was_not_lent_yet_stays_behind_its_persons_first(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("ann", "3")])
    [claimed] = await outbox.claim(9, clock.now)
    second = str(int(claimed.id) + 1)
    await outbox.fail(second, retry_at=clock.now, reason="never lent")
    assert await outbox.claim(9, clock.now) == []
    await outbox.done(second)
    assert await outbox.claim(9, clock.now + 59) == []
    await outbox.done(claimed.id)
    assert names(await outbox.claim(9, clock.now)) == ["3"]


@pytest.mark.parametrize("call_id", ["", "-1", "0", "abc", "1-1", "9" * 40, "*", "\x00"])
async def test_an_id_that_was_never_given_is_no_error(outbox: Outbox, clock: Clock, call_id: str) -> None:
    await outbox.put([call()])
    await outbox.done(call_id)
    await outbox.fail(call_id, retry_at=clock.now + 9, reason="")
    await outbox.set_apart(call_id, reason="")
    assert await outbox.replay([call_id]) == 0
    assert names(await outbox.claim(9, clock.now)) == ["a"]


@pytest.mark.no_cover
async def test_thousands_of_calls_are_put_and_replayed_at_once(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([call(str(number)) for number in range(5000)])
    claims = await outbox.claim(5000, clock.now)
    await asyncio.gather(*(outbox.set_apart(claimed.id, reason="") for claimed in claims))
    assert await outbox.replay([apart.id for apart in await outbox.refused(9999)]) == 5000
    assert (await outbox.stats()).waiting == 5000
