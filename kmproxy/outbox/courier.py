"""The outbox inside an app, whichever way the app is run."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Sequence

from kmproxy.errors import OutboxError
from kmproxy.outbox import forks, open_outbox
from kmproxy.outbox.sender_thread import SenderThread
from kmproxy.outbox.verdict import Outcome
from kmproxy.tracking import TrackingCall


class Courier:
    """Takes the tracking calls of an app's process, and has them sent.

    Any thread and any event loop may use it, and it may be made before a server forks its workers:
    each process opens the outbox at its first ``start`` or ``put`` and ends at its exit. With a
    file, one of the processes sends and another takes over at once when it dies; with Redis, each
    sends a share, and what a dead one had in flight is sent again when its lease ends.
    """

    def __init__(
        self, url: str, *, on_result: Callable[[str, Outcome], None] = lambda provider, outcome: None
    ) -> None:
        """``url`` as for ``open_outbox``. ``on_result`` is told the provider and the outcome of each
        try of this process, on the sender's thread."""
        self._url = url
        self._on_result = on_result
        self._sender: SenderThread | None = None
        forks.watch(self)

    def start(self) -> None:
        """Open the outbox and send what is in it, also what earlier processes left; no error if open.

        Raises ``OutboxError`` if it can't be opened. Waits for the disk, or for Redis to answer.
        """
        self._open()

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        """Take all of ``calls`` or none; they are on disk when this returns. Raises ``OutboxError``."""
        if calls:
            sender = self._sender
            if sender is None:
                sender = await asyncio.to_thread(self._open)
            await sender.outbox.put(calls)
            sender.wake()

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        """``put`` for threads without an event loop. Waits for the disk."""
        if calls:
            sender = self._sender or self._open()
            sender.outbox.put_blocking(calls)
            sender.wake()

    def close(self, within: float = 5.0) -> None:
        """Let what is in flight end ``within`` seconds; the rest stays on disk, for the next start.

        Done by itself when the interpreter exits. May be repeated, and started again.
        """
        with forks.LOCK:
            sender, self._sender = self._sender, None
        atexit.unregister(self.close)
        if sender is not None:
            sender.stop(within)

    def _open(self) -> SenderThread:
        with forks.LOCK:
            if self._sender is None:
                self._sender = self._begin()
                atexit.register(self.close)
            return self._sender

    def _begin(self) -> SenderThread:
        outbox = open_outbox(self._url)
        try:
            return SenderThread(outbox, self._on_result)
        except OutboxError:
            outbox.close()
            raise

    def before_fork(self) -> None:
        """What is open is this process's."""

    def after_fork(self, in_child: bool) -> None:
        if in_child:
            self._sender = None
