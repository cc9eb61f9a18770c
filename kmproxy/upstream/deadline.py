"""Timeouts that cost nothing while they are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an upstream may take, in seconds."""

    connect: float
    """To open a connection."""

    first_byte: float
    """From the request's head, or the last piece of its body sent, to the head of the response."""

    idle: float
    """For the next piece of a body somebody is waiting for."""


class Deadline:
    """One deadline at a time, moved often and seldom met.

    A timer object for every wait would be made and cancelled thousands of times a second. So there is at most
    one, which is left running when the deadline moves on and looks again when it fires.
    """

    __slots__ = ("_at", "_expired", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """``expired`` is called in ``seconds``, whatever was set before."""
        self._at = at = self._loop.time() + seconds
        timer = self._timer
        if timer is None:
            self._timer = self._loop.call_at(at, self._look)
        elif timer.when() > at:
            timer.cancel()
            self._timer = self._loop.call_at(at, self._look)

    def stop(self) -> None:
        """Nothing is due; the timer may linger."""
        self._at = inf

    def close(self) -> None:
        """Nothing is due and no timer holds on to the owner."""
        self._at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._at <= self._loop.time():
            self._at = inf
            self._expired()
        elif self._at != inf:
            self._timer = self._loop.call_at(self._at, self._look)
