"""Counts as they are made on the way of a request: kept in plain numbers, and handed over now and then.

A counter of ``prometheus_client`` takes a lock for each step, and with several processes a write to a file:
for a page that is a tenth of what kmproxy does to it.
"""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client import Histogram

from kmproxy.pages.rewriter import PageRewriter


class Seconds(Histogram):
    """A histogram that takes many observations at once."""

    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def take(self, counts: list[int], total: float) -> None:
        """``counts`` of observations for each of ``BOUNDS`` and above; their sum in seconds."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            bucket.inc(count)


class Tally:
    """What was counted of one site since it was last handed over."""

    def __init__(self) -> None:
        self.requests = 0
        self.responses = [0] * 10
        """By status class."""
        self.durations = [0] * (len(Seconds.BOUNDS) + 1)
        """By bucket."""
        self.seconds = 0.0
        self.known = self.made = self.seen = self.decorated = 0
        self.skipped: dict[str, int] = {}

    def respond(self, status: int, seconds: float) -> None:
        """The head of a response came after ``seconds``."""
        self.responses[status // 100] += 1
        self.durations[bisect_left(Seconds.BOUNDS, seconds)] += 1
        self.seconds += seconds

    def page(self, rewriter: PageRewriter) -> None:
        """A personal page has left."""
        self.decorated += rewriter.decorated
        self.seen += rewriter.decorated
        if rewriter.was_known:
            self.known += 1
        else:
            self.made += 1
        for why, count in rewriter.skipped.items():
            self.seen += count
            self.skipped[why] = self.skipped.get(why, 0) + count
