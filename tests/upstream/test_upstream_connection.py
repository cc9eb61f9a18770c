"""One connection: flow control, timeouts, and ends that come at the wrong moment."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

import pytest
import uvloop
from scripted import (
    GET,
    OK,
    SHORT,
    answers,
    hazards,
    linked,
    until,
    whole,
)

from kmproxy.upstream import BadResponse, Disconnected, FirstByteTimeout, IdleTimeout
from kmproxy.upstream.connection import FIRST, HIGH_WATER, Connection


async def test_one_request_after_another_on_one_connection() -> None:
    async with linked(answers(OK, OK.replace(b"hi", b"ho"))) as link:
        first = await link.get()
        assert (first.head.status, await whole(first)) == (200, b"hi")
        second = await link.get()
        assert await whole(second) == b"ho"
        assert (link.rests, link.upstream.connections) == (2, 1)


async def test_a_small_response_is_read_without_waiting() -> None:
    async with linked(answers(OK)) as link:
        exchange = await link.get()
        assert exchange.complete
        assert [exchange.read_nowait(), exchange.read_nowait(), exchange.read_nowait()] == [b"hi", b"", b""]


async def test_a_body_is_whole_once_all_of_it_is_here_and_no_more_than_one_wants() -> None:
    async with linked(answers(OK, OK)) as link:
        exchange = await link.get()
        assert (exchange.whole(1), exchange.whole(2), exchange.whole(2)) == (None, b"hi", b"")
        assert await exchange.read() == b""


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"]
)
async def test_a_body_that_breaks_off_is_never_whole(framing: bytes) -> None:
    async with linked(answers(b"HTTP/1.1 200 OK\r\n" + framing, then_close=True)) as link:
        exchange = await link.get()
        assert exchange.whole(99) is None
        await until(lambda: link.upstream.open == 0)
        await asyncio.sleep(0.01)  # the end has come here, too
        assert exchange.whole(99) is None
        assert await exchange.read() == b"hi"
        with pytest.raises(Disconnected):
            await exchange.read()


async def test_an_upstream_that_is_gone_may_be_told_that_nothing_follows() -> None:
    async with linked(answers(OK, then_close=True)) as link:
        await whole(await link.get())
        link.connection.abort()
        link.connection.write_eof()
        await asyncio.sleep(0.01)
        link.connection.write_eof()
        assert not link.connection.usable


async def test_pieces_are_handed_on_as_they_come() -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await go.wait()
        writer.write(b"2\r\nho\r\n0\r\n\r\n")
        await reader.read()

    async with linked(script) as link:
        exchange = await link.get()
        assert await exchange.read() == b"hi"
        assert exchange.read_nowait() is None
        assert not exchange.complete
        go.set()
        assert await exchange.read() == b"ho"
        assert await exchange.read() == b""


async def test_head_with_content_length_has_no_body() -> None:
    async with linked(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK)) as link:
        exchange = await link.connection.send(b"HEAD", GET.replace(b"GET", b"HEAD"))
        assert await exchange.read() == b""
        assert await whole(await link.get()) == b"hi"


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_body_cut_short_is_never_told_as_whole(wire: bytes) -> None:
    async with linked(answers(wire, then_close=True)) as link:
        exchange = await link.get()
        assert await exchange.read() == b"hello"
        for _ in range(2):
            with pytest.raises(Disconnected):
                await exchange.read()
        assert not exchange.complete
        assert link.rests == 0


async def test_a_reset_is_not_the_end_of_a_body_without_length() -> None:
    read = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await read.wait()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with linked(script) as link:
        exchange = await link.get()
        assert await exchange.read() == b"hello"
        read.set()
        with pytest.raises(Disconnected):
            await exchange.read()


async def test_a_body_without_length_is_whole_when_the_upstream_closes() -> None:
    async with linked(answers(b"HTTP/1.1 200 OK\r\n\r\nhello", then_close=True)) as link:
        exchange = await link.get()
        assert await whole(exchange) == b"hello"
        assert exchange.complete
        assert not link.connection.usable


async def test_an_upstream_that_closes_without_a_word() -> None:
    async with linked(answers(b"", then_close=True)) as link:
        with pytest.raises(Disconnected):
            await link.get()
        assert not link.connection.answered


async def test_an_upstream_that_does_not_speak_http() -> None:
    async with linked(answers(b"220 mail.example ESMTP\r\n")) as link:
        with pytest.raises(BadResponse):
            await link.get()
        assert not link.connection.usable


async def test_nonsense_within_a_body_breaks_it_off() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"zz\r\n")
        await reader.read()

    async with linked(script) as link:
        exchange = await link.get()
        assert await exchange.read() == b"hi"
        with pytest.raises(BadResponse):
            await exchange.read()


async def test_a_response_nobody_asked_for_closes_the_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with linked(script) as link:
        await link.get()
        assert link.connection.usable
        await until(lambda: not link.connection.usable)
        with pytest.raises(Disconnected):
            await link.get()


async def test_a_slow_visitor_stops_the_upstream_and_memory_stays_flat() -> None:
    size = 32 * 1024 * 1024
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()
        await reader.read()

    async with linked(script, idle=SHORT) as link:
        exchange = await link.get()
        await until(lambda: exchange.buffered > FIRST)
        # Longer than the idle timeout, which is none of the visitor's business.
        await asyncio.sleep(3 * SHORT)
        stalled = sent
        await asyncio.sleep(SHORT)
        assert sent == stalled < size
        assert exchange.buffered <= 2 * FIRST
        exchange.keep(HIGH_WATER)
        first = await exchange.read()
        await until(lambda: exchange.buffered > HIGH_WATER)
        await asyncio.sleep(SHORT)
        assert exchange.buffered <= 2 * HIGH_WATER
        assert len(first + await whole(exchange)) == size
        assert link.rests == 1


async def test_a_response_left_unread_does_not_keep_its_connection() -> None:
    body = b"x" * (FIRST // 2)
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with linked(answers(wire, OK)) as link:
        unread = await link.get()
        await until(lambda: unread.complete)
        assert await whole(await link.get()) == b"hi"
        assert await whole(unread) == body


async def test_no_response_in_time() -> None:
    async with linked(answers(b""), first_byte=SHORT) as link:
        with pytest.raises(FirstByteTimeout):
            await link.get()
        assert not link.connection.usable


async def test_half_a_head_is_no_response_in_time() -> None:
    async with linked(answers(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), first_byte=SHORT) as link:
        with pytest.raises(FirstByteTimeout):
            await link.get()


async def test_a_body_that_stops_is_broken_off() -> None:
    async with linked(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"), idle=SHORT) as link:
        exchange = await link.get()
        assert await exchange.read() == b"hi"
        with pytest.raises(IdleTimeout):
            await exchange.read()


async def test_a_deadline_met_in_time_does_not_strike_later() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(8):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(SHORT / 5)
            writer.write(OK)
        await reader.read()

    async with linked(script, first_byte=SHORT, idle=SHORT) as link:
        for _ in range(8):
            assert await whole(await link.get()) == b"hi"
        await asyncio.sleep(2 * SHORT)
        assert link.connection.usable


async def test_a_long_body_outlives_both_timeouts() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(SHORT / 5)
            writer.write(b"x")
        await reader.read()

    async with linked(script, first_byte=SHORT, idle=SHORT) as link:
        assert await whole(await link.get()) == b"x" * 8


async def test_a_visitor_who_leaves_before_the_answer_takes_the_connection_with_him() -> None:
    async with linked(answers(b"")) as link:
        waiting = asyncio.ensure_future(link.get())
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not link.connection.usable


async def test_a_visitor_who_leaves_as_the_answer_comes_harms_nobody_else() -> None:
    async with linked(answers(b"")) as link:
        waiting = asyncio.ensure_future(link.get())
        await asyncio.sleep(0)
        waiting.cancel()
        receive(link.connection, OK)  # In the very turn in which the visitor left.
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (link.rests, link.connection.usable) == (0, False)


async def test_a_visitor_who_leaves_just_after_the_answer_leaves_the_connection_to_others() -> None:
    async with linked(answers(b"")) as link:
        waiting = asyncio.ensure_future(link.get())
        await asyncio.sleep(0)
        receive(link.connection, OK)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (link.rests, link.connection.usable) == (1, True)


async def test_a_visitor_who_leaves_as_the_upstream_fails_hears_of_neither() -> None:
    async with linked(answers(b"")) as link:
        waiting = asyncio.ensure_future(link.get())
        await asyncio.sleep(0)
        receive(link.connection, b"nonsense")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_closing_an_exchange_breaks_off_what_is_not_whole() -> None:
    async with linked(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")) as link:
        exchange = await link.get()
        exchange.close()
        exchange.close()
        assert not link.connection.usable
        assert await exchange.read() == b"hi"
        with pytest.raises(Disconnected):
            await exchange.read()


async def test_closing_an_exchange_that_is_whole_spares_the_connection() -> None:
    async with linked(answers(OK, OK)) as link:
        (await link.get()).close()
        assert await whole(await link.get()) == b"hi"


async def test_a_reader_who_is_cancelled_may_read_on() -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await go.wait()
        writer.write(b"hi")
        await reader.read()

    async with linked(script, idle=SHORT) as link:
        exchange = await link.get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange.read(), 0.02)
        await asyncio.sleep(SHORT * 1.5)  # Nobody waits, so nobody's patience ends.
        go.set()
        assert await whole(exchange) == b"hi"


@pytest.mark.parametrize("hazard", hazards(globals()), ids=lambda hazard: hazard.__name__)
def test_the_same_under_uvloop(hazard: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(hazard())


def receive(connection: Connection, data: bytes) -> None:
    """As the transport has it."""
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))
