"""Streaming: how soon decided bytes leave, and what many long pages take in memory."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from .cases import browser
from .contestants import AIOHTTP, EVERYBODY, KMPROXY, PASS, SUB, Contestant
from .origin import PARTS, PAUSE, Origin, mark
from .process import Server, StartError, free_port

PAGES = 200
"""Long pages at once."""

_PAUSED = (KMPROXY, PASS, SUB, AIOHTTP)
_MANY = (KMPROXY, SUB, AIOHTTP)


@dataclass(frozen=True)
class Streamed:
    """A contestant's figures: seconds, and bytes."""

    title: str
    plain: tuple[float, float] | None = None
    """From a part's being written by the upstream to its being read by the client: p50, p99."""
    gzip: tuple[float, float] | None = None
    held: bool = False
    """Parts came only when the next ones had been written."""
    growth: int | None = None
    """How much the process grew at most."""
    seconds: float = 0.0
    whole: int = 0
    """Long pages that came whole."""
    fault: str = ""


def measure(folder: Path, html: bytes, available: frozenset[str], seconds: float) -> list[Streamed]:
    """Each contestant that is ``available``, freshly started, with ``seconds`` at most for its long pages."""
    found = []
    for contestant in EVERYBODY:
        if contestant.name not in available & {*_PAUSED, *_MANY}:
            continue
        place = folder / f"streaming-{contestant.name}"
        place.mkdir()
        try:
            found.append(asyncio.run(_one(contestant, place, html, seconds)))
        except (OSError, StartError, TimeoutError, asyncio.IncompleteReadError, zlib.error) as error:
            found.append(Streamed(contestant.title, fault=str(error) or type(error).__name__))
    return found


async def _one(contestant: Contestant, folder: Path, html: bytes, seconds: float) -> Streamed:
    port, origin_port = free_port(), free_port()
    origin = Origin(html)
    async with origin.listening(origin_port), _started(contestant, folder, port, origin_port) as server:
        plain, gzip = await _delays(origin, port, "/paused"), await _delays(origin, port, "/gz/paused")
        held = max(plain[0], gzip[0]) > PAUSE
        if contestant.name not in _MANY:
            return Streamed(contestant.title, plain, gzip, held)
        growth, took, whole = await _long_pages(server, seconds)
    return Streamed(contestant.title, plain, gzip, held, growth, took, whole)


@asynccontextmanager
async def _started(contestant: Contestant, folder: Path, port: int, upstream: int) -> AsyncIterator[Server]:
    command = contestant.command(folder, port, upstream)
    server = await asyncio.to_thread(Server, command, port, folder / "log")
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def _delays(origin: Origin, port: int, target: str, pages: int = 5) -> tuple[float, float]:
    """Median and 99th percentile of the seconds a part is under way."""
    delays: list[float] = []
    for _ in range(pages):
        seen = await asyncio.wait_for(_seen(port, target), 30)
        delays += [then - sent for then, sent in zip(seen, origin.sent, strict=True)]
    cuts = quantiles(delays, n=100, method="inclusive")
    return cuts[49], cuts[98]


async def _seen(port: int, target: str) -> list[float]:
    """When each part of a page had come."""
    reader, writer = await _ask(port, target)
    head = await reader.readuntil(b"\r\n\r\n")
    inflate = zlib.decompressobj(31) if b"encoding: gzip" in head.lower() else None
    chunked = b"transfer-encoding: chunked" in head.lower()
    text, seen = b"", list[float]()
    try:
        while len(seen) < PARTS:
            data = await (_chunk(reader) if chunked else reader.read(1 << 16))
            if not data:
                raise ConnectionError("a page with pauses broke off")
            text += inflate.decompress(data) if inflate else data
            while len(seen) < PARTS and mark(len(seen)) in text:
                seen.append(time.perf_counter())
        return seen
    finally:
        writer.close()


async def _ask(port: int, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 17)
    fields = "".join(f"{name}: {value}\r\n" for name, value in browser(port).items())
    writer.write(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
    return reader, writer


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


async def _long_pages(server: Server, seconds: float) -> tuple[int, float, int]:
    """The growth in bytes, the seconds it took, and how many pages came whole."""
    before, start = server.resident(), time.monotonic()
    readers = [asyncio.create_task(_read_long(server.port)) for _ in range(PAGES)]
    peak, running = before, set(readers)
    while running and time.monotonic() - start < seconds:
        _, running = await asyncio.wait(running, timeout=0.1)
        peak = max(peak, server.resident())
    took = time.monotonic() - start
    for task in running:
        task.cancel()
    ends = await asyncio.gather(*readers, return_exceptions=True)
    return peak - before, took, ends.count(True)


async def _read_long(port: int) -> bool:
    """Whether a long page came whole."""
    reader, writer = await _ask(port, "/gz/long")
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            while await _chunk(reader):
                pass
            return True
        left = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        while left and (data := await reader.read(1 << 16)):
            left -= len(data)
        return not left
    finally:
        with suppress(ConnectionError):
            writer.close()
