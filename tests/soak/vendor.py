"""The vendors' endpoint, in this process: mostly well, sometimes not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from outbox_chaos import Call, Chaos, out_of_order

from .record import Record

_WELL = {"ok": 988, "fail": 4, "reset": 2, "take and reset": 4, "slow": 2}
_DOWN = {"fail": 1, "reset": 1, "take and reset": 1}

_PATIENCE = 600.0
"""Seconds to be told of all that is left: a killed sender's calls are lent again after a minute."""


class Vendor:
    """``async with Vendor(seed).listening() as url``"""

    def __init__(self, seed: int) -> None:
        self._chaos = Chaos(seed)
        self.well()

    def well(self) -> None:
        self._chaos.weights = _WELL

    def fail(self) -> None:
        """From now on, always."""
        self._chaos.weights = _DOWN

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{rest:.*}", self._chaos)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            listener = web.TCPSite(runner, "127.0.0.1", 0)
            await listener.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def check(self, expected: set[Call], record: Record) -> tuple[int, int]:
        """Wait for all that was promised; what does not come, or not in order, is a fault.

        Gives how many calls were ``expected``, and how many came, duplicates and all.
        """
        took = self._chaos.took
        try:
            async with asyncio.timeout(_PATIENCE):
                while not expected <= took.keys():
                    await asyncio.sleep(0.2)
        except TimeoutError:
            for call in expected - took.keys():
                record.fault("a lost call", str(call))
        for person in out_of_order(took, expected):
            record.fault("calls out of order", str(person))
        for call, keys in took.items():
            if len(keys) > 1:
                record.fault("a duplicate with another key", str(call))
        return len(expected), self._chaos.times
