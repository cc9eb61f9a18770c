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
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from kmproxy.errors import OutboxError
from kmproxy.outbox.settle import settle
from kmproxy.outbox.store import Claimed, Outbox
from kmproxy.outbox.together import groups, lines, most
from kmproxy.outbox.vendor import Vendors
from kmproxy.outbox.verdict import Outcome, Verdict
from kmproxy.tracking import TrackingCall

_LOOK_AGAIN = 1.0
"""Seconds; another process may have put calls into the same store, or died and left sending to us.
Nobody wakes us for that, and a look costs less than a millisecond."""

_log = logging.getLogger(__name__)


class Sender:
    """Claims due calls and sends them, several persons at a time, each person's in order.

    Each provider has its own ``concurrency`` of requests: one that hangs does not hold up another.
    Where several calls of a provider go together, in one request or on one connection, as many do as
    went well last time, doubled; half as many when they did not, so that a call that fails soon fails
    alone, and one that hangs soon hangs alone.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        vendors: Callable[[], Vendors] = Vendors,
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
        self._make_vendors = vendors
        self._clock = clock
        self._rng = rng
        self._concurrency = concurrency
        self._store_pause = store_pause
        self._on_result = on_result
        self._on_delivered = on_delivered
        self._in_flight: dict[asyncio.Task[None], list[Claimed]] = {}
        self._sizes: dict[str, int] = {}
        self._asked_to_wait: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin to send; calls left by an earlier process are sent as well."""
        self._stopping.clear()
        self._vendors = self._make_vendors()
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
        await self._vendors.close()

    async def _give_back(self, flight: tuple[asyncio.Task[None], list[Claimed]]) -> None:
        task, group = flight
        task.cancel()
        await asyncio.wait([task])
        with suppress(OutboxError):  # its lease ends by itself
            ids = [claimed.id for claimed in group]
            await self._outbox.fail(*ids, retry_at=self._clock(), reason="stopped")

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
            size = self._sizes.get(provider, most(provider))
            room = self._room(provider)
            limit = min(room * size, max(room, most(provider)))
            claims = await self._outbox.claim(limit, self._clock(), provider)
            for group in groups(claims, size):
                self._launch(group)
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
        busy = sum(group[0].call.provider == provider for group in self._in_flight.values())
        size = self._sizes.get(provider, most(provider))
        return min(self._concurrency, lines(provider, size)) - busy

    def _launch(self, group: list[Claimed]) -> None:
        task = asyncio.create_task(self._deliver(group))
        self._in_flight[task] = group
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._wake.set()

    async def _deliver(self, group: list[Claimed]) -> None:
        provider = group[0].call.provider
        try:
            verdicts = await self._vendors.send([claimed.call for claimed in group])
            self._learn(provider, verdicts)
            outcomes = await self._until_stored(
                lambda: settle(self._outbox, group, verdicts, self._clock(), self._rng())
            )
            _report(provider, outcomes, verdicts)
            for claimed, outcome in zip(group, outcomes, strict=True):
                self._on_result(provider, outcome)
                if outcome == "delivered":
                    self._on_delivered(claimed.call)
        except Exception as error:  # an unsettled call comes back when its lease ends
            _log.error("outbox: %s: %s", provider, _name(error))

    def _learn(self, provider: str, verdicts: Sequence[Verdict]) -> None:
        failed = any(verdict.outcome in ("retry", "unclear") for verdict in verdicts)
        size = len(verdicts) // 2 if failed else self._sizes.get(provider, most(provider)) * 2
        self._sizes[provider] = min(max(size, 1), most(provider))
        wait = max(verdict.retry_after for verdict in verdicts)
        if wait:  # it speaks of us, not of this call: the others wait as well
            self._asked_to_wait[provider] = self._clock() + wait

    async def _until_stored(self, step: Callable[[], Awaitable[list[Outcome]]]) -> list[Outcome]:
        """Keeps its place in flight meanwhile, so nothing new is sent that can't be settled either."""
        while True:
            try:
                return await step()
            except OutboxError as error:
                if self._stopping.is_set():
                    raise
                _log.warning("outbox: can't settle a call: %s", error)
                await _wait(self._stopping, self._store_pause)


def _report(provider: str, outcomes: Sequence[Outcome], verdicts: Sequence[Verdict]) -> None:
    said = Counter((outcome, verdict.reason) for outcome, verdict in zip(outcomes, verdicts, strict=True))
    for (outcome, reason), times in said.items():
        level = logging.DEBUG if outcome in ("delivered", "retry") else logging.WARNING
        _log.log(level, "outbox: %s, %d times: %s %s", provider, times, outcome, reason)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), max(seconds, 0.0))


def _name(error: Exception) -> str:
    """Ours say what is wrong with the store; the text of others may quote a call."""
    return str(error) if isinstance(error, OutboxError) else type(error).__name__
