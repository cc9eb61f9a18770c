from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import Clock, call, open_file

from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


def test_a_thread_without_an_event_loop_can_put(outbox: SqliteOutbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda person: outbox.put_blocking([call(str(person))]), range(50)))
    assert asyncio.run(outbox.stats()).waiting == 50


async def test_nothing_to_put_is_no_error(outbox: SqliteOutbox) -> None:
    await outbox.put([])
    await asyncio.to_thread(outbox.put_blocking, [])
    assert (await outbox.stats()).waiting == 0


async def test_a_cancelled_put_does_not_disturb_the_others(outbox: SqliteOutbox) -> None:
    disk = threading.Event()
    outbox._writer.submit(lambda db: disk.wait(10))
    putting = [asyncio.ensure_future(outbox.put([call(str(person))])) for person in range(3)]
    await asyncio.sleep(0.01)
    putting[1].cancel()
    disk.set()
    results = await asyncio.gather(*putting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
    await outbox.put([call("after")])


async def test_a_slow_disk_does_not_hold_up_the_event_loop(outbox: SqliteOutbox) -> None:
    disk = threading.Event()
    outbox._writer.submit(lambda db: disk.wait(10))
    putting = asyncio.ensure_future(outbox.put([call()]))
    await asyncio.sleep(0.05)
    assert not putting.done()
    disk.set()
    await putting


async def test_many_puts_at_once_share_few_commits(outbox: SqliteOutbox) -> None:
    commits: list[str] = []
    outbox._writer._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(outbox.put([call(str(person))]) for person in range(500)))
    assert len(commits) < 50
    assert (await outbox.stats()).waiting == 500


def test_a_commit_waits_for_the_disk(outbox: SqliteOutbox) -> None:
    def settings(db: sqlite3.Connection) -> tuple[int, str]:
        return db.execute("PRAGMA synchronous").fetchone()[0], db.execute("PRAGMA journal_mode").fetchone()[0]

    assert settings(outbox._writer._db) == (2, "wal")


async def test_a_full_disk_refuses_the_call_and_recovers(outbox: SqliteOutbox, clock: Clock) -> None:
    await outbox.put([call("ann", "before")])
    pages = outbox._writer._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._writer._db.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    huge = TrackingCall("mixpanel", "bob", "POST", "https://vendor.example/", body=b"x" * 100_000)
    with pytest.raises(OutboxError, match="full"):
        await outbox.put([call("cleo"), huge])
    with pytest.raises(OutboxError, match="full"):
        outbox.put_blocking([huge])
    outbox._writer._db.execute("PRAGMA max_page_count = 1000000").fetchone()
    await outbox.put([huge, call("dora")])
    assert [claimed.call.person for claimed in await outbox.claim(9, clock.now)] == ["ann", "bob", "dora"]


async def test_a_call_too_big_for_the_disk_does_not_take_those_beside_it_down(outbox: SqliteOutbox) -> None:
    outbox._writer._db.execute("PRAGMA max_page_count = 30").fetchone()
    huge = TrackingCall("mixpanel", "big", "POST", "https://vendor.example/", body=b"x" * 500_000)
    waiting = [outbox.put([call(str(person))]) for person in range(20)]
    results = await asyncio.gather(*waiting, outbox.put([huge]), return_exceptions=True)
    assert isinstance(results.pop(), OutboxError)
    assert results == [None] * 20


async def test_what_cant_be_stored_is_refused_and_the_rest_is_not(outbox: SqliteOutbox) -> None:
    bad = TrackingCall("kissmetrics", "ann", "GET", "https://vendor.example/\udc80")
    results = await asyncio.gather(
        outbox.put([call()]), outbox.put([bad]), outbox.put([call()]), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), OutboxError, type(None)]


async def test_a_locked_database_refuses_the_call_and_recovers(tmp_path: Path, clock: Clock) -> None:
    with closing(open_file(tmp_path, clock, busy_timeout=0.05)) as outbox:
        with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxError, match="locked"):
                await outbox.put([call()])
            other.execute("ROLLBACK")
        await outbox.put([call()])


async def test_a_database_that_turns_read_only_refuses_the_call_and_recovers(outbox: SqliteOutbox) -> None:
    outbox._writer._db.execute("PRAGMA query_only = ON")
    with pytest.raises(OutboxError, match="readonly"):
        await outbox.put([call()])
    outbox._writer._db.execute("PRAGMA query_only = OFF")
    await outbox.put([call()])


async def test_a_closed_outbox_refuses_and_may_be_closed_again(outbox: SqliteOutbox) -> None:
    outbox.close()
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        await outbox.put([call()])


async def test_closing_waits_for_what_was_put(tmp_path: Path, clock: Clock) -> None:
    outbox = open_file(tmp_path, clock)
    puts = [asyncio.ensure_future(outbox.put([call(str(person))])) for person in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(outbox.close)
    await asyncio.gather(*puts)
    with closing(open_file(tmp_path, clock)) as again:
        assert (await again.stats()).waiting == 50
