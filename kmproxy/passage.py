"""A request's passage through a door: what is asked of the engine, and what must be on disk first.

It does nothing itself. It gives out tracking calls and is told whether they were stored; the doors
do that, some on an event loop and some on a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from kmproxy.engine import Engine
from kmproxy.errors import OutboxError
from kmproxy.messages import Request, Response
from kmproxy.observer import Observer
from kmproxy.tracking import TrackingCall
from kmproxy.visit import Arrival, Departure

T = TypeVar("T")

Steps = Generator[Sequence[TrackingCall], bool, T]
"""Calls to be stored come out, whether they were goes in."""

_log = logging.getLogger(__name__)


class Passage:
    """The way through any door."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self._engine = engine
        self._observer = observer

    def arrive(self, request: Request) -> Steps[Arrival | None]:
        """The engine's decision on ``request``; None where its host is no domain of any site."""
        arrival = self._engine.arrive(request)
        if arrival is None:
            return None
        if arrival.calls and not (yield arrival.calls):
            # What can't be kept is not promised: the page's own JavaScript still sees the URL.
            self._observer.failed("outbox")
            _log.error("a tracking call can't be stored; arrivals are left to the pages' JavaScript")
            arrival = self._engine.arrive(request, recording=False) or arrival
        self._observer.arrived(arrival)
        return arrival

    def depart(self, arrival: Arrival, response: Response, heard: Arrival | None = None) -> Steps[Departure]:
        """The engine's decision on ``response``; ``heard`` is the arrival after what the app said."""
        said, response = self._engine.heed(heard or arrival, response)
        said = self._engine.submit(arrival, said, response.status)
        new = said.calls[len(arrival.calls) :]
        if new and not (yield new):
            self._observer.failed("outbox")
            _log.error("a tracking call can't be stored; nothing that was said of the visitor is heeded")
            said = arrival
        departure = self._engine.depart(said, response)
        notes = said.notes[len(arrival.notes) :]
        departure = departure._replace(notes=(*notes, *departure.notes)) if notes else departure
        self._observer.departed(arrival, response.status, departure)
        return departure


async def through(steps: Steps[T], put: Callable[[Sequence[TrackingCall]], Awaitable[None]]) -> T:
    """Take the steps on an event loop; ``put`` stores calls or raises OutboxError."""
    try:
        calls = next(steps)
        while True:
            try:
                await put(calls)
            except OutboxError:
                calls = steps.send(False)
            else:
                calls = steps.send(True)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def through_blocking(steps: Steps[T], put: Callable[[Sequence[TrackingCall]], None]) -> T:
    """The same on a thread."""
    try:
        calls = next(steps)
        while True:
            try:
                put(calls)
            except OutboxError:
                calls = steps.send(False)
            else:
                calls = steps.send(True)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
