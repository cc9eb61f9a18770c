"""Being told to stop: SIGTERM by a supervisor, SIGINT by somebody at the keyboard."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """An event that either signal sets. Enter it before anything starts: what is half up must close too."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in _STOPS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOPS:
            loop.remove_signal_handler(number)
