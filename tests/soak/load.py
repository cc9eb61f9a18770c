"""Visitors, and what is done to everything they depend on."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp

from .disturbances import Disturbances
from .memory import Memory, Trend
from .options import Options
from .proxy import Proxy
from .record import Record
from .stage import staged
from .visitor import Visitor, World


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


async def run(options: Options, folder: Path) -> Load:
    """Raises StartError."""
    record = Record()
    async with staged(folder, options.outbox, options.workers, options.seed) as stage, _client() as client:
        world = World(stage.proxy.port, options.pace, record, client)
        disturbances = Disturbances(record, stage, random.Random(options.seed))
        return await _run(options, world, disturbances)


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))


async def _run(options: Options, world: World, disturbances: Disturbances) -> Load:
    stage, record = disturbances.stage, disturbances.record
    proxy = stage.proxy
    oldest = proxy.workers()[0]
    begun, until = monotonic(), monotonic() + 60 * options.minutes
    memory = Memory(proxy)
    watching = asyncio.create_task(memory.watch())
    async with asyncio.TaskGroup() as group:
        group.create_task(disturbances.go_on(until))
        group.create_task(_tell(record, begun, until))
        for number in range(options.visitors):
            group.create_task(Visitor(number, world, options.seed).live(until))
    seconds = monotonic() - begun
    watching.cancel()
    cpu = proxy.cpu().get(oldest, 0.0)
    promised, came = await stage.vendor.check(world.accepted, record)
    if proxy.workers()[0] != oldest:
        record.fault("a worker died", "that nobody had killed")
    status, stop = await proxy.stop()
    _check(proxy, status, record)
    return Load(record, seconds, promised, came, memory.check(oldest, record), cpu, stop)


def _check(proxy: Proxy, status: int, record: Record) -> None:
    if status:
        record.fault("exit status", str(status))
    log = proxy.log.read_text(errors="replace")
    for sign in ("Traceback", '"where"'):
        if sign in log:
            at = log.index(sign)
            record.fault("an exception in the log", log[max(at - 1500, 0) : at + 3000])


async def _tell(record: Record, begun: float, until: float) -> None:
    """How far it is, every half a minute."""
    while (now := monotonic()) < until:
        faults = sum(record.faults.values())
        print(f"{now - begun:5.0f} s  {record.counts.total():9,} done  {faults} faults", flush=True)
        await asyncio.sleep(min(30, max(until - now, 0.1)))
