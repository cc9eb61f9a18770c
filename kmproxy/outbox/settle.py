"""What the outbox is told of calls that were tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kmproxy.outbox.backoff import delay, gives_up
from kmproxy.outbox.store import Claimed, Outbox
from kmproxy.outbox.verdict import Outcome, Verdict


def outcome(claimed: Claimed, verdict: Verdict, now: float) -> Outcome:
    if verdict.outcome in ("delivered", "refused"):
        return verdict.outcome
    return "expired" if gives_up(claimed.attempts, now - claimed.queued_at) else "retry"


async def settle(
    outbox: Outbox, claims: Sequence[Claimed], verdicts: Sequence[Verdict], now: float, random: float
) -> list[Outcome]:
    """Tell ``outbox`` what came of ``claims``, which went together; may be told again if it raises.

    ``random`` is in [0, 1). Raises ``OutboxError``.
    """
    outcomes = [outcome(claimed, verdict, now) for claimed, verdict in zip(claims, verdicts, strict=True)]
    if done := [claimed.id for claimed, what in zip(claims, outcomes, strict=True) if what == "delivered"]:
        await outbox.done(*done)
    ended = [at for at, what in enumerate(outcomes) if what in ("refused", "expired")]
    await asyncio.gather(
        *(outbox.set_apart(claims[at].id, reason=_reason(outcomes[at], verdicts[at])) for at in ended)
    )
    again = [at for at, what in enumerate(outcomes) if what == "retry"]
    for verdict in dict.fromkeys(verdicts[at] for at in again):
        failed = [claims[at] for at in again if verdicts[at] == verdict]
        retry_at = now + _wait(failed, verdict, random)
        await outbox.fail(*(claimed.id for claimed in failed), retry_at=retry_at, reason=verdict.reason)
    return outcomes


def _reason(what: Outcome, verdict: Verdict) -> str:
    return f"given up after a week: {verdict.reason}" if what == "expired" else verdict.reason


def _wait(claims: Sequence[Claimed], verdict: Verdict, random: float) -> float:
    """Seconds until the next try: of what went together, as long as the freshest of them waits."""
    if verdict.outcome == "unclear":
        return 0.0
    return max(delay(min(claimed.attempts for claimed in claims), random), verdict.retry_after)
