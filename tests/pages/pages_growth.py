"""Whether work grows with a page and no faster: by counting it, or by the clock where it can't be counted."""

from __future__ import annotations

import time

from pages_kit import PAGE, pieces

from kmproxy.pages.chunks import ChunkCache
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner, State, Walked

_SMALL = 8_000
_TIMES = 8
_LINEAR = 3 * _TIMES
"""Of the times as much that ``_TIMES`` the bytes may take; quadratic work takes ``_TIMES**2``."""


class CountingScanner(Scanner):
    """Knows how many bytes it was given to walk, those held back and given again included."""

    walked = 0

    def walk(self, state: State, data: bytes, *, final: bool = False) -> Walked:
        self.walked += len(state.held) + len(data)
        return super().walk(state, data, final=final)


def walked(rules: CountingScanner, chunks: list[bytes]) -> int:
    """How many bytes are walked of a page that pauses after each chunk."""
    pieces(chunks, PageScan(rules, "www.a.example", PAGE, ChunkCache(1 << 24)))
    return rules.walked


def is_linear(rules: Scanner, start: str, unit: str, end: str = "") -> bool:
    """Whether one walk over many times as many bytes takes that much longer, at the best of some tries.

    Only the processor's time tells what happens inside a regular expression.
    """

    def seconds(size: int) -> float:
        page = (start + unit * (size // len(unit)) + end).encode()
        begun = time.process_time()
        rules.walk(State(base=PAGE), page, final=True)
        return time.process_time() - begun

    return any(seconds(_SMALL * _TIMES) < _LINEAR * seconds(_SMALL) for _ in range(8))
