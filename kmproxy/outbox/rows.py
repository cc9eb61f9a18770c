"""What the outbox does to its tables; each function runs inside one transaction.

``due`` is set on the oldest call of each person of each provider, and on no other: whatever
adds or removes a call keeps that true.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from kmproxy.errors import OutboxError
from kmproxy.outbox.store import Backlog, Claimed, SetApart, Stats
from kmproxy.tracking import TrackingCall

_CALL = "provider, person, method, url, headers, body"

_INSERT = f"""
    INSERT INTO call ({_CALL}, queued, attempts, reason, lent, due)
    SELECT *, CASE WHEN EXISTS (SELECT 1 FROM call WHERE provider = :provider AND person = :person)
                   THEN NULL ELSE :now END
    FROM (SELECT :provider, :person, :method, :url, :headers, :body, :now, 0, '', 0)
"""  # noqa: S608 -- column names only

_NEXT_DUE = """
    WITH RECURSIVE waiting (provider) AS (
        SELECT MIN(provider) FROM call WHERE due IS NOT NULL
        UNION ALL
        SELECT (SELECT MIN(provider) FROM call WHERE due IS NOT NULL AND provider > waiting.provider)
        FROM waiting WHERE waiting.provider IS NOT NULL
    )
    SELECT provider, (SELECT MIN(due) FROM call WHERE due IS NOT NULL AND provider = waiting.provider)
    FROM waiting WHERE provider IS NOT NULL
"""  # GROUP BY would read every waiting person; this reads one row a provider

_DUE = f"""
    SELECT due, id, queued, attempts, {_CALL} FROM call
    WHERE provider = ? AND due <= ? ORDER BY due, id LIMIT ?
"""  # noqa: S608

_BACKLOG = """
    SELECT (SELECT COUNT(*) FROM call WHERE provider = :provider), COUNT(*) OVER (), due, reason FROM call
    WHERE provider = :provider AND due IS NOT NULL ORDER BY due, id LIMIT 1
"""

_PROMOTE = """
    UPDATE call SET due = queued
    WHERE id = (SELECT MIN(id) FROM call WHERE provider = ? AND person = ?) AND due IS NULL
