"""What an operator asks of the outbox: how much waits and why, whom to forget, how full it is."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from outbox_kit import Clock, call, names

from kmproxy.errors import OutboxError
from kmproxy.outbox import Backlog, Outbox, SqliteOutbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


async def test_a_person_is_forgotten_whether_waiting_or_set_apart_and_nobody_else(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3"), call("anna", "4")])
    await outbox.put([call("ann", "5", provider="mixpanel"), call("ann", "6", provider="mixpanel")])
    apart = (await outbox.claim(1, clock.now))[0]
    await outbox.set_apart(apart.id, reason="HTTP 400")
    assert await outbox.forget("ann") == 4
    assert await outbox.forget("ann") == 0
    assert await outbox.refused(9) == []
    assert sorted(names(await outbox.claim(9, clock.now))) == ["3", "4"]
    assert await outbox.next_due() == {"kissmetrics": clock.now + 60}


async def test_a_person_forgotten_while_a_call_was_in_flight_may_come_back(
    outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2")])
    [claimed] = await outbox.claim(9, clock.now)
    assert await outbox.forget("ann") == 2
    await outbox.put([call("ann", "3")])
    await outbox.fail(claimed.id, retry_at=clock.now + 9, reason="HTTP 500")
    await outbox.done(claimed.id)
    assert names(await outbox.claim(9, clock.now)) == ["3"]


async def test_any_text_may_be_forgotten(outbox: Outbox) -> None:
    odd = "b\u00f6b \udc80\x00'; DROP TABLE call; --"
    await outbox.put([TrackingCall("kissmetrics", odd, "GET", "https://vendor.example/")])
    assert await outbox.forget(odd + "x") == 0
    assert await outbox.forget(odd) == 1


async def test_of_a_forgotten_and_of_a_delivered_person_nothing_is_left_in_the_file(
    sqlite: SqliteOutbox, tmp_path: Path, clock: Clock
) -> None:
    long = TrackingCall("kissmetrics", "delivered", "POST", "https://vendor.example/", body=b"SECRET " * 3000)
    await sqlite.put([long, call("forgotten"), call("kept")])
    await sqlite.done((await sqlite.claim(1, clock.now))[0].id)
    await sqlite.forget("forgotten")
    sqlite.close()
    kept = b"".join(await asyncio.gather(*(asyncio.to_thread(file.read_bytes) for file in _files(tmp_path))))
    assert [word in kept for word in (b"kept", b"delivered", b"SECRET", b"forgotten")] == [
        True,
        False,
        False,
        False,
    ]


def _files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_what_waits_is_told_for_each_provider_with_when_and_why(outbox: Outbox, clock: Clock) -> None:
    start = clock.now
    assert await outbox.backlog() == []
    await outbox.put(
        [call("ann", "1"), call("ann", "2"), call("bob", "3"), call("cleo", "4", provider="mixpanel")]
    )
    clock.now += 5
    for claimed in await outbox.claim(9, clock.now):
        if claimed.call.person != "bob":
            await outbox.fail(
                claimed.id, retry_at=clock.now + 1, reason=f"HTTP 50{claimed.call.person == 'ann':d}"
            )
    assert await outbox.backlog() == [
        Backlog("kissmetrics", calls=3, persons=2, due=start + 6, reason="HTTP 501"),
        Backlog("mixpanel", calls=1, persons=1, due=start + 6, reason="HTTP 500"),
    ]
    await outbox.forget("ann")
    assert await outbox.backlog() == [
        Backlog("kissmetrics", calls=1, persons=1, due=start + 65, reason=""),
        Backlog("mixpanel", calls=1, persons=1, due=start + 6, reason="HTTP 500"),
    ]


async def test_a_full_file_refuses_calls_keeps_what_it_has_and_takes_more_when_that_is_delivered(
    tmp_path: Path, clock: Clock
) -> None:
    with closing(SqliteOutbox(tmp_path / "outbox.db", max_bytes=500_000, clock=clock)) as outbox:
        taken = await _fill(outbox)
        stats = await outbox.stats()
        assert stats.waiting == taken > 50
        assert 0.8 < stats.fullness <= 1.0
        claims = await outbox.claim(999, clock.now)
        assert len(claims) == taken
        await outbox.set_apart(claims[0].id, reason="HTTP 400")
        for claimed in claims[1:]:
            await outbox.done(claimed.id)
        assert (await outbox.stats()).fullness < 0.2
        assert await _fill(outbox) > 50


async def _fill(outbox: Outbox) -> int:
    """How many calls it takes until it takes none."""
    puts = [outbox.put([_big(str(person), 5000)]) for person in range(200)]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert {str(result) for result in results if result} == {"outbox: full: it holds 500000 bytes"}
    return results.count(None)


def _big(person: str, size: int) -> TrackingCall:
    return TrackingCall("mixpanel", person, "POST", "https://vendor.example/", body=b"x" * size)


async def test_a_put_that_finds_no_room_does_not_undo_what_shares_its_commit(
    tmp_path: Path, clock: Clock
) -> None:
    commits: list[str] = []
    with closing(SqliteOutbox(tmp_path / "outbox.db", max_bytes=100_000, clock=clock)) as outbox:
        outbox._writer._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        huge = _big("big", 100_000)
        puts = [outbox.put([huge if person % 2 else call(str(person))]) for person in range(100)]
        results = await asyncio.gather(*puts, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), OutboxError] * 50
        assert len(commits) < 20
        assert (await outbox.stats()).waiting == 50
