"""Servers that are started, killed and started again."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path
from time import monotonic

_START = 30.0
"""Seconds that a server has to come up."""


class StartError(Exception):
    """A server does not come up."""


class Server:
    """One process after the other, listening on ``port`` of 127.0.0.1."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self._command = command
        self.process: Process | None = None

    async def start(self) -> None:
        """Returns when it is up. Raises StartError."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)
        end = monotonic() + _START
        while not await self.is_up():
            if self.process.returncode is not None or monotonic() > end:
                raise StartError(f"{self._command[-1]} does not start: {self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    async def is_up(self) -> bool:
        """Whether it listens."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def origin(port: int, log: Path, posts: Path) -> Server:
    """An upstream of both domains, which adds to ``posts`` what it is sent."""
    return Server([sys.executable, "-m", "tests.soak.origin", str(port), str(posts)], port, log)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that live."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether it runs: not gone, nor dead and only not waited for."""
    return _fields(pid)[:1] not in ([], ["Z"])


def resident(pid: int) -> int:
    """Bytes of memory in use; 0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def cpu(pid: int) -> float:
    """CPU seconds used by now; 0 for a process that is gone."""
    return sum(map(int, _fields(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    """What ``proc(5)`` tells of it from its state on; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def free_ports(count: int) -> list[int]:
    """All different."""
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in found]
    for one in found:
        one.close()
    return ports
