"""``kmproxy serve`` as a process of its own, and visitors who never stop asking it."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import measured

_SERVE = "from kmproxy.cli import app; app(['serve'])"

BROWSER = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\nAccept: text/html\r\n"


def configuration(upstream: str, *, server: str = "", host: str = "a.example", endpoint: str = "") -> str:
    """A file with one site of two hosts."""
    return f"""
[server]
listen = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
{server}

[[site]]
name = "acme"
kissmetrics = {{ api_key = "key", endpoint = "{endpoint or "http://127.0.0.1:9"}" }}

  [[site.domain]]
  host = "{host}"
  upstream = "{upstream}"

  [[site.domain]]
  host = "b.example"
"""


class Served:
    """A running ``kmproxy serve`` in ``folder``."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said: list[str] = []
        """Lines of its standard output so far."""
        self.complaints: list[dict[str, Any]] = []
        """What it wrote to its error log so far."""
        self._news = asyncio.Event()

    @property
    def port(self) -> int:
        (line,) = (line for line in self.said if line.startswith("listening on "))
        return int(line.split(",")[0].rpartition(":")[2])

    @property
    def admin(self) -> str:
        (line,) = (line for line in self.said if line.startswith("health and metrics on "))
        return line.split()[-1]

    def write(self, text: str) -> None:
        (self.folder / "kmproxy.toml").write_text(text)

    async def reload(self) -> None:
        """SIGHUP, and wait for what comes of it."""
        before = self._outcomes()
        self.process.send_signal(signal.SIGHUP)
        await self.until(lambda: self._outcomes() > before)

    def _outcomes(self) -> int:
        done = sum(line.startswith("reloaded") for line in self.said)
        return done + sum("the configuration" in line["message"] for line in self.complaints)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def ask(self, path: str) -> tuple[int, str]:
        """Of the admin listener."""
        async with aiohttp.ClientSession() as session, session.get(self.admin + path) as answer:
            return answer.status, await answer.text()

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while (await self.ask("/readyz"))[0] != 200:
                await asyncio.sleep(0.02)

    async def count(self, metric: str) -> float:
        """A line of the metrics, by all that stands before its value."""
        _, text = await self.ask("/metrics")
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(metric)), 0.0)

    async def counted(self, metric: str, value: float) -> None:
        """Wait until all that was counted is told."""
        async with asyncio.timeout(20):
            while (found := await self.count(metric)) < value:
                await asyncio.sleep(0.02)
        assert found == value

    async def workers(self) -> list[int]:
        found = await asyncio.create_subprocess_exec(
            "ps", "--ppid", str(self.process.pid), "-o", "pid=", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await found.communicate()
        return [int(number) for number in out.split()]

    async def listen(self) -> None:
        assert self.process.stdout
        assert self.process.stderr
        await asyncio.gather(self._hear(self.process.stdout), self._note(self.process.stderr))
        self._news.set()

    async def _hear(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.said.append(line.decode().rstrip())
            self._news.set()

    async def _note(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.complaints.append(json.loads(line))
            self._news.set()


@asynccontextmanager
async def served(
    folder: Path,
    text: str,
    *,
    agent: Sequence[str] = (),
    prelude: str = "",
    pass_fds: Sequence[int] = (),
    **environment: str,
) -> AsyncIterator[Served]:
    """A process, up and ready, started by ``agent``; ``prelude`` is run in it before anything else."""
    (folder / "kmproxy.toml").write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(*agent, sys.executable, "-c", f"{prelude}\n{_SERVE}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**measured.environment(), "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder), **environment},
        pass_fds=pass_fds,
    )
    server = Served(process, folder)
    listening = asyncio.create_task(server.listen())
    try:
        await server.until(lambda: listening.done() or any("health" in line for line in server.said))
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


class Load:
    """Visitors on connections that are kept alive; whatever goes wrong for one of them is kept."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._context = context
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = False
        self.answers: list[bytes] = []
        """The bodies that came, whole."""
        self.failures: list[str] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._visit()) for _ in range(8)]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int = 40) -> None:
        """Wait for so many further answers."""
        wanted = len(self.answers) + count
        async with asyncio.timeout(20):
            while len(self.answers) < wanted and len(self.failures) < 100:
                await asyncio.sleep(0.005)

    async def _visit(self) -> None:
        while not self._stop:
            try:
                await self._connection()
            except (OSError, EOFError, ssl.SSLError, AssertionError) as error:
                self.failures.append(repr(error))

    async def _connection(self) -> None:
        """Ask on one connection until it is said to be over; after some requests another one is opened."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="a.example" if self._context else None
        )
        try:
            for _ in range(10):
                if self._stop or not await self._ask(reader, writer):
                    break
                await asyncio.sleep(0.005)
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        self.answers.append(await reader.readexactly(length))
        return b"connection: close" not in head.lower()


@asynccontextmanager
async def upstream(body: bytes) -> AsyncIterator[str]:
    """An origin server with one page; ``/slow`` takes half a second, ``/endless`` never ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await _answer(head.split()[1], body, writer)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _answer(target: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
    if target == b"/endless":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        while not writer.is_closing():
            await asyncio.sleep(0.02)
            writer.write(b"data: 2\n\n")
            await writer.drain()
    if target == b"/slow":
        await asyncio.sleep(0.5)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()
