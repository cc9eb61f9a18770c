from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from outbox_chaos import Chaos, Worker
from outbox_kit import eventually
from outbox_redis import RedisServer
from outbox_vendor import Vendor
from outbox_workers import in_order

pytest_plugins = ("outbox_fixtures",)

WORKERS = 3
CALLS = 3400
"""Of each worker."""

SEED = 20


async def survive(url: str, vendor: Vendor, disturbances: int, redis: RedisServer | None = None) -> Chaos:
    """Put all calls while workers, and Redis, are killed; what the vendor took when all has arrived."""
    rng, chaos = random.Random(SEED), Chaos(SEED)
    vendor.usual = chaos
    workers = [Worker(str(name), url, vendor.base, CALLS) for name in range(WORKERS)]
    for worker in workers:
        await worker.start()
    for at in range(disturbances):
        await asyncio.sleep(0.3 + rng.random() * 0.6)
        if redis and at % 3 == 2:
            redis.kill()
            await asyncio.to_thread(redis.start)
        victim = rng.choice(workers)
        await victim.kill()
        await victim.start()
    await eventually(lambda: sum(worker.accepted for worker in workers) == CALLS * WORKERS, 120)
    await eventually(lambda: len(chaos.took) == CALLS * WORKERS, 120)
    for worker in workers:
        await worker.kill()
    return chaos


def check(chaos: Chaos) -> None:
    assert set(chaos.took) == {
        (f"{worker}-{number % 40}", f"{number:05}") for worker in range(WORKERS) for number in range(CALLS)
    }
    assert in_order(list(chaos.took))
    assert {len(keys) for keys in chaos.took.values()} == {1}
    assert chaos.times > len(chaos.took)  # some did arrive twice


@pytest.mark.timeout(300)
async def test_processes_killed_at_any_moment_lose_nothing_and_send_nothing_out_of_order(
    tmp_path: Path, vendor: Vendor
) -> None:
    check(await survive(f"sqlite:{tmp_path / 'outbox.db'}", vendor, disturbances=8))


@pytest.mark.timeout(300)
async def test_nor_do_they_with_a_redis_that_is_killed_as_well(
    own_redis: RedisServer, vendor: Vendor
) -> None:
    check(await survive(own_redis.url, vendor, disturbances=8, redis=own_redis))
