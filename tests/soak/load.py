"""Visitors, and what is done to everything they depend on."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp

from .disturbances import Disturbances
from .drain import drain
from .life import live
from .log import check_log
from .memory import Memory, Trend
from .options import Options
from .posts import check_posts
from .record import Record
from .stage import Stage, staged
from .visitor import Visitor
from .world import World


@dataclass(frozen=True)
class Load:
    """What came of it."""

    record: Record
    seconds: float
    promised: int
    """Tracking calls of arrivals that were answered."""
    came: int
    """Tracking calls that reached the vendors, duplicates and all."""
    memory: Trend
    cpu: float
    """CPU seconds of the worker that lived all the time."""
    stop: float
    """Seconds from SIGTERM to the end."""


_AFTER = 3.0
"""Seconds that visitors stay once kmproxy was started anew."""


async def run(options: Options, folder: Path) -> Load:
    """Raises StartError."""
    record = Record()
    async with staged(folder, options.outbox, options.workers, options.seed) as stage, _client() as client:
        world = World(stage.proxy, options.pace, record, client)
        return await _run(options, world, stage)


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))


async def _run(options: Options, world: World, stage: Stage) -> Load:
    proxy, record = stage.proxy, world.record
    begun = monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(options.visitors):
            group.create_task(live(Visitor(number, world, options.seed)))
        memory, cpu = await _disturbed(options, stage, record)
        stop = await drain(proxy, record)
        await asyncio.sleep(_AFTER)
        world.over.set()
    seconds = monotonic() - begun
    promised, came = await stage.vendor.check(world.promised, record)
    check_posts(stage.posts, record)
    status, _ = await proxy.stop()
    if status:
        record.fault("exit status", str(status))
    check_log(proxy.log, record)
    return Load(record, seconds, promised, came, memory, cpu, stop)


async def _disturbed(options: Options, stage: Stage, record: Record) -> tuple[Trend, float]:
    """Memory, and seconds of CPU, of the worker that lives all the time."""
    proxy, memory = stage.proxy, Memory(stage.proxy)
    oldest, begun = proxy.workers()[0], monotonic()
    until = begun + 60 * options.minutes
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(memory.watch())
        group.create_task(_tell(record, begun, until))
        await Disturbances(record, stage, random.Random(options.seed)).go_on(until)
        await asyncio.sleep(max(until - monotonic(), 0))
        watching.cancel()
    cpu = proxy.cpu().get(oldest, 0.0)
    if proxy.workers()[0] != oldest:
        record.fault("a worker died", "that nobody had killed")
    if not await proxy.is_up():
        record.fault("a worker that was killed is not replaced", "")
    return memory.check(oldest, record), cpu


async def _tell(record: Record, begun: float, until: float) -> None:
    """How far it is, every half a minute."""
    while (now := monotonic()) < until:
        faults = sum(record.faults.values())
        print(f"{now - begun:5.0f} s  {record.counts.total():9,} done  {faults} faults", flush=True)
        await asyncio.sleep(min(30, max(until - now, 0.1)))
