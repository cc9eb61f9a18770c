"""What goes wrong all the time, on purpose."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from time import monotonic

from . import site
from .process import is_alive
from .record import REDIS, Record
from .stage import Stage

_UPSTREAM, _REDIS, _VENDOR, _RELOAD, _WORKER = 8.0, 45.0, 40.0, 10.0, 30.0
"""Seconds from one to the next."""

_DOWN = 2.0
"""Seconds that an upstream, or Redis, is down."""

_VENDOR_DOWN = 8.0

_SEEN = 0.3
"""Seconds after a process is gone in which whoever was connected to it may not have looked yet."""

_TURNS = 5
"""Of our own loop, however late that is: within them whoever was connected has looked."""


@dataclass
class Disturbances:
    """All of them, each on its own clock."""

    record: Record
    stage: Stage
    luck: random.Random

    async def go_on(self, until: float) -> None:
        """Until ``until``, of the monotonic clock; everything is up again then."""
        kinds = [(_UPSTREAM, self._upstream), (_VENDOR, self._vendor), (_RELOAD, self._reload)]
        kinds += [(_WORKER, self._worker)] if len(self.stage.proxy.workers()) > 1 else []
        kinds += [(_REDIS, self._redis)] if self.stage.redis else []
        async with asyncio.TaskGroup() as group:
            for seconds, disturb in kinds:
                group.create_task(_every(seconds, disturb, until))

    async def _upstream(self) -> None:
        """The blog's only one, or one of the shop's: then the shop stays up."""
        victim = self.luck.choice(self.stage.origins)
        alone = victim is self.stage.origins[0]
        with self.record.down(f"all of {site.BLOG}") if alone else nullcontext():
            with self.record.down(site.BLOG if alone else site.SHOP):
                await victim.kill()
                await asyncio.sleep(_SEEN)
            await asyncio.sleep(_DOWN)
            await victim.start()

    async def _redis(self) -> None:
        redis = self.stage.redis
        assert redis is not None
        with self.record.down(REDIS):
            await asyncio.to_thread(redis.kill)
            await asyncio.sleep(_DOWN)
            await asyncio.to_thread(redis.start)

    async def _vendor(self) -> None:
        with self.record.down("the vendor"):
            self.stage.vendor.fail()
            await asyncio.sleep(_VENDOR_DOWN)
            self.stage.vendor.well()

    async def _reload(self) -> None:
        self.record.disturbed["reload"] += 1
        self.stage.proxy.reload()

    async def _worker(self) -> None:
        """Any but the oldest, whose memory is watched all the time."""
        victim = self.luck.choice(self.stage.proxy.workers()[1:])
        with self.record.down("worker"):
            os.kill(victim, signal.SIGKILL)
            while is_alive(victim):  # no child of ours: nobody tells
                await asyncio.sleep(0.01)
            await asyncio.sleep(_SEEN)
            for _ in range(_TURNS):
                await asyncio.sleep(0)


async def _every(seconds: float, disturb: Callable[[], Awaitable[None]], until: float) -> None:
    await asyncio.sleep(seconds / 2)
    while monotonic() < until - _VENDOR_DOWN:
        begun = monotonic()
        await disturb()
        await asyncio.sleep(max(0.0, min(begun + seconds, until) - monotonic()))
