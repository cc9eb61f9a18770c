from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from outbox_desk import Desk, running
from outbox_kit import Clock, call, names
from outbox_redis import RedisServer
from outbox_stores import RedisStore
from outbox_vendor import Vendor

pytest_plugins = ("outbox_fixtures",)


async def test_a_second_node_takes_over_when_the_lease_ends(redis_server: RedisServer, clock: Clock) -> None:
    store = RedisStore(redis_server.url)
    with closing(store.open(clock)) as one, closing(store.open(clock)) as other:
        await one.put([call("ann", "1"), call("ann", "2"), call("bob", "3")])
        assert names(await one.claim(9, clock.now)) == ["1", "3"]
        assert await other.claim(9, clock.now + 59) == []
        again = await other.claim(9, clock.now + 60)
        assert [(claimed.call.person, claimed.attempts) for claimed in again] == [("ann", 2), ("bob", 2)]
        await other.done(again[0].id)
        assert names(await one.claim(9, clock.now + 60)) == ["2"]


class Jealous(Vendor):
    """Remembers if two calls of one person were ever under way at once; slow, and often out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[str] = []
        self.twice_at_once: list[str] = []
        self.usual = self.reluctant

    async def reluctant(self, request: web.Request) -> web.StreamResponse:
        person = request.query["_p"]
        if person in self.under_way:
            self.twice_at_once.append(person)
        self.under_way.append(person)
        await asyncio.sleep(random.random() * 0.01)
        self.under_way.remove(person)
        return web.Response(status=200 if random.random() < 0.9 else 500)


@pytest.fixture
async def nodes(
    redis_server: RedisServer, clock: Clock, aiohttp_server: Callable[..., Awaitable[TestServer]]
) -> AsyncIterator[list[Desk]]:
    vendor, store = Jealous(), RedisStore(redis_server.url)
    server = await aiohttp_server(vendor.application())
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(3):
            outbox = stack.enter_context(closing(store.open(clock, lease=30 * 86400.0)))
            nodes.append(Desk(outbox, clock, vendor, f"http://127.0.0.1:{server.port}"))
            await stack.enter_async_context(running(nodes[-1].sender))
        yield nodes


async def test_senders_of_three_nodes_never_send_a_persons_calls_out_of_order_nor_two_at_a_time(
    nodes: list[Desk],
) -> None:
    people = [f"person-{number}" for number in range(12)]
    for number in range(12):
        await random.choice(nodes).put(*(nodes[0].call(person, str(number)) for person in people))
    vendor = nodes[0].vendor
    assert isinstance(vendor, Jealous)
    async with asyncio.timeout(30):
        while sum(len(node.delivered) for node in nodes) < 144:
            await nodes[0].later(60)
            await asyncio.gather(*(node.later(0) for node in nodes))
            await asyncio.sleep(0.005)
    assert vendor.twice_at_once == []
    for person in people:
        assert [name for who, name in vendor.took if who == person] == [str(number) for number in range(12)]
    assert all(node.delivered for node in nodes)
