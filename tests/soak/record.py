"""What happened: what was down when, what came, and what should not have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from time import monotonic

REDIS = "Redis"
CLOSED = "no connection taken"
"""From the time on when kmproxy, told to stop, takes no more: whoever came before must be answered."""

_SHOWN = 5
"""Faults of a kind that are told in full."""


class Record:
    """All times are those of ``time.monotonic``, as the event loop's are."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self.disturbed: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.told: dict[str, list[str]] = defaultdict(list)
        """Of each kind of fault the first few."""
        self.took: list[float] = []
        """Seconds of each page, while they are counted."""
        self.timing = True
        self.told_to_reconnect = 0
        """Answers with ``Connection: close``."""
        self._down: dict[str, list[list[float]]] = defaultdict(list)

    def done(self, what: str) -> None:
        self.counts[what] += 1

    def fault(self, what: str, detail: str) -> None:
        self.faults[what] += 1
        if len(self.told[what]) < _SHOWN:
            self.told[what].append(detail)

    @contextmanager
    def down(self, *names: str) -> Iterator[None]:
        """Within it, ``names`` are down, or may be."""
        window = [monotonic(), float("inf")]
        for name in names:
            self._down[name].append(window)
            self.disturbed[name] += 1
        try:
            yield
        finally:
            window[1] = monotonic()

    def excuse(self, begun: float, *names: str) -> str:
        """Which of ``names`` was down at some time since ``begun``, CLOSED already then; or ``""``."""
        now = monotonic()
        for name in names:
            since = begun if name == CLOSED else now
            if any(start <= since and begun <= end for start, end in self._down[name][-8:]):
                return name
        return ""

    def percentile(self, percent: int) -> float:
        """Seconds."""
        return quantiles(self.took, n=100)[percent - 1] if len(self.took) > 1 else 0.0
