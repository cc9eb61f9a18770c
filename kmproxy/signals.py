"""What a process is told by signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """An event that either signal sets: SIGTERM by a supervisor, SIGINT by somebody at the keyboard.

    Enter it before anything starts: what is half up must close too.
    """
    stop = asyncio.Event()
    with handled(dict.fromkeys(_STOPS, stop.set)):
        yield stop


class Told:
    """What a server was told by now."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """To end, and to let what is in flight end before."""

        self.hurry = asyncio.Event()
        """To end at once: it was told to stop twice."""

        self._any = asyncio.Event()

    async def next(self) -> bool:
        """Wait until there is something to do: True for "read the configuration again", False for "stop"."""
        await self._any.wait()
        self._any.clear()
        return not self.stop.is_set()

    def to_stop(self) -> None:
        """SIGTERM, SIGINT."""
        if self.stop.is_set():
            self.hurry.set()
        self.stop.set()
        self._any.set()

    def to_reload(self) -> None:
        """SIGHUP."""
        self._any.set()


@contextmanager
def told() -> Iterator[Told]:
    """What SIGTERM, SIGINT and SIGHUP say, from now on."""
    told = Told()
    with handled({**dict.fromkeys(_STOPS, told.to_stop), signal.SIGHUP: told.to_reload}):
        yield told


@contextmanager
def handled(handlers: dict[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Call these on the event loop when the signals come."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
