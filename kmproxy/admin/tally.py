"""Counts as they are made on the way of a request: kept in plain numbers, and handed over now and then.

A counter of ``prometheus_client`` takes a lock for each step, and with several processes a write to a file:
for a page that is a tenth of what kmproxy does to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from prometheus_client import Counter, Histogram


class Seconds(Histogram):
    """A histogram that takes many observations at once."""

    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def take(self, counts: list[int], total: float) -> None:
        """``counts`` of observations for each of ``BOUNDS`` and above; their sum in seconds."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            bucket.inc(count)


class Durations:
    """Observations that ``Seconds`` has not taken yet."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(Seconds.BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(Seconds.BOUNDS, seconds)] += 1
        self.total += seconds


class Tally:
    """What was counted since it was last handed over."""

    def __init__(self) -> None:
        self.counts: defaultdict[Counter, float] = defaultdict(float)
        """Add to it: steps by counter."""
        self.durations: defaultdict[Seconds, Durations] = defaultdict(Durations)

    def hand_over(self) -> None:
        """To the counters themselves."""
        counts, durations = self.counts.copy(), self.durations.copy()
        self.counts.clear()
        self.durations.clear()
        for counter, count in counts.items():
            counter.inc(count)
        for seconds, found in durations.items():
            seconds.take(found.counts, found.total)
