from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import Clock, call, open_file

from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


async def test_a_cancelled_put_does_not_disturb_the_others(sqlite: SqliteOutbox) -> None:
    disk = threading.Event()
    sqlite._writer.submit(lambda db: disk.wait(10))
    putting = [asyncio.ensure_future(sqlite.put([call(str(person))])) for person in range(3)]
    await asyncio.sleep(0.01)
    putting[1].cancel()
    disk.set()
    results = await asyncio.gather(*putting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
    await sqlite.put([call("after")])


async def test_a_slow_disk_does_not_hold_up_the_event_loop(sqlite: SqliteOutbox) -> None:
    disk = threading.Event()
    sqlite._writer.submit(lambda db: disk.wait(10))
    putting = asyncio.ensure_future(sqlite.put([call()]))
    await asyncio.sleep(0.05)
    assert not putting.done()
    disk.set()
    await putting


async def test_many_puts_at_once_share_few_commits(sqlite: SqliteOutbox) -> None:
    commits: list[str] = []
    sqlite._writer._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(sqlite.put([call(str(person))]) for person in range(500)))
    assert len(commits) < 50
    assert (await sqlite.stats()).waiting == 500


def test_a_commit_waits_for_the_disk(sqlite: SqliteOutbox) -> None:
    def settings(db: sqlite3.Connection) -> tuple[int, str]:
        return db.execute("PRAGMA synchronous").fetchone()[0], db.execute("PRAGMA journal_mode").fetchone()[0]

    assert settings(sqlite._writer._db) == (2, "wal")


async def test_a_full_disk_refuses_the_call_and_recovers(sqlite: SqliteOutbox, clock: Clock) -> None:
    await sqlite.put([call("ann", "before")])
    pages = sqlite._writer._db.execute("PRAGMA page_count").fetchone()[0]
    sqlite._writer._db.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    huge = TrackingCall("mixpanel", "bob", "POST", "https://vendor.example/", body=b"x" * 100_000)
    with pytest.raises(OutboxError, match="full"):
        await sqlite.put([call("cleo"), huge])
    with pytest.raises(OutboxError, match="full"):
        sqlite.put_blocking([huge])
    sqlite._writer._db.execute("PRAGMA max_page_count = 1000000").fetchone()
    await sqlite.put([huge, call("dora")])
    assert [claimed.call.person for claimed in await sqlite.claim(9, clock.now)] == [
        "ann",
        "bob",
        "dora",
    ]


async def test_a_call_too_big_for_the_disk_does_not_take_those_beside_it_down(
    sqlite: SqliteOutbox,
) -> None:
    sqlite._writer._db.execute("PRAGMA max_page_count = 30").fetchone()
    huge = TrackingCall("mixpanel", "big", "POST", "https://vendor.example/", body=b"x" * 500_000)
    waiting = [sqlite.put([call(str(person))]) for person in range(20)]
    results = await asyncio.gather(*waiting, sqlite.put([huge]), return_exceptions=True)
    assert isinstance(results.pop(), OutboxError)
    assert results == [None] * 20


async def test_a_locked_database_refuses_the_call_and_recovers(tmp_path: Path, clock: Clock) -> None:
    with closing(open_file(tmp_path, clock, busy_timeout=0.05)) as outbox:
        with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxError, match="locked"):
                await outbox.put([call()])
            other.execute("ROLLBACK")
        await outbox.put([call()])


async def test_a_database_that_turns_read_only_refuses_the_call_and_recovers(
    sqlite: SqliteOutbox,
) -> None:
    sqlite._writer._db.execute("PRAGMA query_only = ON")
    with pytest.raises(OutboxError, match="readonly"):
        await sqlite.put([call()])
    sqlite._writer._db.execute("PRAGMA query_only = OFF")
    await sqlite.put([call()])
