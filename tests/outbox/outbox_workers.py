"""A server's worker processes, forked after the app was made; the vendor is told which of them sends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from types import TracebackType

from outbox_vendor import Vendor

_SERVER = """
import os, sys
from kmproxy.outbox import pipeline
from kmproxy.outbox.courier import Courier
from kmproxy.tracking import TrackingCall

url, base, workers, calls, opened = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
courier = Courier(url)
if opened:
    courier.start()

def work(worker):
    pipeline.__version__ = str(os.getpid())
    courier.start()
    for number in range(calls):
        person = f"{worker}-{number % 3}"
        target = f"{base}/e?_p={person}&_n={number:03}"
        courier.put_blocking([TrackingCall("kissmetrics", person, "GET", target)])
    print("put", flush=True)
    sys.stdin.read()
    sys.exit()

for worker in range(workers):
    if os.fork() == 0:
        work(worker)
for worker in range(workers):
    os.wait()
"""


class Workers:
    """``workers`` processes that each put ``calls`` calls of three persons, then wait for the end."""

    def __init__(self, url: str, base: str, *, workers: int, calls: int, opened: bool = False) -> None:
        """``opened``: the app opened its outbox before the server forked."""
        self.expected = {
            (f"{at}-{number % 3}", f"{number:03}") for at in range(workers) for number in range(calls)
        }
        self._count = workers
        arguments = [sys.executable, "-c", _SERVER, url, base, str(workers), str(calls), str(int(opened))]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    async def have_put(self) -> None:
        assert self._process.stdout is not None
        for _ in range(self._count):
            assert await asyncio.to_thread(self._process.stdout.readline) == b"put\n"

    async def end(self) -> bytes:
        """What they wrote to their standard error by the time all have ended."""
        _, said = await asyncio.to_thread(self._process.communicate)
        return said

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ValueError):
            self._process.communicate()  # the workers end when nothing more can come


def senders(vendor: Vendor) -> list[int]:
    """The process that sent each request."""
    return [int(request.headers["User-Agent"].removeprefix("kmproxy/")) for request in vendor.requests]


def in_order(took: list[tuple[str, str]]) -> bool:
    """Whether each person's calls came in order, but for those that came again."""
    first = list(dict.fromkeys(took))
    return all(
        [name for who, name in first if who == person] == sorted(name for who, name in first if who == person)
        for person, _ in first
    )
