"""The outbox's SQLite file: opened, checked to be ours, and laid out."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from kmproxy.errors import OutboxError

_APPLICATION_ID = 0x6B6D7078  # "kmpx": tells our files from other programs'
_VERSION = 1

_LAYOUT = (
    # AUTOINCREMENT: an id is never used twice, so a late `done` can't hit another call.
    # `due` is NULL unless the call is its person's oldest: a claim then reads one small index
    # and never steps over the calls that wait behind another.
    """
    CREATE TABLE call (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        provider TEXT NOT NULL, person BLOB NOT NULL,
        queued REAL NOT NULL, due REAL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
        method TEXT NOT NULL, url TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
        lent INTEGER NOT NULL
    )
    """,
    "CREATE INDEX call_by_person ON call (provider, person, id)",
    "CREATE INDEX call_by_due ON call (provider, due, id) WHERE due IS NOT NULL",
    """
    CREATE TABLE refused (
        id INTEGER PRIMARY KEY,
        provider TEXT NOT NULL, person BLOB NOT NULL,
        queued REAL NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
        method TEXT NOT NULL, url TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
    )
    """,
    f"PRAGMA application_id = {_APPLICATION_ID}",
)


def open_database(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection that any one thread may use; the file is made, readable by its owner only.

    ``busy_timeout`` is how many seconds to wait for another process's transaction until it is
    open; from then on it waits for none (``is_busy``). Raises ``OutboxError`` for a file that
    can't be written, is no database, or isn't this version's.
    """
    try:
        # It holds identities and API keys. SQLite gives -wal and -shm the same permissions.
        path.touch(mode=0o600, exist_ok=True)
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise OutboxError(f"outbox {path}: {error}") from error
    try:
        _prepare_when_free(db, time.monotonic() + busy_timeout)
    except (sqlite3.Error, OutboxError) as error:
        db.close()
        raise OutboxError(f"outbox {path}: {error}") from error
    return db


def empty_log(path: Path, busy_timeout: float) -> None:
    """Have the log beside the file hold nothing that was deleted from it.

    Tried for ``busy_timeout`` seconds while others read or write; else it is overwritten in time.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=busy_timeout)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another process has the file, for a moment."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _prepare_when_free(db: sqlite3.Connection, deadline: float) -> None:
    """Turning on WAL fails at once, whatever SQLite's own timeout, while another process does the same."""
    while True:
        try:
            return _prepare(db)
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        _lay_out(db)
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    # FULL: in WAL mode a commit is on the disk itself before it returns; NORMAL may lose the
    # last ones in a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous).
    db.execute("PRAGMA synchronous = FULL")
    # Who was forgotten, or delivered, is not left lying in the file.
    db.execute("PRAGMA secure_delete = ON").fetchone()
    if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise OutboxError("the file system does not allow SQLite's write-ahead log")


def _lay_out(db: sqlite3.Connection) -> None:
    owner, version = _number(db, "application_id"), _number(db, "user_version")
    if owner == 0 and version == 0 and _number(db, "schema_version") == 0:
        for statement in _LAYOUT:
            db.execute(statement)
    elif owner != _APPLICATION_ID:
        raise OutboxError("this SQLite database belongs to another program; choose another path")
    elif version != _VERSION:
        raise OutboxError(f"its layout is version {version}; this kmproxy knows version {_VERSION} only")
    # Written each time: a read-only file lets a transaction begin and refuses the first write.
    db.execute(f"PRAGMA user_version = {_VERSION}")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    with closing(db.execute(f"PRAGMA {pragma}")) as cursor:
        return int(cursor.fetchone()[0])
