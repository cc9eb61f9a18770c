"""Active health: an upstream is asked for a page at intervals, visitors or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kmproxy.messages import Headers
from kmproxy.upstream.address import Address
from kmproxy.upstream.deadline import Timeouts
from kmproxy.upstream.errors import UpstreamError
from kmproxy.upstream.pool import Pool
from kmproxy.version import __version__

PATIENCE = 5.0
"""Seconds that a whole answer may take."""

TIMEOUTS = Timeouts(PATIENCE, PATIENCE, PATIENCE)

FAILURES = 2
"""Failures in a row that count: one may be bad luck."""


class Probe:
    """Whether an upstream passes its check: ``GET path`` answered by a status from 200 to 399.

    The first check alone decides; after that, two failures in a row, or one success. ``on_change`` is called
    when that turns. Until the first check is through, an upstream passes.
    """

    def __init__(
        self, address: Address, host: str, path: str, interval: float, on_change: Callable[[], None]
    ) -> None:
        self._interval = interval
        self.passes = True
        self._host = host
        self._path = path
        self._on_change = on_change
        self._failures = FAILURES - 1
        # Without any that rests: a check tells whether the upstream still takes connections.
        self._pool = Pool(address, timeouts=TIMEOUTS, max_idle=0)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def move_to(self, address: Address) -> None:
        """Ask there from the next check on."""
        self._pool.address = address

    def close(self) -> None:
        """Ask no more."""
        self._task.cancel()
        self._pool.close()

    async def _run(self) -> None:
        while True:
            self._note(await self._ask())
            await asyncio.sleep(self._interval)

    async def _ask(self) -> bool:
        try:
            return is_right(await ask(self._pool, self._host, self._path))
        except (UpstreamError, TimeoutError):
            return False

    def _note(self, passed: bool) -> None:
        self._failures = 0 if passed else self._failures + 1
        passes = self._failures < FAILURES
        if passes != self.passes:
            self.passes = passes
            self._on_change()


def is_right(status: int) -> bool:
    """Whether an answer of this status passes."""
    return 200 <= status < 400


async def ask(pool: Pool, host: str, path: str) -> int:
    """The status of one whole answer. Raises UpstreamError, TimeoutError."""
    headers: Headers = (
        (b"Host", host.encode()),
        (b"User-Agent", f"kmproxy/{__version__}".encode()),
        (b"Accept", b"*/*"),
        (b"Connection", b"close"),
    )
    async with asyncio.timeout(PATIENCE):
        exchange = await pool.exchange(b"GET", path.encode(), headers)
        try:
            while await exchange.read():
                pass
        finally:
            exchange.close()
    return exchange.head.status
