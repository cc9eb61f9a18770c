"""One thread that does pieces of work in the order they came, all that gathered meanwhile at once."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kmproxy.errors import OutboxError

W = TypeVar("W")

_MOST_JOBS = 1000
"""In one batch; bounds how long the first of them waits for the last."""


@dataclass(frozen=True, slots=True)
class Job(Generic[W]):
    """A piece of work, and whom to tell what came of it."""

    work: W
    future: Future[Any]

    def refuse(self, store: str, error: Exception) -> None:
        """``store`` is how messages name the store: they are ``<store>: <error>``."""
        refusal = OutboxError(f"{store}: {error}")
        refusal.__cause__ = error
        self.future.set_exception(refusal)


class Batches(Generic[W]):
    """Any thread may submit work; while one batch is on its way to the disk, the next gathers."""

    def __init__(self, do: Callable[[Sequence[Job[W]]], None], end: Callable[[], None]) -> None:
        """``do`` raises nothing and leaves the future of each job done; ``end`` lets go of the store.

        Raises ``OutboxError`` if there can't be one more thread.
        """
        self._do_batch = do
        self._end = end
        self._jobs: queue.SimpleQueue[Job[W] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="kmproxy-outbox", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            end()
            raise OutboxError(f"outbox: {error}") from error

    def submit(self, work: W) -> Future[Any]:
        """The future is done when the work is on disk; fails with ``OutboxError``."""
        future: Future[Any] = Future()
        if os.getpid() != self._pid:  # the thread did not come along, the future would never be done
            raise OutboxError("this outbox was opened before a fork; open it in each process")
        with self._lock:
            if self._closed:
                raise OutboxError("this outbox is closed")
            self._jobs.put(Job(work, future))
        return future

    def close(self) -> None:
        """Do what was submitted, then end."""
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
        self._end()

    def _gather(self) -> list[Job[W] | None]:
        gathered = [self._jobs.get()]
        with suppress(queue.Empty):
            while len(gathered) < _MOST_JOBS:
                gathered.append(self._jobs.get_nowait())
        return gathered

    def _do(self, gathered: Sequence[Job[W] | None]) -> None:
        jobs = [job for job in gathered if job and job.future.set_running_or_notify_cancel()]
        if jobs:
            self._do_batch(jobs)
