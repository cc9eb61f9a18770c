"""kmproxy is told to stop while visitors are there, and another one is started."""

from __future__ import annotations

import asyncio

from .proxy import DELAY, Proxy
from .record import CLOSED, Record

_LATE = 0.3
"""Seconds before the end in which a request may have been sent and not been read."""

_MOST = DELAY + 8 + 1.5
"""Seconds it may take: then ``drain_timeout`` for what is in flight, and as long as tracking calls have."""


async def drain(proxy: Proxy, record: Record) -> float:
    """Whatever was asked while connections were still taken must be answered.

    Gives the seconds from SIGTERM to the end. Raises StartError.
    """
    told, record.timing = record.told_to_reconnect, False  # The time that it takes to start is not meant.
    stopping = asyncio.create_task(proxy.stop())
    await asyncio.sleep(DELAY - _LATE)
    with record.down(CLOSED):
        status, seconds = await stopping
        await proxy.start()
    if status:
        record.fault("exit status", str(status))
    if seconds > _MOST:
        record.fault("slow to stop", f"{seconds:.1f} s")
    if record.told_to_reconnect == told:
        record.fault("nobody was told to reconnect", "by Connection: close")
    return seconds
