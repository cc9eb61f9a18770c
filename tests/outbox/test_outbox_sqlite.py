from __future__ import annotations

from contextlib import closing
from pathlib import Path

from outbox_kit import Clock, call, names, open_file

from kmproxy.outbox import SqliteOutbox
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


async def test_a_call_comes_back_as_it_was_put(outbox: SqliteOutbox, clock: Clock) -> None:
    await outbox.put([ODD])
    [claimed] = await outbox.claim(10, clock.now)
    assert claimed.call == ODD
    assert (claimed.attempts, claimed.queued_at) == (1, clock.now)


async def test_calls_survive_closing_and_opening(tmp_path: Path, clock: Clock) -> None:
    with closing(open_file(tmp_path, clock)) as first:
        await first.put([ODD])
    with closing(open_file(tmp_path, clock)) as second:
        assert [claimed.call for claimed in await second.claim(10, clock.now)] == [ODD]


async def test_a_persons_second_call_waits_for_the_first(outbox: SqliteOutbox, clock: Clock) -> None:
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


async def test_a_failed_call_keeps_its_place_before_the_persons_next(
    outbox: SqliteOutbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2")])
    [claimed] = await outbox.claim(10, clock.now)
    await outbox.fail(claimed.id, retry_at=clock.now + 30, reason="HTTP 503")
    assert await outbox.claim(10, clock.now + 29) == []
    [again] = await outbox.claim(10, clock.now + 30)
    assert (again.id, again.attempts) == (claimed.id, 2)


async def test_a_vendor_that_is_down_does_not_hold_up_the_other_vendors_calls_of_a_person(
    outbox: SqliteOutbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1", provider="mixpanel"), call("ann", "2", provider="kissmetrics")])
    assert names(await outbox.claim(10, clock.now)) == ["1", "2"]


async def test_the_longest_due_leave_first_and_never_more_than_asked_for(
    outbox: SqliteOutbox, clock: Clock
) -> None:
    for name in "abcd":
        await outbox.put([call(name, name, provider="mixpanel" if name == "c" else "kissmetrics")])
        clock.now += 1
    assert names(await outbox.claim(3, clock.now)) == ["a", "b", "c"]
    assert await outbox.claim(0, clock.now) == []
    assert await outbox.claim(5, clock.now, "mixpanel") == []
    assert names(await outbox.claim(5, clock.now, "kissmetrics")) == ["d"]


async def test_each_providers_next_due_time_is_known(outbox: SqliteOutbox, clock: Clock) -> None:
    assert await outbox.next_due() == {}
    start = clock.now
    await outbox.put([call("ann"), call("ann"), call("bob"), call("ann", provider="mixpanel")])
    assert await outbox.next_due() == {"kissmetrics": start, "mixpanel": start}
    [claimed] = await outbox.claim(5, clock.now, "mixpanel")
    await outbox.fail(claimed.id, retry_at=start + 7, reason="")
    assert await outbox.next_due() == {"kissmetrics": start, "mixpanel": start + 7}


async def test_a_claim_whose_sender_died_comes_back_after_its_lease(
    outbox: SqliteOutbox, clock: Clock
) -> None:
    await outbox.put([call()])
    await outbox.claim(1, clock.now)
    assert await outbox.claim(1, clock.now + 59.9) == []
    [again] = await outbox.claim(1, clock.now + 60)
    assert again.attempts == 2


async def test_a_late_word_about_a_call_that_is_gone_touches_no_other(
    outbox: SqliteOutbox, clock: Clock
) -> None:
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
    outbox: SqliteOutbox, clock: Clock
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


async def test_depth_and_age_are_told(outbox: SqliteOutbox, clock: Clock) -> None:
    stats = await outbox.stats()
    assert (stats.waiting, stats.set_apart, stats.oldest_age) == (0, 0, 0.0)
    await outbox.put([call("ann"), call("ann"), call("bob")])
    clock.now += 12
    [claimed, _] = await outbox.claim(9, clock.now)
    await outbox.set_apart(claimed.id, reason="")
    stats = await outbox.stats()
    assert (stats.waiting, stats.set_apart, stats.oldest_age) == (2, 1, 12.0)
