"""What a client may take of the proxy: time, connections, bytes of a head and of a body."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop
from wire import ONCE, Proxy, Upstream, config, proxy, read_request, site

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = 32_000_000
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


async def _answer(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), 5)


async def test_a_head_that_dribbles_in_is_timed_out(tmp_path: Path) -> None:
    async with (
        proxy(config(tmp_path, site(("a.example", None)), client_timeout=0.2)) as p,
        p.connection() as (reader, writer),
    ):
        for byte in GET[:8]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert (await _answer(reader)).startswith(b"HTTP/1.0 408 Request Timeout\r\n")


async def test_a_head_in_pieces_and_a_connection_that_rests_are_not(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.4)) as p,
        p.connection() as (reader, writer),
    ):
        for pause in (0.0, 0.5):
            await asyncio.sleep(pause)
            writer.write(GET[:20])
            await asyncio.sleep(0.02)
            writer.write(GET[20:])
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_head_that_begins_while_another_request_is_answered_has_a_deadline_too(
    tmp_path: Path,
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(0.1)
        writer.write(OK)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.2)) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(GET)
        await asyncio.sleep(0.05)
        writer.write(GET[:20])
        answers = await _answer(reader)
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"okHTTP/1.0 408 Request Timeout\r\n" in answers


@pytest.mark.parametrize("size", [5, 200_000])
async def test_the_end_of_a_body_is_not_the_beginning_of_a_head(size: int, tmp_path: Path) -> None:
    body = b"x" * size
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.1)) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % size)
        await asyncio.sleep(0.02)
        writer.write(body)
        await asyncio.sleep(0.2)
        writer.write(GET)
        for _ in range(2):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert upstream.received[0].endswith(body)


async def test_a_head_of_many_small_fields_does_not_grow_without_end(tmp_path: Path) -> None:
    async with proxy(config(tmp_path, site(("a.example", None)))) as p, p.connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n")
        for _ in range(10):
            writer.write(b"X: " + b"x" * 10_000 + b"\r\n")
            await asyncio.sleep(0.01)
        assert (await _answer(reader)).startswith(b"HTTP/1.0 431 Request Header Fields Too Large\r\n")


async def test_a_body_that_stalls_is_timed_out_and_never_told_as_whole(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.1)) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhalf")
        assert (await _answer(reader)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert upstream.received == []


@pytest.mark.parametrize("size", [10, 11])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_beyond_the_limit_is_too_large(size: int, is_chunked: bool, tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), max_body=10)) as p,
    ):
        head = b"POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
        if is_chunked:
            chunks = b"5\r\n12345\r\n%x\r\n%b\r\n0\r\n\r\n" % (size - 5, b"x" * (size - 5))
            answer = await p.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        else:
            answer = await p.send(head + b"Content-Length: %d\r\n\r\n%b" % (size, b"x" * size))
    assert answer.startswith(b"HTTP/1.1 200 OK" if size == 10 else b"HTTP/1.1 413 Content Too Large")
    assert len(upstream.received) == (size == 10)


async def test_a_body_that_breaks_after_the_answer_began_breaks_the_answer_off(tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"begun")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nearly")
        await reader.read()

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.5)) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"POST / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nbegun")
        assert (await reader.readuntil(b"early")).startswith(b"HTTP/1.0 200 OK\r\n")
        # HTTP/1.0 has no other sign than a reset: a connection that only ends would be a whole body.
        with pytest.raises(ConnectionResetError):
            await _answer(reader)


async def _unread(p: Proxy, room: int) -> socket.socket:
    """A client with little room that has asked and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", p.port))
    client.send(GET)
    return client


async def _large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE)
    await writer.drain()
    await reader.read()


@ONCE
async def test_a_client_that_takes_nothing_is_given_up_and_so_is_the_upstreams_answer(tmp_path: Path) -> None:
    async with (
        Upstream(_large).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.1)) as p,
    ):
        with await _unread(p, 4096):
            await asyncio.wait_for(upstream.closed.wait(), 5)


@ONCE
async def test_a_client_that_takes_some_at_a_time_is_not(tmp_path: Path) -> None:
    async with (
        Upstream(_large).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), client_timeout=0.5)) as p,
    ):
        loop = asyncio.get_running_loop()
        begun, size, rest = loop.time(), 0, 0
        with await _unread(p, 1 << 16) as client:
            while data := await loop.sock_recv(client, 1 << 16):
                size, rest = size + len(data), rest - len(data)
                if size > LARGE:
                    break
                if rest <= 0:
                    # The kernel says only of some megabytes that they have left.
                    rest = LARGE // 16
                    await asyncio.sleep(0.05)
    assert loop.time() - begun > 0.5
    assert size > LARGE


async def test_one_connection_too_many_is_told_so_and_the_next_is_served(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), max_connections=1)) as p,
    ):
        async with p.connection() as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"ok")
            refused = await p.get("a.example")
            writer.write(GET)
            await reader.readuntil(b"ok")
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert refused.endswith(b"\r\n\r\nToo many visitors at once. Please try again.\n")
        while not (await p.get("a.example")).startswith(b"HTTP/1.1 200 OK\r\n"):
            await asyncio.sleep(0.01)


@ONCE
@pytest.mark.parametrize(
    "hazard",
    [
        test_a_head_that_dribbles_in_is_timed_out,
        test_a_body_that_breaks_after_the_answer_began_breaks_the_answer_off,
        test_a_client_that_takes_nothing_is_given_up_and_so_is_the_upstreams_answer,
        test_one_connection_too_many_is_told_so_and_the_next_is_served,
    ],
)
def test_the_same_under_uvloop(hazard: Callable[[Path], Coroutine[None, None, None]], tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hazard(tmp_path))
