from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from outbox_kit import Clock, call
from outbox_stores import Store

from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


def test_a_thread_without_an_event_loop_can_put(outbox: Outbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda person: outbox.put_blocking([call(str(person))]), range(50)))
    assert asyncio.run(outbox.stats()).waiting == 50


async def test_nothing_to_put_is_no_error(outbox: Outbox) -> None:
    await outbox.put([])
    await asyncio.to_thread(outbox.put_blocking, [])
    assert (await outbox.stats()).waiting == 0


async def test_what_cant_be_stored_is_refused_and_the_rest_is_not(outbox: Outbox) -> None:
    bad = TrackingCall("kissmetrics", "ann", "GET", "https://vendor.example/\udc80")
    results = await asyncio.gather(
        outbox.put([call()]), outbox.put([bad]), outbox.put([call()]), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), OutboxError, type(None)]


async def test_a_closed_outbox_refuses_and_may_be_closed_again(outbox: Outbox) -> None:
    outbox.close()
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        await outbox.put([call()])


async def test_closing_waits_for_what_was_put(store: Store, clock: Clock) -> None:
    outbox = store.open(clock)
    puts = [asyncio.ensure_future(outbox.put([call(str(person))])) for person in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(outbox.close)
    await asyncio.gather(*puts)
    with closing(store.open(clock)) as again:
        assert (await again.stats()).waiting == 50
