"""What a proxy adds: the same page at the same modest rate, directly and by way of each proxy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench import cases, contestants, pages, upstream
from bench.process import LOAD_CORE, Server, StartError, free_port

from .connection import Connection

_RATE = 200
"""Requests per second, whatever the answers take."""

_CONNECTIONS = 20
_SECONDS = 4
_ROUNDS = 3
_WARM_UP = 10
"""Requests on each connection."""

_PATHS = {"page": "/gz/page-12k.html", "asset": "/plain/asset-12k.jpg"}
DIRECT = "direct"
_PROXIES = (contestants.PASS, contestants.AIOHTTP, contestants.KMPROXY)


@dataclass(frozen=True)
class Latency:
    """Of a way to the upstream, in seconds: the medians over all rounds."""

    what: str
    way: str
    p50: float
    p99: float


async def run(folder: Path) -> list[Latency]:
    """Servers on one core, upstream and visitors on the other. Raises the benchmark's StartError."""
    with ExitStack() as stack:
        stack.enter_context(_pinned())
        ports = _started(folder, stack)
        return [latency for what, path in _PATHS.items() for latency in await _measured(what, path, ports)]


@contextmanager
def _pinned() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _started(folder: Path, stack: ExitStack) -> dict[str, int]:
    """The port of each way to the upstream."""
    origin = upstream.start(folder, pages.load()[:1])
    stack.callback(origin.stop)
    ports = {DIRECT: origin.port}
    for contestant in contestants.EVERYBODY:
        if contestant.name in _PROXIES:
            own, port = folder / contestant.name, free_port()
            own.mkdir()
            server = Server(contestant.command(own, port, origin.port), port, own / "log")
            stack.callback(server.stop)
            ports[contestant.name] = port
    return ports


async def _measured(what: str, path: str, ports: dict[str, int]) -> list[Latency]:
    """In rounds, in which each way has its turn."""
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in ports}
    for _ in range(_ROUNDS):
        for way, port in ports.items():
            rounds[way].append(await _turn(port, _request(port, path, asset=what == "asset")))
    return [
        Latency(what, way, median(p50 for p50, _ in turns), median(p99 for _, p99 in turns))
        for way, turns in rounds.items()
    ]


def _request(port: int, path: str, *, asset: bool) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in cases.browser(port, asset=asset).items())
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()


async def _turn(port: int, request: bytes) -> tuple[float, float]:
    """Median and 99th percentile."""
    made = [await Connection.to(port) for _ in range(_CONNECTIONS)]
    try:
        for one in made:
            for _ in range(_WARM_UP):
                await one.ask(request)
        steady = (_steady(one, request, number / _RATE) for number, one in enumerate(made))
        took = [seconds for each in await asyncio.gather(*steady) for seconds in each]
    finally:
        for one in made:
            one.close()
    percentiles = quantiles(took, n=100)
    return percentiles[49], percentiles[98]


async def _steady(connection: Connection, request: bytes, delay: float) -> list[float]:
    """Seconds that each of its share of the requests took."""
    loop = asyncio.get_running_loop()
    begun, took = loop.time() + delay, []
    for number in range(_SECONDS * _RATE // _CONNECTIONS):
        await asyncio.sleep(begun + number * _CONNECTIONS / _RATE - loop.time())
        answer = await connection.ask(request)
        if not answer.whole or answer.status != 200:
            raise StartError(f"an answer of status {answer.status} is not whole, or not the page")
        took.append(answer.ended - answer.begun)
    return took
