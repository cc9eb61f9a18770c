"""What a fork does to an outbox that is open: nothing that is open may be inherited.

SQLite keeps for each file of a process which locks the process holds. A child would inherit that
list but not the locks, and would not take them for a connection of its own: another process could
then delete the log it writes to (https://www.sqlite.org/howtocorrupt.html §2.7).
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Protocol
from weakref import WeakSet

LOCK = threading.RLock()
"""Hold it while opening what must not be inherited half open; a fork waits for it."""


class Forked(Protocol):
    """Told by the thread that forks."""

    def before_fork(self) -> None: ...

    def after_fork(self, in_child: bool) -> None: ...


_watched: WeakSet[Forked] = WeakSet()
_told: list[Forked] = []


def watch(forked: Forked) -> None:
    """Tell ``forked`` of each fork for as long as it lives."""
    with LOCK:
        _watched.add(forked)


def _before() -> None:
    LOCK.acquire()
    _told[:] = _watched
    for forked in _told:
        forked.before_fork()


def _after(in_child: bool) -> None:
    for forked in _told:
        forked.after_fork(in_child)
    _told.clear()
    LOCK.release()


os.register_at_fork(
    before=_before,
    after_in_parent=partial(_after, in_child=False),
    after_in_child=partial(_after, in_child=True),
)
