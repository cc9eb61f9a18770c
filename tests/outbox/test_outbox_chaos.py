"""Proxies are killed at any moment, sender and all, while visitors arrive and the vendor fails.

``make chaos`` does it with 10,000 arrivals and prints what happened.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
from outbox_chaos import Arrival, Call, Chaos, Node, Visitors, out_of_order
from outbox_kit import eventually
from outbox_redis import RedisServer
from outbox_vendor import Vendor

pytest_plugins = ("outbox_fixtures",)

VISITS = int(os.environ.get("CHAOS_VISITS", "10"))
"""Of each person."""

PERSONS = 40
KILLS = VISITS // 6
SEED = int(os.environ.get("CHAOS_SEED", "20"))


async def survive(folder: Path, url: str, vendor: Vendor, redis: RedisServer | None = None) -> None:
    """Let all arrive while nodes, and Redis, are killed; check what the vendor took in the end."""
    rng, chaos = random.Random(SEED), Chaos(SEED)
    vendor.usual = chaos
    nodes = [Node(folder, name, url, vendor.base) for name in ("one", "two")]
    visitors = Visitors([node.url for node in nodes], PERSONS, VISITS, rng)
    for node in nodes:
        await node.start()
    begun = time.monotonic()
    try:
        arriving = asyncio.create_task(visitors.arrive())
        await _disturb(nodes, visitors, rng, redis)
        await arriving
        expected = {call for arrival in visitors.accepted for call in arrival.calls}
        await eventually(lambda: expected <= chaos.took.keys(), 240)
    finally:
        for node in nodes:
            await node.kill()
    _check(visitors.accepted, expected, chaos)
    assert not any("Traceback" in node.log() for node in nodes)
    print(
        f"\n{len(visitors.accepted)} arrivals answered, {visitors.refused} tries were not; {KILLS + 1} nodes"
        f"{f' and {(KILLS + 2) // 3} Redis' if redis else ''} killed; {len(expected)} calls came "
        f"{chaos.times} times; {time.monotonic() - begun:.0f} s"
    )


async def _disturb(
    nodes: list[Node], visitors: Visitors, rng: random.Random, redis: RedisServer | None
) -> None:
    """Kill a node whenever some more have arrived, and once more when all have: there is a lot to send."""
    moments = sorted(rng.sample(range(1, PERSONS * VISITS), KILLS))
    for at, moment in enumerate([*moments, PERSONS * VISITS]):
        await visitors.have_come(moment)
        if redis and at % 3 == 1:
            redis.kill()
            await asyncio.to_thread(redis.start)
        victim = rng.choice(nodes)
        await victim.kill()
        await victim.start()


def _check(accepted: list[Arrival], expected: set[Call], chaos: Chaos) -> None:
    assert len(accepted) == PERSONS * VISITS
    assert {len(keys) for keys in chaos.took.values()} == {1}, "a duplicate has another key"
    assert chaos.times > len(chaos.took), "nothing arrived twice"
    # Of a try that was not answered nobody knows when it was; what was answered came before the next.
    assert not out_of_order(chaos.took, expected)


@pytest.mark.timeout(400)
async def test_proxies_killed_at_any_moment_lose_nothing_and_send_nothing_out_of_order(
    tmp_path: Path, vendor: Vendor
) -> None:
    await survive(tmp_path, f"sqlite:{tmp_path / 'outbox.db'}", vendor)


@pytest.mark.timeout(400)
async def test_nor_do_they_with_a_redis_that_is_killed_as_well(
    tmp_path: Path, own_redis: RedisServer, vendor: Vendor
) -> None:
    await survive(tmp_path, own_redis.url, vendor, own_redis)
