from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from outbox_kit import Clock, call, open_file
from outbox_redis import RedisServer
from outbox_stores import RedisStore

from kmproxy.outbox import Claimed, Outbox, SetApart, Stats
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


class Pair:
    """Two stores that are told the same, and must answer the same but for their ids."""

    def __init__(self, one: Outbox, other: Outbox, clock: Clock, rng: random.Random) -> None:
        self.both, self.clock, self.rng = (one, other), clock, rng
        self.lent: list[tuple[str, ...]] = []
        self.number = 0

    async def put(self) -> None:
        calls = [self._call() for _ in range(self.rng.randrange(1, 5))]
        for outbox in self.both:
            await outbox.put(calls)

    def _call(self) -> TrackingCall:
        self.number += 1
        provider = self.rng.choice(["kissmetrics", "mixpanel"])
        return call(self.rng.choice("abcde"), str(self.number), provider=provider)

    async def claim(self) -> None:
        limit, provider = self.rng.randrange(5), self.rng.choice([None, "kissmetrics", "mixpanel", "none"])
        one, other = [await outbox.claim(limit, self.clock.now, provider) for outbox in self.both]
        assert [_told(claimed) for claimed in one] == [_told(claimed) for claimed in other]
        self.lent += zip((claimed.id for claimed in one), (claimed.id for claimed in other), strict=True)

    async def settle(self) -> None:
        if self.lent:
            ids = self.rng.choice(self.lent)  # often one that was settled before
            how, retry_at = (
                self.rng.choice(["done", "fail", "set apart"]),
                self.clock.now + self.rng.random() * 99,
            )
            for outbox, call_id in zip(self.both, ids, strict=True):
                await _settle(outbox, call_id, how, retry_at)

    async def replay(self) -> None:
        aparts = [sorted(await outbox.refused(99), key=_told) for outbox in self.both]
        one, other = ([_told(apart) for apart in kept] for kept in aparts)
        assert one == other
        chosen = self.rng.sample(range(len(one)), len(one) // 4)
        for outbox, kept in zip(self.both, aparts, strict=True):
            assert await outbox.replay([kept[at].id for at in chosen]) == len(chosen)

    async def look(self) -> None:
        self.clock.now += self.rng.random() * 20
        one, other = self.both
        assert await one.next_due() == await other.next_due()
        assert _depth(await one.stats()) == _depth(await other.stats())
        assert await one.backlog() == await other.backlog()

    async def forget(self) -> None:
        if self.rng.random() < 0.3:
            person = self.rng.choice("abcdef")
            one, other = [await outbox.forget(person) for outbox in self.both]
            assert one == other


def _depth(stats: Stats) -> Stats:
    return replace(stats, fullness=0.0)


def _told(kept: Claimed | SetApart) -> tuple[object, ...]:
    reason = kept.reason if isinstance(kept, SetApart) else ""
    return kept.call.url, kept.call.provider, kept.attempts, kept.queued_at, reason


async def _settle(outbox: Outbox, call_id: str, how: str, retry_at: float) -> None:
    if how == "done":
        await outbox.done(call_id)
    elif how == "fail":
        await outbox.fail(call_id, retry_at=retry_at, reason="HTTP 500")
    else:
        await outbox.set_apart(call_id, reason="HTTP 400")


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_is_asked_of_them_both_stores_answer_the_same(
    tmp_path: Path, redis_server: RedisServer, clock: Clock, seed: int
) -> None:
    rng = random.Random(seed)
    redis = RedisStore(redis_server.url)
    with closing(open_file(tmp_path, clock)) as one, closing(redis.open(clock)) as other:
        pair = Pair(one, other, clock, rng)
        for _ in range(200):
            asked = [pair.put, pair.claim, pair.settle, pair.settle, pair.replay, pair.forget, pair.look]
            await rng.choice(asked)()
