from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing

import pytest
from aiohttp import web
from outbox_kit import Clock, eventually
from outbox_stores import Store
from outbox_vendor import Vendor, hang, ok
from outbox_workers import Workers, in_order, senders

pytest_plugins = ("outbox_fixtures",)

in_a_file = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.mark.parametrize("opened", [False, True], ids=["opened in the workers", "opened before the fork"])
async def test_all_that_forked_workers_put_is_sent_once_and_in_order(
    store: Store, vendor: Vendor, opened: bool
) -> None:
    with Workers(store.url, vendor.base, workers=4, calls=30, opened=opened) as workers:
        await workers.have_put()
        await eventually(lambda: len(vendor.took) >= 120)
        assert await workers.end() == b""
    assert set(vendor.took) == workers.expected
    assert len(vendor.took) == 120
    assert in_order(vendor.took)


@in_a_file
async def test_one_worker_sends_and_when_it_is_killed_another_sends_at_once(
    store: Store, vendor: Vendor
) -> None:
    until = asyncio.Event()
    vendor.usual = hang(until)
    with Workers(store.url, vendor.base, workers=3, calls=12) as workers:
        await workers.have_put()
        dead: set[int] = set()
        for _ in range(2):
            await eventually(lambda: len(set(senders(vendor))) > len(dead))
            [sender] = set(senders(vendor)) - dead
            os.kill(sender, signal.SIGKILL)
            dead.add(sender)
        vendor.usual = ok
        await eventually(lambda: len(set(vendor.took)) == 36)
        until.set()
        await workers.end()
    assert set(vendor.took) == workers.expected
    assert in_order(vendor.took)
    assert len(set(senders(vendor))) == 3


async def test_what_is_in_flight_when_a_worker_exits_may_end(
    store: Store, vendor: Vendor, clock: Clock
) -> None:
    until = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await until.wait()
        return await ok(request)

    vendor.usual = late
    with Workers(store.url, vendor.base, workers=1, calls=1) as workers:
        await workers.have_put()
        await eventually(lambda: vendor.requests)
        ending = asyncio.ensure_future(workers.end())
        await asyncio.sleep(0.1)
        assert not ending.done()
        until.set()
        assert await ending == b""
    assert len(vendor.requests) == 1
    with closing(store.open(clock)) as outbox:
        assert (await outbox.stats()).waiting == 0
