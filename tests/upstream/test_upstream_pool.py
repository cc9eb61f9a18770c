"""The pool: what is kept, what is dropped, what is sent twice and what never."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
import uvloop
from scripted import LONG, OK, Script, Upstream, always, answers, hazards, in_pieces, listening, until, whole

from kmproxy.errors import KmproxyError
from kmproxy.upstream import (
    Address,
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    Disconnected,
    FirstByteTimeout,
    Headers,
    IdleTimeout,
    Overloaded,
    Pool,
    Timeouts,
    TlsFailed,
    Unanswered,
    Unavailable,
    UpstreamError,
)
from kmproxy.upstream.queue import Queue

HOST: Headers = ((b"Host", b"a.example"),)
CHUNKED: Headers = (*HOST, (b"Transfer-Encoding", b"chunked"))
LENGTH_2: Headers = (*HOST, (b"Content-Length", b"2"))
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)


@contextlib.asynccontextmanager
async def pooled(
    script: Script, keep_alive: float = 4.0, max_idle: int = 64
) -> AsyncIterator[tuple[Upstream, Pool]]:
    async with listening(script) as upstream:
        address = Address("127.0.0.1", upstream.port)
        pool = Pool(address, timeouts=TIMEOUTS, keep_alive=keep_alive, max_idle=max_idle)
        try:
            yield upstream, pool
        finally:
            pool.close()
            await asyncio.sleep(0.01)


async def fetch(pool: Pool, method: bytes = b"GET") -> bytes:
    return await whole(await pool.exchange(method, b"/", HOST))


def once(answer: bytes = OK) -> Script:
    """Answer one request; read the next and close: a keep-alive that ended as the request was on its way."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.readuntil(b"\r\n\r\n")

    return script


async def test_a_connection_is_kept_and_used_again() -> None:
    async with pooled(always()) as (upstream, pool):
        for _ in range(3):
            assert await fetch(pool) == b"hi"
        assert await fetch(pool, b"POST") == b"hi"
        assert upstream.connections == 1


async def test_the_request_leaves_as_it_was_given() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    async with pooled(script) as (upstream, pool):
        await whole(
            await pool.exchange(b"GET", b"//a/../%7Eb?", ((b"hOST", b"caf\xe9"), (b"X", b"1"), (b"x", b"2")))
        )
        assert upstream.requests == [b"GET //a/../%7Eb? HTTP/1.1\r\nhOST: caf\xe9\r\nX: 1\r\nx: 2\r\n\r\n"]


