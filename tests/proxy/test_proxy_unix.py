"""A unix socket that is listened on: who comes by it, and what it can't tell them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from wire import Upstream, config, read_request, site, split

from kmproxy.proxy.server import ProxyServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SAID = b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n"


@asynccontextmanager
async def visiting(
    folder: Path, upstream: Upstream, *, name: str = "", trusted: tuple[str, ...] = ()
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client whose own socket has that ``name``."""
    settings = {"listen": [f"unix:{folder}/k.sock"], "trusted_proxies": trusted}
    with socket.socket(socket.AF_UNIX) as client:
        if name:
            client.bind(name)
        client.setblocking(False)
        async with (
            upstream.listening(),
            ProxyServer(config(folder, site(("a.example", upstream.url)), **settings)),
        ):
            client.connect(f"{folder}/k.sock")
            reader, writer = await asyncio.open_unix_connection(sock=client)
            yield reader, writer
            writer.close()


@pytest.mark.parametrize(
    ("trusted", "told"),
    [
        ((), [b"X-Forwarded-Proto: http"]),
        (("127.0.0.1", "0.0.0.0/0"), [b"X-Forwarded-Proto: http"]),
        (("unix:",), [b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-Proto: https"]),
    ],
)
@pytest.mark.parametrize("name", ["", "127.0.0.1", "\x00127.0.0.1"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_whoever_comes_by_a_unix_socket_is_trusted_by_that_alone_and_not_by_its_name(
    trusted: tuple[str, ...],
    told: list[bytes],
    name: str,
    loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> bytes:
        upstream = Upstream(OK)
        async with visiting(tmp_path, upstream, name=name, trusted=trusted) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n" + SAID + b"\r\n")
            assert (await reader.read()).endswith(b"ok")
        return upstream.received[0]

    monkeypatch.chdir(tmp_path)
    with asyncio.Runner(loop_factory=loop) as runner:
        request = runner.run(ask())
    assert split(request)[1] == [b"Host: a.example", *told, b"X-Forwarded-Host: a.example"]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(("version", "got"), [(b"1.1", b"4\r\nhalf\r\n"), (b"1.0", b"half")])
def test_a_body_that_breaks_off_is_told_by_its_framing_alone_for_a_unix_socket_knows_no_reset(
    version: bytes, got: bytes, loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    async def ask() -> bytes:
        async with visiting(tmp_path, Upstream(script)) as (reader, writer):
            writer.write(b"GET / HTTP/%b\r\nHost: a.example\r\n\r\n" % version)
            return await reader.read()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert split(runner.run(ask()))[2] == got
