"""Servers under test: started on one core, watched from outside, ended whole."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))

SERVER_CORE = _CORES[0]
"""The contestants' core."""

LOAD_CORE = _CORES[1 % len(_CORES)]
"""The core of what asks them and of what they ask."""


class StartError(Exception):
    """A server does not come up."""


class Server:
    """A command and all it starts, listening on ``port`` of 127.0.0.1, on ``core`` alone."""

    def __init__(self, command: list[str], port: int, log: Path, core: int = SERVER_CORE) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        said = self._log.read_text(errors="replace").strip().splitlines()
        raise StartError(said[-1] if said else "it does not answer")

    def cpu(self) -> float:
        """CPU seconds used by now, user and system, by the command and all it started."""
        # Fields 14 to 17 of proc(5): the process's own time, and that of the children it waited for.
        return sum(sum(map(int, fields[11:15])) for fields in self._stats()) / _TICK

    def resident(self) -> int:
        """Bytes of memory in use."""
        return sum(int(fields[21]) for fields in self._stats()) * os.sysconf("SC_PAGE_SIZE")

    def _stats(self) -> list[list[str]]:
        """What follows the name in each process's stat: state, parent, group, session, …"""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self._process.pid:
                found.append(fields)
        return found

    def stop(self) -> None:
        """End the command and all it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(5)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