async def test_requests_at_once_get_connections_of_their_own() -> None:
    async with pooled(always()) as (upstream, pool):
        assert await asyncio.gather(*(fetch(pool) for _ in range(5))) == [b"hi"] * 5
        assert upstream.connections == 5
        await asyncio.gather(*(fetch(pool) for _ in range(5)))
        assert upstream.connections == 5


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
async def test_a_stale_keepalive_connection_is_replaced_for_a_get(method: bytes) -> None:
    async with pooled(once(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (upstream, pool):
        await fetch(pool, method)
        await fetch(pool, method)
        assert upstream.connections == 2


async def test_a_connection_closed_while_idle_is_replaced_for_a_post() -> None:
    async with pooled(answers(OK, then_close=True)) as (upstream, pool):
        await fetch(pool)
        await asyncio.sleep(0.05)
        assert await fetch(pool, b"POST") == b"hi"
        assert upstream.connections == 2


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE"])
async def test_a_post_is_never_replayed(method: bytes) -> None:
    async with pooled(once()) as (upstream, pool):
        await fetch(pool)
        with pytest.raises(Disconnected):
            await fetch(pool, method)
        assert upstream.connections == 1


async def test_a_body_is_never_replayed() -> None:
    async with pooled(once()) as (upstream, pool):
        await fetch(pool)
        with pytest.raises(Disconnected):
            await pool.exchange(b"GET", b"/", LENGTH_2, in_pieces(b"hi"))
        assert upstream.connections == 1


async def test_half_an_answer_is_not_asked_for_again() -> None:
    async with pooled(answers(OK, b"HTTP/1.1 2", then_close=True)) as (upstream, pool):
        await fetch(pool)
        with pytest.raises(Disconnected):
            await fetch(pool)
        assert upstream.connections == 1


async def test_a_fresh_connection_that_dies_is_not_tried_again() -> None:
    async with pooled(answers(b"", then_close=True)) as (upstream, pool):
        with pytest.raises(Disconnected):
            await fetch(pool)
        assert upstream.connections == 1


async def test_a_post_does_not_trust_a_connection_that_has_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmproxy.upstream.pool.KEEP_ALIVE_UNSAFE", 0.03)
    async with pooled(always()) as (upstream, pool):
        await fetch(pool)
        await asyncio.sleep(0.1)
        await fetch(pool, b"POST")
        assert upstream.connections == 2


async def test_connections_rest_for_a_while_only() -> None:
    left = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        left += 1

    async with pooled(script, keep_alive=0.1) as (upstream, pool):
        await fetch(pool)
        await until(lambda: left == 1)
        await fetch(pool)
        assert upstream.connections == 2
        await until(lambda: left == 2)


async def test_each_connection_rests_for_its_own_while() -> None:
    async with pooled(always(), keep_alive=1.0) as (upstream, pool):
        await asyncio.gather(fetch(pool), fetch(pool))
        await asyncio.sleep(0.5)
        await fetch(pool)
        # Both may be gone within one look of ours on a busy machine.
        await until(lambda: upstream.open <= 1)
        await until(lambda: upstream.open == 0)
        assert upstream.connections == 2


async def test_a_connection_that_speaks_unasked_is_dropped() -> None:
    async with pooled(answers(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")) as (upstream, pool):
        for _ in range(2):
            assert await fetch(pool) == b"hi"
        assert upstream.connections == 2


async def test_no_more_connections_rest_than_may() -> None:
    left = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        left += 1

    async with pooled(script, max_idle=2) as (_, pool):
        await asyncio.gather(*(fetch(pool) for _ in range(5)))
        await until(lambda: left == 3)
        await asyncio.sleep(0.02)
        assert left == 3


async def test_closing_lets_what_is_under_way_finish() -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:-1])
        await go.wait()
        writer.write(OK[-1:])
        assert await reader.read() == b""
        closed.set()

    closed = asyncio.Event()
    async with pooled(script) as (_, pool):
        exchange = await pool.exchange(b"GET", b"/", HOST)
        pool.close()
        go.set()
        assert await whole(exchange) == b"hi"
        async with asyncio.timeout(5):
            await closed.wait()


@pytest.mark.parametrize(
    ("headers", "wire"), [(LENGTH_2, b"hi"), (CHUNKED, b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")]
)
async def test_a_body_is_framed_as_the_headers_say(headers: Headers, wire: bytes) -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        got = await reader.readexactly(len(wire))
        writer.write(OK)
        await reader.read()

    async with pooled(script) as (_, pool):
        assert await whole(await pool.exchange(b"POST", b"/", headers, in_pieces(b"h", b"i"))) == b"hi"
        assert got == wire


@pytest.mark.parametrize(
    "headers",
    [HOST, LENGTH_2 + CHUNKED, LENGTH_2 + LENGTH_2, (*HOST, (b"Transfer-Encoding", b"gzip, chunked"))],
)
async def test_a_body_without_exactly_one_framing_is_refused(headers: Headers) -> None:
    pool = Pool(Address("127.0.0.1", 1), timeouts=TIMEOUTS)
    with pytest.raises(ValueError, match="Content-Length"):
        await pool.exchange(b"POST", b"/", headers, in_pieces(b"hi"))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectFailed):
        await fetch(Pool(Address("127.0.0.1", unused_port()), timeouts=TIMEOUTS))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
async def test_no_such_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if host.endswith(".invalid"):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown, raising=False)
    with pytest.raises(ConnectFailed):
        await fetch(Pool(Address(host, 80), timeouts=TIMEOUTS))


async def test_no_connection_in_time() -> None:
    # A listener whose backlog is full lets further connections wait for an answer.
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        pool = Pool(Address("127.0.0.1", full.getsockname()[1]), timeouts=Timeouts(0.1, 5, 5))
        with pytest.raises(ConnectTimeout):
            await fetch(pool)


async def test_ipv6_literals() -> None:
    try:
        listener = listening(always(), "::1")
        upstream = await listener.__aenter__()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        pool = Pool(Address.of(f"http://[::1]:{upstream.port}"), timeouts=TIMEOUTS)
        assert await fetch(pool) == b"hi"
        pool.close()
    finally:
        await listener.__aexit__(None, None, None)


async def test_a_visitor_who_leaves_while_connecting_leaves_nothing_behind() -> None:
    async with pooled(always()) as (_, pool):
        fetching = asyncio.ensure_future(fetch(pool))
        await asyncio.sleep(0)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching


async def test_what_is_in_use_is_known_whatever_becomes_of_it() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi")
        await reader.read()

    async with pooled(script) as (_, pool):
        first, second = await asyncio.gather(
            pool.exchange(b"GET", b"/", HOST), pool.exchange(b"GET", b"/", HOST)
        )
        assert pool.in_use == 2
        first.close()
        await until(lambda: pool.in_use == 1)
        fetching = asyncio.ensure_future(fetch(pool))
        await asyncio.sleep(0)
        assert pool.in_use == 2
        fetching.cancel()
        await until(lambda: pool.in_use == 1)
        second.close()
        await until(lambda: pool.in_use == 0)
    async with pooled(always()) as (_, pool):
        assert await asyncio.gather(*(fetch(pool) for _ in range(5))) == [b"hi"] * 5
        assert pool.in_use == 0
    refused = Pool(Address("127.0.0.1", unused_port()), timeouts=TIMEOUTS)
    with pytest.raises(ConnectFailed):
        await fetch(refused)
    assert refused.in_use == 0


async def test_a_connection_that_ended_at_rest_does_not_count() -> None:
    async with pooled(answers(OK, then_close=True)) as (upstream, pool):
        await fetch(pool)
        await until(lambda: upstream.open == 0)
        await asyncio.sleep(0.01)
        assert pool.in_use == 0


async def test_a_connection_at_rest_that_is_not_trusted_makes_room_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kmproxy.upstream.pool.KEEP_ALIVE_UNSAFE", -1)
    async with listening(always()) as upstream:
        address = Address("127.0.0.1", upstream.port)
        pool = Pool(address, timeouts=TIMEOUTS, keep_alive=60, max_connections=1)
        await fetch(pool)
        await fetch(pool, b"POST")
        assert upstream.connections == 2
        await until(lambda: upstream.open == 1)
        pool.close()
        await asyncio.sleep(0.01)


async def test_who_is_called_and_leaves_in_the_same_moment_calls_the_next() -> None:
    queue = Queue()
    leaving = asyncio.ensure_future(queue.wait(LONG))
    staying = asyncio.ensure_future(queue.wait(LONG))
    await asyncio.sleep(0)
    queue.call()
    leaving.cancel()
    await asyncio.wait_for(staying, LONG)
    assert leaving.cancelled()
    assert queue.called == 0


async def test_the_queue_goes_by_the_order_of_asking() -> None:
    queue, served = Queue(), list[int]()

    async def ask(number: int) -> None:
        await queue.wait(LONG)
        served.append(number)

    asking = [asyncio.ensure_future(ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    for _ in asking:
        queue.call()
    await asyncio.gather(*asking)
    assert served == [0, 1, 2, 3]


async def test_who_waits_too_long_is_told_so() -> None:
    queue = Queue()
    with pytest.raises(Overloaded):
        await queue.wait(0.01)
    queue.call()
    assert queue.called == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectFailed, 502),
        (TlsFailed, 502),
        (BadResponse, 502),
        (Disconnected, 502),
        (Unanswered, 502),
        (Unavailable, 503),
        (Overloaded, 503),
        (ConnectTimeout, 504),
        (FirstByteTimeout, 504),
        (IdleTimeout, 504),
    ],
)
def test_every_error_says_what_the_visitor_gets(error: type[UpstreamError], status: int) -> None:
    assert issubclass(error, KmproxyError)
    assert error.status == status


@pytest.mark.parametrize("hazard", hazards(globals()), ids=lambda hazard: hazard.__name__)
def test_the_same_under_uvloop(hazard: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(hazard())
