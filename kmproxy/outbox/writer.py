"""The one thread that owns the SQLite connection, and commits whatever has gathered at once."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from kmproxy.errors import OutboxError

T = TypeVar("T")

_MOST_JOBS = 1000
"""In one transaction; bounds how long the first of them waits for the last."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: Future[Any]


class Writer:
    """Runs pieces of work on a connection, many to a transaction (group commit).

    While one fsync runs, the next work gathers; so a hundred callers cost about two fsyncs.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="kmproxy-outbox", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """The future is done when the work's transaction is on disk; fails with ``OutboxError``."""
        future: Future[T] = Future()
        if os.getpid() != self._pid:  # the thread did not come along, the future would never be done
            raise OutboxError("this outbox was opened before a fork; open it in each process")
        with self._lock:
            if self._closed:
                raise OutboxError("this outbox is closed")
            self._jobs.put(_Job(work, future))
        return future

    def close(self) -> None:
        """Commit what was submitted, then close the connection."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        gathered = self._gather()
        while gathered[-1] is not None:
            self._do(gathered)
            gathered = self._gather()
        self._do(gathered)
        with suppress(sqlite3.Error):
            self._db.close()

    def _gather(self) -> list[_Job | None]:
        gathered = [self._jobs.get()]
        with suppress(queue.Empty):
            while len(gathered) < _MOST_JOBS:
                gathered.append(self._jobs.get_nowait())
        return gathered

    def _do(self, gathered: Sequence[_Job | None]) -> None:
        jobs = [job for job in gathered if job and job.future.set_running_or_notify_cancel()]
        if jobs:
            self._commit(jobs)

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
        refusal = OutboxError(f"outbox: {error}")
        refusal.__cause__ = error
        job.future.set_exception(refusal)
