"""The one thread that owns the SQLite connection, and commits whatever has gathered at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from kmproxy.outbox.batches import Batches, Job

T = TypeVar("T")

_Job = Job[Callable[[sqlite3.Connection], Any]]


class Writer:
    """Runs pieces of work on a connection, many to a transaction (group commit).

    While one fsync runs, the next work gathers; so a hundred callers cost about two fsyncs.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._batches = Batches(self._commit, self._end)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """The future is done when the work's transaction is on disk; fails with ``OutboxError``."""
        return self._batches.submit(work)

    def close(self) -> None:
        """Commit what was submitted, then close the connection."""
        self._batches.close()

    def _end(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:  # locked or read-only: for one as for all
            _refuse(jobs, error)
        else:
            self._work_off(jobs)

    def _work_off(self, jobs: Sequence[_Job]) -> None:
        try:
            results = [job.work(self._db) for job in jobs]
            self._db.execute("COMMIT")
        except Exception as error:  # whatever it is, a caller waits for the word
            self._roll_back()
            self._part(jobs, error)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)

    def _part(self, jobs: Sequence[_Job], error: Exception) -> None:
        """One piece of work that fails must not fail those it shared a transaction with."""
        if len(jobs) == 1:
            _refuse(jobs, error)
        else:
            for job in jobs:
                self._commit([job])

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # SQLite has often rolled back by itself: full disk, I/O error
            self._db.execute("ROLLBACK")


def _refuse(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        job.refuse("outbox", error)
