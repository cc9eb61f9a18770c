"""The folder where the workers count: small files, mapped into memory."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "kmproxy-counters-"


class Counters:
    """A new folder, and a lock on it that lasts until its maker and all who inherit ``lock`` have ended.

    So what a supervisor that was killed has left can be told from what another one is using: it is removed by
    the next that starts. systemd-tmpfiles leaves alone what is locked like this, too. Raises OSError.
    """

    def __init__(self) -> None:
        _sweep()
        self.path, self.lock = _made()

    def remove(self) -> None:
        """Nobody counts any more."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def _made() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _locked(path)
            if path.exists():
                return path, lock
            os.close(lock)
        # Somebody who started at the same moment took it for one that was left, and has removed it.


def _sweep() -> None:
    for path in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        with suppress(OSError):
            _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    if path.lstat().st_uid != os.geteuid():
        return
    lock = _locked(path)
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _locked(path: Path) -> int:
    """The descriptor that holds the lock on a folder. Raises BlockingIOError if another has it; OSError."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        raise
    return number
