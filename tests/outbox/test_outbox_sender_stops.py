from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from outbox_desk import LEASE, Desk, running
from outbox_kit import Clock, eventually
from outbox_vendor import hang, status

from kmproxy.errors import OutboxError
from kmproxy.outbox import Claimed, SqliteOutbox
from kmproxy.outbox.sender import Sender

pytest_plugins = ("outbox_fixtures",)

with_another_store = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""The test replaces the desk's store, whichever that is."""


async def test_an_observer_that_crashes_is_no_reason_to_stop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*told: object) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(desk.sender, "_on_result", crash)
        await desk.put(desk.call("ann", "1"))
        await eventually(lambda: desk.vendor.took and not desk.sender._in_flight)
    await desk.put(desk.call("ann", "2"))
    await desk.saw("delivered")
    assert desk.vendor.took == [("ann", "1"), ("ann", "2")]


class Failing(SqliteOutbox):
    """Fails the named method as often as ``failures`` says."""

    failures: dict[str, int]
    error: Exception = OutboxError("outbox: database or disk is full")

    def _perhaps(self, method: str) -> None:
        if self.failures.get(method, 0) > 0:
            self.failures[method] -= 1
            raise self.error

    async def next_due(self) -> dict[str, float]:
        self._perhaps("next_due")
        return await super().next_due()

    async def claim(self, limit: int, now: float, provider: str | None = None) -> list[Claimed]:
        self._perhaps("claim")
        return await super().claim(limit, now, provider)

    async def done(self, *call_ids: str) -> None:
        self._perhaps("done")
        await super().done(*call_ids)

    async def fail(self, *call_ids: str, retry_at: float, reason: str) -> None:
        self._perhaps("fail")
        await super().fail(*call_ids, retry_at=retry_at, reason=reason)


@pytest.fixture
def failing(tmp_path: Path, clock: Clock) -> Iterator[Failing]:
    with closing(Failing(tmp_path / "failing.db", clock=clock)) as outbox:
        outbox.failures = {}
        yield outbox


@with_another_store
@pytest.mark.parametrize("error", [OutboxError("outbox: disk I/O error"), ValueError("a bug")])
@pytest.mark.parametrize("method", ["next_due", "claim"])
async def test_a_store_that_fails_to_lend_is_asked_again(
    desk: Desk, failing: Failing, method: str, error: Exception
) -> None:
    failing.failures, failing.error = {method: 3}, error
    desk.sender._outbox = failing
    await failing.put([desk.call("ann", "1")])
    desk.sender.wake()
    await desk.saw("delivered")
    assert failing.failures == {method: 0}


@with_another_store
async def test_a_store_that_fails_to_settle_is_told_again_and_nothing_is_sent_twice(
    desk: Desk, failing: Failing
) -> None:
    failing.failures = {"done": 3, "fail": 3}
    desk.sender._outbox = failing
    desk.vendor.answers = [status(500)]
    await failing.put([desk.call("ann", "1"), desk.call("ann", "2")])
    await desk.later(0)
    await desk.saw("retry")
    await desk.later(1)
    await desk.saw("retry", "delivered", "delivered")
    assert desk.vendor.took == [("ann", "1"), ("ann", "2")]


async def test_stopping_lets_what_is_in_flight_end(desk: Desk) -> None:
    until = asyncio.Event()
    desk.vendor.answers = [hang(until)]
    await desk.put(desk.call("ann", "1"), desk.call("ann", "2"))
    await eventually(lambda: desk.vendor.at_once)
    stopping = asyncio.ensure_future(desk.sender.stop(within=5))
    await asyncio.sleep(0.01)
    assert not stopping.done()
    until.set()
    await stopping
    await desk.saw("retry")
    assert (await desk.outbox.stats()).waiting == 2


async def test_stopping_gives_back_what_does_not_end_so_that_the_next_start_sends_it(desk: Desk) -> None:
    until = asyncio.Event()
    desk.vendor.answers = [hang(until)]
    await desk.put(desk.call("ann", "1"), desk.call("ann", "2"))
    await eventually(lambda: desk.vendor.at_once)
    await desk.sender.stop(within=0)
    until.set()
    assert desk.results == []
    await desk.sender.start()
    await desk.saw("delivered", "delivered")
    assert desk.vendor.took == [("ann", "1"), ("ann", "2")]


@with_another_store
async def test_stopping_while_the_store_fails_ends(desk: Desk, failing: Failing) -> None:
    failing.failures = {"done": 10**9, "fail": 10**9}
    desk.sender._outbox = failing
    await failing.put([desk.call("ann", "1")])
    desk.sender.wake()
    await eventually(lambda: desk.vendor.took)
    await desk.sender.stop(within=1)
    assert (await failing.stats()).waiting == 1


async def test_a_call_delivered_by_a_process_that_died_before_it_could_say_so_is_sent_once_more(
    desk: Desk,
) -> None:
    await desk.outbox.put([desk.call("ann", "1"), desk.call("ann", "2")])
    assert len(await desk.outbox.claim(1, desk.clock.now)) == 1  # by the process that died
    desk.sender.wake()
    await asyncio.sleep(0.02)
    assert desk.vendor.took == []
    await desk.later(LEASE)
    await desk.saw("delivered", "delivered")
    assert desk.vendor.took == [("ann", "1"), ("ann", "2")]


async def test_two_senders_on_one_outbox_send_each_call_once(desk: Desk) -> None:
    other = Sender(desk.outbox, clock=desk.clock)
    async with running(other):
        for person in range(100):
            await desk.put(desk.call(str(person), "1"))
            other.wake()
        await eventually(lambda: len(desk.vendor.took) >= 100)
    assert len(set(desk.vendor.took)) == len(desk.vendor.requests) == 100
