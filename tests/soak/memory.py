"""Memory over time: whether it stays."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

from .proxy import Proxy
from .record import Record

_EVERY = 2.0
"""Seconds."""

_FILLING = 240.0
"""Seconds in which pages, identities and counters are met first: a shorter life tells nothing."""

_SLACK = 1.08
"""How much more than in its middle third a process may have in its last: the allocator's rest, and luck."""


@dataclass(frozen=True)
class Trend:
    """Of a process, in bytes: the mean of the middle and of the last third of its time, and the most."""

    middle: float
    last: float
    most: float
    is_long_enough: bool
    """Whether its time tells that memory stays."""


class Memory:
    """Of each process, as long as it lives."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._series: dict[int, list[int]] = defaultdict(list)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            for pid, size in self._proxy.resident().items():
                if size:
                    self._series[pid].append(size)
            await asyncio.sleep(_EVERY)

    def trend(self, pid: int) -> Trend:
        """Of a process that lived all the time."""
        series = self._series[pid]
        third = max(len(series) // 3, 1)
        middle, last = fmean(series[third : 2 * third] or series), fmean(series[-third:])
        return Trend(middle, last, max(series), len(series) * _EVERY >= _FILLING)

    def check(self, pid: int, record: Record) -> Trend:
        """Growth is a fault, in a life long enough."""
        trend = self.trend(pid)
        if trend.is_long_enough and trend.last > _SLACK * trend.middle:
            record.fault("memory grows", f"from {trend.middle / 1e6:.1f} to {trend.last / 1e6:.1f} MB")
        return trend
