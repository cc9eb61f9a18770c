"""HTTPS upstreams and unix sockets: the right one is believed, and nobody on the way can end a body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from certificates import NAME, ca_file, server_context
from scripted import Script, Upstream, always, answers, in_pieces, until, whole

from kmproxy.upstream import (
    Address,
    ConnectFailed,
    ConnectTimeout,
    Disconnected,
    Headers,
    Pool,
    Timeouts,
    TlsFailed,
)

HOST: Headers = ((b"Host", b"a.example"),)
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)
BIG = bytes(range(256)) * 8192
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"


@contextlib.asynccontextmanager
async def https(script: Script, *names: str, **options: Any) -> AsyncIterator[Upstream]:
    upstream = Upstream(script)
    context = server_context(*names or ("127.0.0.1",))
    server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0, ssl=context, **options)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()


@contextlib.asynccontextmanager
async def pooled(address: Address, timeouts: Timeouts = TIMEOUTS) -> AsyncIterator[Pool]:
    pool = Pool(address, timeouts=timeouts)
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.sleep(0.01)


async def fetch(pool: Pool) -> bytes:
    return await whole(await pool.exchange(b"GET", b"/", HOST))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    """Both loops have a TLS of their own."""
    start = uvloop.run if request.param == "uvloop" else asyncio.run

    def run(test: Coroutine[Any, Any, None]) -> None:
        start(test)

    return run


def test_a_certificate_of_the_right_authority_and_name_is_believed(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            https(always()) as upstream,
            pooled(Address.of(f"https://127.0.0.1:{upstream.port}", ca_file(tmp_path))) as pool,
        ):
            assert [await fetch(pool) for _ in range(3)] == [b"hi"] * 3
            assert upstream.connections == 1

    run(test())


def test_a_body_of_many_records_comes_whole_and_in_order(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BIG), BIG)
        async with (
            https(always(answer)) as upstream,
            pooled(Address.of(f"https://127.0.0.1:{upstream.port}", ca_file(tmp_path))) as pool,
        ):
            assert await fetch(pool) == BIG
            assert await fetch(pool) == BIG
            assert upstream.connections == 1

    run(test())


def test_an_upload_comes_whole_and_in_order(run: Any, tmp_path: Path) -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        got = await reader.readexactly(len(BIG))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await reader.read()

    async def test() -> None:
        headers: Headers = (*HOST, (b"Content-Length", b"%d" % len(BIG)))
        pieces = in_pieces(*(BIG[at : at + 65536] for at in range(0, len(BIG), 65536)))
        async with (
            https(script) as upstream,
            pooled(Address.of(f"https://127.0.0.1:{upstream.port}", ca_file(tmp_path))) as pool,
        ):
            assert await whole(await pool.exchange(b"POST", b"/", headers, pieces)) == b"hi"

    run(test())
    assert got == BIG


@pytest.mark.parametrize(
    ("names", "server_name", "believed"),
    [
        (("127.0.0.1",), "", True),
        ((NAME,), "", False),
        ((NAME,), NAME, True),
        (("127.0.0.1",), NAME, False),
        (("other.internal",), NAME, False),
    ],
)
def test_the_certificate_must_be_for_the_name_that_is_asked_for(
    names: tuple[str, ...], server_name: str, believed: bool, run: Any, tmp_path: Path
) -> None:
    async def test() -> None:
        async with https(always(), *names) as upstream:
            address = Address.of(f"https://127.0.0.1:{upstream.port}", ca_file(tmp_path), server_name)
            async with pooled(address) as pool:
                if believed:
                    assert await fetch(pool) == b"hi"
                    return
                with pytest.raises(TlsFailed, match="certificate verify failed"):
                    await fetch(pool)
            assert upstream.requests == []
            assert pool.in_use == 0

    run(test())


def test_an_authority_that_the_system_does_not_know_is_refused(run: Any) -> None:
    async def test() -> None:
        async with (
            https(always()) as upstream,
            pooled(Address.of(f"https://127.0.0.1:{upstream.port}")) as pool,
        ):
            with pytest.raises(TlsFailed, match="certificate verify failed"):
                await fetch(pool)

    run(test())


@pytest.mark.parametrize(("server_name", "asked"), [(NAME, [NAME]), ("", ["localhost"])])
async def test_sni_asks_for_the_name_that_is_verified(
    server_name: str, asked: list[str], tmp_path: Path
) -> None:
    seen: list[str | None] = []
    context = server_context(NAME, "localhost")
    context.sni_callback = lambda _, name, __: seen.append(name)
    try:
        async with https(always(), NAME, "localhost") as upstream:
            address = Address.of(f"https://localhost:{upstream.port}", ca_file(tmp_path), server_name)
            async with pooled(address) as pool:
                assert await fetch(pool) == b"hi"
    finally:
        context.sni_callback = None
    assert seen == asked


def test_a_plain_server_is_no_https_upstream(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        upstream = Upstream(answers(b"HTTP/1.1 200 OK\r\n\r\n"))
        server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        timeouts = Timeouts(0.2, 5, 5)
        async with pooled(Address.of(f"https://127.0.0.1:{port}", ca_file(tmp_path)), timeouts) as pool:
            with pytest.raises((TlsFailed, ConnectTimeout)):
                await fetch(pool)
        server.close()
        await upstream.stop()

    run(test())


def test_a_body_without_length_ends_where_tls_says_so(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            https(answers(NO_LENGTH + BIG, then_close=True)) as upstream,
            pooled(Address.of(f"https://127.0.0.1:{upstream.port}", ca_file(tmp_path))) as pool,
        ):
            assert await fetch(pool) == BIG
            await until(lambda: pool.in_use == 0)

    run(test())


def test_a_body_without_length_that_a_stranger_ended_is_broken(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            https(answers(NO_LENGTH + b"half", then_close=True)) as upstream,
            stranger(upstream.port) as port,
            pooled(Address.of(f"https://127.0.0.1:{port}", ca_file(tmp_path))) as pool,
        ):
            exchange = await pool.exchange(b"GET", b"/", HOST)
            assert await exchange.read() == b"half"
            with pytest.raises(Disconnected):
                await exchange.read()

    run(test())


CLOSE_NOTIFY = b"\x17\x03\x03\x00\x13"
"""How that record of 24 bytes begins in TLS 1.3, its last bytes encrypted."""


@contextlib.asynccontextmanager
async def stranger(port: int) -> AsyncIterator[int]:
    """Somebody on the way, who puts a FIN in the place of the upstream's close_notify."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        upward = asyncio.ensure_future(_pump(reader, up_writer))
        while data := await up_reader.read(65536):
            if data[-24:].startswith(CLOSE_NOTIFY):
                writer.write(data[:-24])
                break
            writer.write(data)
        upward.cancel()
        up_writer.close()
        writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


def test_a_unix_socket_is_asked_as_any_upstream(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        upstream = Upstream(always())
        server = await asyncio.start_unix_server(upstream.accept, tmp_path / "app.sock")
        async with pooled(Address.of(f"unix:{tmp_path}/app.sock")) as pool:
            assert [await fetch(pool) for _ in range(2)] == [b"hi"] * 2
        assert upstream.connections == 1
        server.close()
        await upstream.stop()

    run(test())


def test_a_unix_socket_that_is_not_there_is_no_connection(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        async with pooled(Address.of(f"unix:{tmp_path}/none.sock")) as pool:
            with pytest.raises(ConnectFailed):
                await fetch(pool)

    run(test())
