from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import Clock, call, open_file

from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox, open_outbox

pytest_plugins = ("outbox_fixtures",)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write anything; the tests of permissions are run as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("unprivileged")
def test_a_read_only_file_is_refused_when_opened(clock: Clock) -> None:
    with tempfile.TemporaryDirectory() as name:
        open_file(Path(name), clock).close()
        path = Path(name) / "outbox.db"
        path.chmod(0o400)
        with pytest.raises(OutboxError, match=r"outbox\.db: .*(readonly|denied)"):
            SqliteOutbox(path)


def test_only_the_owner_may_read_the_file(sqlite: SqliteOutbox, tmp_path: Path) -> None:
    sqlite.put_blocking([call()])
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def test_who_was_forgotten_is_in_no_file_even_beside_another_process(
    tmp_path: Path, clock: Clock
) -> None:
    with closing(open_file(tmp_path, clock)) as server, closing(open_file(tmp_path, clock)) as command:
        await server.put([call("ann.secret"), call("bob.other")])
        await command.forget("ann.secret")
        left = _files(tmp_path)
        assert {"outbox.db", "outbox.db-wal"} <= left.keys()
        assert b"bob.other" in left["outbox.db"]
        assert b"ann.secret" not in b"".join(left.values())


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_text("my notes, " * 1000)
    with pytest.raises(OutboxError, match=r"outbox\.db: file is not a database"):
        SqliteOutbox(path)
    assert path.read_text() == "my notes, " * 1000


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
    with pytest.raises(OutboxError, match="another program"):
        SqliteOutbox(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, clock: Clock) -> None:
    open_file(tmp_path, clock).close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(OutboxError, match="version 2; this kmproxy knows version 1 only"):
        open_file(tmp_path, clock)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="No such file or directory"):
        SqliteOutbox(tmp_path / "nowhere" / "outbox.db")


def test_a_url_names_a_file_even_if_its_name_means_something_to_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_outbox("sqlite::memory:")) as outbox:
        outbox.put_blocking([call()])
    assert (tmp_path / ":memory:").exists()


def test_many_that_open_one_new_file_at_the_same_moment_all_get_it(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def open_and_close(path: Path) -> None:
        together.wait()
        SqliteOutbox(path).close()

    with ThreadPoolExecutor(8) as threads:
        for number in range(10):
            list(threads.map(open_and_close, [tmp_path / f"{number}.db"] * 8))


def test_a_file_that_stays_locked_is_refused(tmp_path: Path, clock: Clock) -> None:
    open_file(tmp_path, clock).close()
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="locked"):
            open_file(tmp_path, clock, busy_timeout=0.05)