"""


def put(db: sqlite3.Connection, calls: Sequence[TrackingCall], now: float, max_bytes: int) -> None:
    """Raises ``OutboxError``, with nothing changed, if there is no room for ``calls``."""
    if _used(db) + sum(map(_size, calls)) > max_bytes:
        raise OutboxError(f"outbox: full: it holds {max_bytes} bytes")
    insert(db, calls, now)


def insert(db: sqlite3.Connection, calls: Iterable[TrackingCall], now: float) -> None:
    db.executemany(_INSERT, [_columns(call) | {"now": now} for call in calls])


def next_due(db: sqlite3.Connection) -> dict[str, float]:
    return dict(db.execute(_NEXT_DUE).fetchall())


def claim(
    db: sqlite3.Connection, limit: int, now: float, provider: str | None, lease_until: float
) -> list[Claimed]:
    """The longest due first; an unlucky call thus never keeps a fresh one waiting for ever."""
    providers = next_due(db) if provider is None else (provider,)
    due = [row for name in providers for row in db.execute(_DUE, (name, now, max(limit, 0)))]
    taken = sorted(due, key=lambda row: (row[0], row[1]))[: max(limit, 0)]
    lend = "UPDATE call SET due = ?, attempts = attempts + 1, lent = 1 WHERE id = ?"
    db.executemany(lend, [(lease_until, row[1]) for row in taken])
    return [Claimed(str(row[1]), _call(row[4:]), row[3] + 1, row[2]) for row in taken]


def recall(db: sqlite3.Connection, now: float) -> None:
    """All that is lent is due again: whoever borrowed it is gone."""
    db.execute("UPDATE call SET due = queued, lent = 0 WHERE due > ? AND lent", (now,))


def delete(db: sqlite3.Connection, call_ids: Sequence[str]) -> None:
    for call_id in call_ids:
        _delete(db, call_id)


def _delete(db: sqlite3.Connection, call_id: str) -> None:
    owner = db.execute("SELECT provider, person FROM call WHERE id = ?", (call_id,)).fetchone()
    if owner is not None:
        db.execute("DELETE FROM call WHERE id = ?", (call_id,))
        db.execute(_PROMOTE, owner)


def postpone(db: sqlite3.Connection, call_ids: Sequence[str], retry_at: float, reason: str) -> None:
    postponed = "UPDATE call SET due = ?, reason = ?, lent = 0 WHERE id = ? AND due IS NOT NULL"
    db.executemany(postponed, [(retry_at, reason, call_id) for call_id in call_ids])


def set_apart(db: sqlite3.Connection, call_id: str, reason: str) -> None:
    columns = f"id, {_CALL}, queued, attempts"
    copy = f"INSERT INTO refused ({columns}, reason) SELECT {columns}, ? FROM call WHERE id = ?"  # noqa: S608
    db.execute(copy, (reason, call_id))
    _delete(db, call_id)


def refused(db: sqlite3.Connection, limit: int) -> list[SetApart]:
    select = f"SELECT id, queued, attempts, reason, {_CALL} FROM refused ORDER BY id LIMIT ?"  # noqa: S608
    rows = db.execute(select, (max(limit, 0),)).fetchall()
    return [SetApart(str(row[0]), _call(row[4:]), row[2], row[1], row[3]) for row in rows]


def replay(db: sqlite3.Connection, call_ids: Sequence[str], now: float) -> int:
    select = f"SELECT {_CALL} FROM refused WHERE id = ?"  # noqa: S608
    rows = [row for call_id in dict.fromkeys(call_ids) for row in db.execute(select, (call_id,)).fetchall()]
    insert(db, map(_call, rows), now)
    db.executemany("DELETE FROM refused WHERE id = ?", [(call_id,) for call_id in call_ids])
    return len(rows)


def forget(db: sqlite3.Connection, person: str) -> int:
    owner = (_person(person),)
    deleted = [db.execute(f"DELETE FROM {table} WHERE person = ?", owner) for table in ("call", "refused")]  # noqa: S608
    return sum(cursor.rowcount for cursor in deleted)


def backlog(db: sqlite3.Connection) -> list[Backlog]:
    return [
        Backlog(provider, *db.execute(_BACKLOG, {"provider": provider}).fetchone())
        for provider in next_due(db)
    ]


def stats(db: sqlite3.Connection, now: float, max_bytes: int) -> Stats:
    waiting, apart = db.execute(
        "SELECT (SELECT COUNT(*) FROM call), (SELECT COUNT(*) FROM refused)"
    ).fetchone()
    oldest = db.execute("SELECT queued FROM call ORDER BY id LIMIT 1").fetchone()
    age = max(now - oldest[0], 0.0) if oldest else 0.0
    return Stats(waiting, apart, age, _used(db) / max_bytes)


def _used(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; those of deleted calls are used again."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _size(call: TrackingCall) -> int:
    return len(call.url) + len(call.body)


def _person(person: str) -> bytes:
    """A cookie may hold anything, even what is no UTF-8; it must not keep its owner out."""
    return person.encode("utf-8", "surrogatepass")


def _columns(call: TrackingCall) -> dict[str, object]:
    return {
        "provider": call.provider,
        "person": _person(call.person),
        "method": call.method,
        "url": call.url,
        "headers": json.dumps(call.headers),
        "body": call.body,
    }


def _call(row: Sequence[Any]) -> TrackingCall:
    provider, person, method, url, headers, body = row
    pairs = tuple((name, value) for name, value in json.loads(headers))
    return TrackingCall(provider, person.decode("utf-8", "surrogatepass"), method, url, pairs, body)
