"""The outbox as the doors and the sender see it, whatever keeps it on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kmproxy.tracking import TrackingCall


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call lent to one sender until its lease ends."""

    id: str
    """Opaque; never given to another call."""

    call: TrackingCall
    attempts: int
    """Tries so far, this one included: 1 at the first."""

    queued_at: float
    """When ``put`` took it, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SetApart:
    """A call that is tried no more: the vendor refused it for good, or a week of tries was in vain."""

    id: str
    call: TrackingCall
    attempts: int
    queued_at: float
    reason: str
    """In plain words; holds no identity."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What waits, at one moment."""

    waiting: int
    set_apart: int
    oldest_age: float
    """Seconds the oldest waiting call has waited; 0.0 when none waits."""

    fullness: float = 0.0
    """Share of its room that the store has used; from 1.0 on it takes no more. 0.0 if it has no bound."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one provider."""

    provider: str
    calls: int
    persons: int
    due: float
    """When the next call may leave, or leave again, in seconds since 1970; earlier than now: overdue."""

    reason: str
    """Why that call was not delivered when it was tried last; empty if it was not tried yet."""


class Outbox(Protocol):
    """Tracking calls that outlive the process, in order for each person of each provider.

    Every method but ``close`` raises ``OutboxError`` when the store can't do it; nothing is then
    half done, and it may be called again. Times are seconds since 1970.
    """

    is_shared: bool
    """Whether it is one for several machines: where it is away, it is so for all of them."""

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        """Take all of ``calls`` or none; they are on disk when this returns.

        A store that is full refuses them, and keeps and delivers what it has.
        """

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        """``put`` for threads without an event loop. Waits for the disk."""

    async def next_due(self) -> dict[str, float]:
        """Each provider with waiting calls, and when its next one may be claimed.

        A store may lend to one process at a time; to the others, it says that nothing is due.
        """

    async def claim(self, limit: int, now: float, provider: str | None = None) -> list[Claimed]:
        """Borrow up to ``limit`` due calls, the longest due first, at most one a person.

        A person's next call is not lent before this one is ``done`` or ``set_apart``. What is
        neither when the lease ends (its sender died) may be claimed again.
        """

    async def done(self, *call_ids: str) -> None:
        """The vendor has them: forget them. An id that is gone already is no error."""

    async def fail(self, *call_ids: str, retry_at: float, reason: str) -> None:
        """Give them back, to be claimed again from ``retry_at`` on."""

    async def set_apart(self, call_id: str, *, reason: str) -> None:
        """Keep it, but try it no more; the person's next call takes its place."""

    async def refused(self, limit: int) -> list[SetApart]:
        """Up to ``limit`` of the calls set apart, the oldest first."""

    async def replay(self, call_ids: Sequence[str]) -> int:
        """Queue calls that were set apart as if new, behind their person's others; how many it found."""

    async def forget(self, person: str) -> int:
        """Delete all calls of ``person`` (``TrackingCall.person``), waiting or set apart; how many.

        One that is in flight may still arrive. A person's other identities are persons of their own.
        """

    async def backlog(self) -> list[Backlog]:
        """Each provider with waiting calls, by name."""

    async def stats(self) -> Stats:
        """Depth and age, for metrics."""

    def close(self) -> None:
        """Finish what was begun and let go of the store. Waits for the disk; may be repeated."""
