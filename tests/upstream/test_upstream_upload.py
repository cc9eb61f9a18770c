"""Requests with a body: streamed while the answer is awaited, and never sent as whole if they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
import uvloop
from scripted import (
    OK,
    POST,
    SHORT,
    answers,
    hazards,
    in_pieces,
    linked,
    until,
    whole,
)


async def test_a_slow_upload_is_not_a_slow_answer() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)
        await reader.read()

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            await asyncio.sleep(SHORT / 5)
            yield b"x"

    async with linked(script, first_byte=SHORT) as link:
        assert await whole(await link.post(slowly())) == b"hi"
        assert link.rests == 1


@pytest.mark.parametrize(
    ("framing", "chunked", "wire"),
    [
        (b"Content-Length: 5\r\n\r\n", False, b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n", True, b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_is_framed_as_its_head_says(framing: bytes, chunked: bool, wire: bytes) -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        got = await reader.readexactly(len(POST + framing + wire))
        writer.write(OK)
        await reader.read()

    async with linked(script) as link:
        pieces = in_pieces(b"hel", b"", b"lo")
        exchange = await link.connection.send(b"POST", POST + framing, pieces, chunked=chunked)
        assert await whole(exchange) == b"hi"
        assert got == POST + framing + wire
        assert link.rests == 1


async def test_an_upstream_that_answers_before_the_upload_ends() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    async with linked(answers(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch")) as link:
        exchange = await link.post(endless())
        assert (exchange.head.status, await whole(exchange)) == (413, b"much")
        assert (link.rests, link.connection.usable) == (0, False)
        stopped = taken
        await asyncio.sleep(0.02)
        assert taken == stopped


async def test_both_bodies_may_flow_at_once() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not (data := await reader.read(65536)).endswith(b"0\r\n\r\n"):
            writer.write(data)
        writer.write(data)
        await reader.read()

    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await go.wait()
        yield b"second"

    async with linked(echo) as link:
        exchange = await link.post(body())
        assert await exchange.read() == b"first"
        go.set()
        assert await whole(exchange) == b"second"
        assert link.rests == 1


async def test_an_upstream_that_does_not_read_stops_the_visitor() -> None:
    taken = 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield b"x" * 65536

    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        while not (await reader.read(1 << 20)).endswith(b"0\r\n\r\n"):
            pass
        writer.write(OK)
        await reader.read()

    async with linked(script) as link:
        sending = asyncio.ensure_future(link.post(large()))
        await asyncio.sleep(SHORT)
        stalled = taken
        await asyncio.sleep(SHORT)
        assert taken == stalled < 1_000
        go.set()
        assert await whole(await sending) == b"hi"
        assert taken == 1_000


async def test_an_upload_the_visitor_breaks_off_does_not_look_whole() -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        got = await reader.read(-1)

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(0.02)
        raise RuntimeError("the visitor left")

    async with linked(script) as link:
        with pytest.raises(RuntimeError, match="the visitor left"):
            await link.post(broken())
        await until(lambda: bool(got))
        assert got.endswith(b"4\r\nhalf\r\n")


@pytest.mark.parametrize("hazard", hazards(globals()), ids=lambda hazard: hazard.__name__)
def test_the_same_under_uvloop(hazard: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(hazard())
