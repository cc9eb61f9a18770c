"""The task that carries tracking calls from the outbox to their vendors.

A process may die after a vendor took a call and before the outbox knows it. The call is then
sent again, which is harmless: it is the same call, down to the keys by which a vendor drops
duplicates (``TrackingCall``).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import aiohttp

from kmproxy.errors import OutboxError
from kmproxy.outbox.backoff import delay, gives_up
from kmproxy.outbox.store import Claimed, Outbox
from kmproxy.outbox.vendor import new_session, send
from kmproxy.outbox.verdict import Verdict
from kmproxy.tracking import TrackingCall

Outcome = Literal["delivered", "retry", "refused", "expired"]
"""What came of one try; ``expired``: it failed, and the call has had its week."""

_LOOK_AGAIN = 5.0
"""Seconds; another process may have put calls into the same store, and nobody wakes us for those."""

_log = logging.getLogger(__name__)


class Sender:
    """Claims due calls and sends them, several persons at a time, each person's in order.

    Each provider has its own ``concurrency``: one that hangs does not hold up another.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        session_factory: Callable[[], aiohttp.ClientSession] = new_session,
        clock: Callable[[], float] = time.time,
        rng: Callable[[], float] = random.random,
        concurrency: int = 16,
        store_pause: float = 1.0,
        on_result: Callable[[str, Outcome], None] = lambda provider, outcome: None,
        on_delivered: Callable[[TrackingCall], None] = lambda call: None,
    ) -> None:
        """``store_pause``: seconds to wait after an ``OutboxError``. ``on_result`` is told the
        provider and the outcome of each try, once the outbox knows it; ``on_delivered`` the call."""
        self._outbox = outbox
        self._session_factory = session_factory
        self._clock = clock
        self._rng = rng
        self._concurrency = concurrency
        self._store_pause = store_pause
        self._on_result = on_result
        self._on_delivered = on_delivered
        self._in_flight: dict[asyncio.Task[None], Claimed] = {}
        self._asked_to_wait: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin to send; calls left by an earlier process are sent as well."""
        self._stopping.clear()
        self._session = self._session_factory()
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There may be something due now; call it after ``put``, on the event loop's thread."""
        self._wake.set()

    async def stop(self, within: float = 5.0) -> None:
        """Claim no more, let what is in flight end ``within`` seconds; the rest stays in the outbox."""
        self._stopping.set()
        self._wake.set()
        await self._task
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=within)
        await asyncio.gather(*map(self._give_back, list(self._in_flight.items())))
        await self._session.close()

    async def _give_back(self, flight: tuple[asyncio.Task[None], Claimed]) -> None:
        task, claimed = flight
        task.cancel()
        await asyncio.wait([task])
        with suppress(OutboxError):  # its lease ends by itself
            await self._outbox.fail(claimed.id, retry_at=self._clock(), reason="stopped")

    async def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                seconds = await self._launch_due()
            except Exception as error:  # this task is the only one there is: it must not end
                _log.warning("outbox: can't claim: %s", _name(error))
                await _wait(self._stopping, self._store_pause)
            else:
                await _wait(self._wake, seconds)

    async def _launch_due(self) -> float:
        """Launch what is due and has room; the seconds until there may be more."""
        for provider in await self._ready():
            claims = await self._outbox.claim(self._room(provider), self._clock(), provider)
            for claimed in claims:
                self._launch(claimed)
        return min([_LOOK_AGAIN, *(due - self._clock() for due in (await self._due()).values())])

    async def _ready(self) -> list[str]:
        now = self._clock()
        return [provider for provider, due in (await self._due()).items() if due <= now]

    async def _due(self) -> dict[str, float]:
        """When the next call of each provider may go; one without room is woken by a call's end."""
        return {
            provider: max(due, self._asked_to_wait.get(provider, due))
            for provider, due in (await self._outbox.next_due()).items()
            if self._room(provider) > 0
        }

    def _room(self, provider: str) -> int:
        busy = sum(claimed.call.provider == provider for claimed in self._in_flight.values())
        return self._concurrency - busy

    def _launch(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._deliver(claimed))
        self._in_flight[task] = claimed
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._wake.set()

    async def _deliver(self, claimed: Claimed) -> None:
        provider = claimed.call.provider
        try:
            verdict = await send(self._session, claimed.call)
            outcome = await self._until_stored(lambda: self._settle(claimed, verdict))
            level = logging.DEBUG if outcome in ("delivered", "retry") else logging.WARNING
            _log.log(level, "outbox: %s, try %d: %s %s", provider, claimed.attempts, outcome, verdict.reason)
            self._on_result(provider, outcome)
            if outcome == "delivered":
                self._on_delivered(claimed.call)
        except Exception as error:  # an unsettled call comes back when its lease ends
            _log.error("outbox: %s, try %d: %s", provider, claimed.attempts, _name(error))

    async def _settle(self, claimed: Claimed, verdict: Verdict) -> Outcome:
        if verdict.outcome == "delivered":
            await self._outbox.done(claimed.id)
        elif verdict.outcome == "refused":
            await self._outbox.set_apart(claimed.id, reason=verdict.reason)
        elif gives_up(claimed.attempts, self._clock() - claimed.queued_at):
            await self._outbox.set_apart(claimed.id, reason=f"given up after a week: {verdict.reason}")
            return "expired"
        else:
            await self._retry_later(claimed, verdict)
        return verdict.outcome

    async def _retry_later(self, claimed: Claimed, verdict: Verdict) -> None:
        now = self._clock()
        wait = max(delay(claimed.attempts, self._rng()), verdict.retry_after)
        if verdict.retry_after:  # it speaks of us, not of this call: the others wait as well
            self._asked_to_wait[claimed.call.provider] = now + verdict.retry_after
        await self._outbox.fail(claimed.id, retry_at=now + wait, reason=verdict.reason)

    async def _until_stored(self, step: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Keeps its place in flight meanwhile, so nothing new is sent that can't be settled either."""
        while True:
            try:
                return await step()
            except OutboxError as error:
                if self._stopping.is_set():
                    raise
                _log.warning("outbox: can't settle a call: %s", error)
                await _wait(self._stopping, self._store_pause)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), max(seconds, 0.0))


def _name(error: Exception) -> str:
    """Ours say what is wrong with the store; the text of others may quote a call."""
    return str(error) if isinstance(error, OutboxError) else type(error).__name__
