"""A sender on a thread of its own, for apps whose event loop may end or block, or that have none."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from kmproxy.errors import OutboxError
from kmproxy.outbox.store import Outbox
from kmproxy.outbox.verdict import Outcome

_TO_GIVE_BACK = 5.0
"""Seconds beyond those for what is in flight; a store that takes longer is left to its thread."""

_log = logging.getLogger(__name__)


class SenderThread:
    """Sends from ``outbox`` until ``stop``, which closes the outbox too."""

    def __init__(self, outbox: Outbox, on_result: Callable[[str, Outcome], None]) -> None:
        """``on_result`` is the ``Sender``'s, told on that thread. Raises ``OutboxError`` without threads."""
        from kmproxy.outbox.sender import Sender  # loads aiohttp, which who only puts does not need

        self.outbox = outbox
        self._sender = Sender(outbox, on_result=on_result)
        self._within = 0.0
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="kmproxy-sender", daemon=True)
        try:
            self._loop = asyncio.new_event_loop()
            self._thread.start()
        except (OSError, RuntimeError) as error:  # of files or of threads there are too many
            raise OutboxError(f"outbox: no thread for its sender: {error}") from error

    def wake(self) -> None:
        """There may be something due now; any thread may say so."""
        self._tell(self._sender.wake)

    def stop(self, within: float) -> None:
        """Let what is in flight end ``within`` seconds; the rest stays in the outbox. Waits for that."""
        self._within = within
        self._tell(self._stopping.set)
        self._thread.join(within + _TO_GIVE_BACK)

    def _tell(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._send())
        except Exception as error:  # its text may quote a call
            _log.error("outbox: the sender has ended: %s", type(error).__name__)

    async def _send(self) -> None:
        await self._sender.start()
        await self._stopping.wait()
        await self._sender.stop(self._within)
        self.outbox.close()
