"""Requests that wait until an upstream may have one more."""

from __future__ import annotations

import asyncio
from collections import deque

from kmproxy.upstream.errors import Overloaded

RETRY_AFTER = 1.0
"""Seconds after which a visitor who was turned away may try again."""


class Queue:
    """First come, first called."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.called = 0
        """Those who were called and have not gone on yet: they count as served already."""

    async def wait(self, longest: float) -> None:
        """Return when called; raises Overloaded after ``longest`` seconds."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(longest):
                await turn
        except TimeoutError as error:
            self._give_up(turn)
            raise Overloaded(f"no connection became free in {longest} s", RETRY_AFTER) from error
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        self.called -= 1

    def call(self) -> None:
        """One more may go on."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.called += 1
                return

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.cancelled():  # It was called in this very turn of the loop: the next one may go on.
            self.called -= 1
            self.call()
        elif turn in self._waiting:
            self._waiting.remove(turn)
