"""What takes a while."""

from __future__ import annotations

import asyncio
from time import monotonic

import aiohttp

from . import site
from .record import CLOSED
from .visitor import Visitor

_PATIENCE = 60.0
"""Seconds for all that is said."""


async def listen(visitor: Visitor, host: str) -> None:
    """Hear an event stream out."""
    answer = await visitor.browser.get(host, "/events", "text/event-stream")
    expected = b"".join(site.event(visitor.name, number) for number in range(site.EVENTS))
    heard = answer.body if answer.status == 200 else b""
    whole = visitor.judge.is_good("event stream", host, answer)
    if not expected.startswith(heard) or (whole and heard != expected):
        visitor.record.fault("events lost or out of order", f"{visitor.name} {heard!r}")


async def talk(visitor: Visitor, host: str) -> None:
    """Have a WebSocket say everything back."""
    begun = monotonic()
    try:
        async with asyncio.timeout(_PATIENCE):
            await _said_back(visitor, host)
    except (aiohttp.ClientError, TimeoutError, OSError, TypeError) as error:
        visitor.judge.excuse("WebSocket", begun, repr(error), "worker", host, f"all of {host}", CLOSED)
    else:
        visitor.record.done("WebSocket")


async def _said_back(visitor: Visitor, host: str) -> None:
    said = [visitor.luck.randbytes(visitor.luck.choice((5, 200, 70_000))) for _ in range(site.EVENTS)]
    browser, proxy = visitor.browser, visitor.world.proxy
    headers = {"Host": host, "X-Visitor": visitor.name, "Cookie": browser.jars[host].header}
    url = f"wss://127.0.0.1:{proxy.secure}" if browser.secure else f"ws://127.0.0.1:{proxy.port}"
    async with visitor.world.client.ws_connect(
        f"{url}/socket", headers=headers, ssl=proxy.trust, server_hostname=host if browser.secure else None
    ) as echo:
        for message in said:
            await echo.send_bytes(message)
            if await echo.receive_bytes() != message:
                visitor.record.fault("another WebSocket's bytes", f"{visitor.name} {host}")
            await asyncio.sleep(site.PAUSE)
