"""The one thread that owns the SQLite connection, and commits whatever has gathered at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from kmproxy.errors import OutboxError
from kmproxy.outbox import forks
from kmproxy.outbox.batches import Batches, Job
from kmproxy.outbox.schema import is_busy

T = TypeVar("T")

_Job = Job[Callable[[sqlite3.Connection], Any]]


class Writer:
    """Runs pieces of work on a connection, many to a transaction (group commit).

    While one fsync runs, the next work gathers; so a hundred callers cost about two fsyncs.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], busy_timeout: float) -> None:
        """``connect`` is called again after each fork; raises ``OutboxError`` as it does.

        ``busy_timeout``: seconds to wait for another process's transaction.
        """
        self._connect = connect
        self._busy_timeout = busy_timeout
        self._in_use = threading.Lock()
        self._connected = True
        with forks.LOCK:
            self._db = connect()
            forks.watch(self)
            self._batches = Batches(self._do, self._end)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """The future is done when the work's transaction is on disk; fails with ``OutboxError``.

        Work that raises ``OutboxError`` itself must have changed nothing.
        """
        return self._batches.submit(work)

    def close(self) -> None:
        """Commit what was submitted, then close the connection."""
        self._batches.close()

    def before_fork(self) -> None:
        self._in_use.acquire()
        self._disconnect()

    def after_fork(self, in_child: bool) -> None:
        self._in_use.release()

    def _end(self) -> None:
        with self._in_use:
            self._disconnect()

    def _disconnect(self) -> None:
        self._connected = False
        with suppress(sqlite3.Error):
            self._db.close()

    def _do(self, jobs: Sequence[_Job]) -> None:
        with self._in_use:
            try:
                self._reconnect()
            except OutboxError as error:
                _refuse(jobs, error)
            else:
                self._commit(jobs)

    def _reconnect(self) -> None:
        if not self._connected:
            self._db = self._connect()
            self._connected = True

    def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            self._begin()
        except sqlite3.Error as error:  # locked or read-only: for one as for all
            _refuse(jobs, error)
        else:
            self._work_off(jobs)

    def _begin(self) -> None:
        """SQLite would look again after up to 0.1 s; other processes hold the file for about 2 ms."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(0.001)
            else:
                return

    def _work_off(self, jobs: Sequence[_Job]) -> None:
        try:
            results = [self._result(job) for job in jobs]
            self._db.execute("COMMIT")
        except Exception as error:  # whatever it is, a caller waits for the word
            self._roll_back()
            self._part(jobs, error)
        else:
            for job, result in zip(jobs, results, strict=True):
                _tell(job, result)

    def _result(self, job: _Job) -> Any:
        try:
            return job.work(self._db)
        except OutboxError as refusal:
            return refusal

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


def _tell(job: _Job, result: Any) -> None:
    if isinstance(result, OutboxError):
        job.future.set_exception(result)
    else:
        job.future.set_result(result)


def _refuse(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        job.refuse("outbox", error)
