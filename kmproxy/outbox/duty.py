"""Who sends: of the processes that share a file, the one that holds the lock on a file beside it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from kmproxy.outbox import forks


class Duty:
    """Held by one process at most; when that ends, however it ends, the kernel takes it back at once.

    The file stays, and is empty: who deletes it could let two processes hold two files of its name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        forks.watch(self)

    @property
    def held(self) -> bool:
        return self._file is not None

    def take(self) -> bool:
        """Whether nobody had it, and we have it now. Raises ``OSError`` if there can't be a lock."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Leave it to another; no error if we do not have it."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def before_fork(self) -> None:
        """It stays ours."""

    def after_fork(self, in_child: bool) -> None:
        if in_child:  # a lock is held until all who inherited the file have closed it
            self.release()
