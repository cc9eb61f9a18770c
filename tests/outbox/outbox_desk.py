"""A sender at work: its outbox, its vendor, and what it told its observers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outbox_kit import Clock, call, eventually
from outbox_vendor import Vendor

from kmproxy.outbox import Outbox
from kmproxy.outbox.sender import Sender
from kmproxy.outbox.vendor import Vendors
from kmproxy.outbox.verdict import Outcome
from kmproxy.tracking import TrackingCall

LEASE = 30 * 86400.0  # the clock leaps by hours here, and no claim shall end by that


def retries(tries: int) -> list[Outcome]:
    return ["retry"] * tries


class Desk:
    """A sender with its vendor, and what the sender told its observers."""

    def __init__(self, outbox: Outbox, clock: Clock, vendor: Vendor, base: str) -> None:
        self.outbox, self.clock, self.vendor, self.base = outbox, clock, vendor, base
        self.timeout = 10.0
        self.results: list[tuple[str, Outcome]] = []
        self.delivered: list[TrackingCall] = []
        self.sender = Sender(
            outbox,
            vendors=lambda: Vendors(self.timeout),
            clock=clock,
            rng=lambda: 1.0,
            concurrency=4,
            store_pause=0.01,
            on_result=lambda provider, outcome: self.results.append((provider, outcome)),
            on_delivered=self.delivered.append,
        )

    def call(self, person: str, name: str, provider: str = "kissmetrics") -> TrackingCall:
        return call(person, name, provider=provider, base=self.base)

    async def put(self, *calls: TrackingCall) -> None:
        await self.outbox.put(calls)
        self.sender.wake()

    async def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.sender.wake()

    async def saw(self, *outcomes: Outcome) -> None:
        await eventually(lambda: len(self.results) >= len(outcomes))
        assert [outcome for _, outcome in self.results] == list(outcomes)

    async def took(self, count: int) -> list[tuple[str, str]]:
        """What the vendor took, once that is ``count`` calls; hours pass meanwhile."""
        while len(self.delivered) < count:
            await self.later(3600)
            await asyncio.sleep(0.002)
        return self.vendor.took


@asynccontextmanager
async def running(sender: Sender, within: float = 0.0) -> AsyncIterator[None]:
    await sender.start()
    try:
        yield
    finally:
        await sender.stop(within)
