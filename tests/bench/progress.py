"""What a user sees while it runs."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line that tells what is measured and how long it will still take; on no terminal, a line each."""

    def __init__(self, steps: float) -> None:
        self._steps = steps
        self._done = 0.0
        self._started = time.monotonic()
        self._what = ""
        self._is_terminal = sys.stdout.isatty()

    def begin(self, what: str) -> None:
        self._what = what
        if self._is_terminal:
            print(f"\r\x1b[K{self._left():>12}  {what} …", end="", flush=True)

    def done(self, result: str, steps: float = 1) -> None:
        self._done += steps
        if not self._is_terminal:
            print(f"{self._left():>12}  {self._what}: {result}", flush=True)
        elif result and not result.endswith("CPU"):
            print(f"\r\x1b[K{self._what}: {result}", flush=True)

    def end(self) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", flush=True)

    def _left(self) -> str:
        if not self._done:
            return ""
        seconds = (time.monotonic() - self._started) / self._done * max(0.0, self._steps - self._done)
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
