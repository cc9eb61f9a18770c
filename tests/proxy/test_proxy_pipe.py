"""WebSockets and any other upgrade: a pipe in which no byte is lost, changed or kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from struct import pack
from zlib import crc32

import aiohttp
import pytest
from aiohttp import web
from proxy_certificates import certificate, trusting
from wire import BROWSER, ONCE, Proxy, Upstream, config, proxy, read_request, site, split

from kmproxy.proxy.frames import GOING_AWAY, GOING_AWAY_MASKED

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo/2\r\n\r\n"
ASK = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: foo/2\r\n\r\n"


class Switching(Upstream):
    """Answers each request with ``head``, then echoes; says ``bye`` when the other side has ended."""

    def __init__(self, head: bytes = SWITCHED) -> None:
        super().__init__(self._echo)
        self._answer = head
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await read_request(reader))
        self.asked.set()
        await self.may_answer.wait()
        writer.write(self._answer)
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")


@asynccontextmanager
async def piped(
    tmp_path: Path, upstream: Upstream, ask: bytes = ASK, **settings: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Proxy]]:
    async with (
        upstream.listening(),
        proxy(config(tmp_path, site(("a.example", upstream.url)), **settings)) as p,
        p.connection() as (reader, writer),
        asyncio.timeout(10),
    ):
        writer.write(ask)
        yield reader, writer, p


async def test_a_websocket_keeps_its_messages_subprotocol_extension_and_close_code(tmp_path: Path) -> None:
    closed = asyncio.get_running_loop().create_future()

    async def chat(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("v2.chat",), max_msg_size=0)
        await ws.prepare(request)
        async for message in ws:
            await (ws.send_str(message.data) if message.type is web.WSMsgType.TEXT else ws.send_bytes(b"\0"))
        closed.set_result((ws.close_code, ws.ws_protocol, ws.compress))
        return ws

    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with (
        proxy(config(tmp_path, site(("a.example", url)))) as p,
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"http://127.0.0.1:{p.port}/chat",
            headers={"Host": "a.example"},
            protocols=("v1.chat", "v2.chat"),
            compress=15,
        ) as ws,
    ):
        for text in ("hi", "é" * 70_000, ""):
            await ws.send_str(text)
            assert await ws.receive_str() == text
        await ws.send_bytes(b"x")
        assert await ws.receive_bytes() == b"\0"
        assert ws.protocol == "v2.chat"
        await ws.close(code=4321, message=b"enough")
        assert await closed == (4321, "v2.chat", 15)
    await runner.cleanup()


async def test_the_offer_and_the_switch_pass_with_their_headers(tmp_path: Path) -> None:
    switch = SWITCHED[:-2] + b"Sec-WebSocket-Accept: k\r\nX-Odd: caf\xe9\r\nKeep-Alive: 5\r\n\r\n"
    ask = ASK[:-2] + b"Sec-WebSocket-Key: k\r\nX-Odd: caf\xe9\r\nProxy-Connection: x\r\n\r\n"
    async with piped(tmp_path, upstream := Switching(switch), ask) as (reader, _, _):
        head = await reader.readuntil(b"\r\n\r\n")
    assert split(upstream.received[0])[1] == [
        *(b"Host: a.example", b"Sec-WebSocket-Key: k", b"X-Odd: caf\xe9"),
        *(b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: a.example"),
        *(b"Connection: upgrade", b"Upgrade: foo/2"),
    ]
    assert split(head) == (
        b"HTTP/1.1 101 Switching Protocols",
        [b"Sec-WebSocket-Accept: k", b"X-Odd: caf\xe9", b"Connection: upgrade", b"Upgrade: foo/2"],
        b"",
    )


@pytest.mark.parametrize("protocol", [b"foo/2", b"websocket"])
@pytest.mark.parametrize(
    "cuts", [(), (1,), (20,), (-3, 0), (-2, 0), (-1, 0), (0,), (5,), (0, 5)], ids=lambda cuts: str(cuts)
)
async def test_bytes_sent_ahead_of_the_switch_are_not_lost(
    cuts: tuple[int, ...], protocol: bytes, tmp_path: Path
) -> None:
    ask, switched = (data.replace(b"foo/2", protocol) for data in (ASK, SWITCHED))
    ahead = b"GET / HTTP/1.1\r\n\r\n is no request"
    sent = ask + ahead
    places = [0, *(cut if cut in (1, 20) else len(ask) + cut for cut in cuts), len(sent)]
    upstream = Switching(switched)
    upstream.may_answer.clear()
    async with piped(tmp_path, upstream, b"") as (reader, writer, _):
        for start, end in pairwise(places):
            if start == len(ask):
                await upstream.asked.wait()
            writer.write(sent[start:end])
            await asyncio.sleep(0.01)
        upstream.may_answer.set()
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(ahead)) == ahead


async def test_what_the_upstream_says_right_behind_the_switch_is_not_lost(tmp_path: Path) -> None:
    async with piped(tmp_path, Switching(SWITCHED + b"HTTP/1.1 200 at once")) as (reader, _, _):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(20) == b"HTTP/1.1 200 at once"


async def test_a_visitor_who_has_no_more_to_say_still_hears_the_rest(tmp_path: Path) -> None:
    async with piped(tmp_path, Switching()) as (reader, writer, _):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"last words, ")
        writer.write_eof()
        assert await reader.read() == b"last words, bye"


async def test_an_upstream_that_has_no_more_to_say_still_listens(tmp_path: Path) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED + b"last words")
        writer.write_eof()
        heard.set_result(await reader.read())

    async with piped(tmp_path, Upstream(script)) as (reader, writer, _):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"last words"
        writer.write(b"understood")
        writer.write_eof()
        assert await heard == b"understood"


@ONCE
@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_message_of_64_mb_waits_for_a_slow_reader_outside_of_memory(
    direction: str, tmp_path: Path
) -> None:
    pieces = [number.to_bytes(4, "big") * (1 << 14) for number in range(1024)]
    taken, hurry = 0, asyncio.Event()
    checksums: asyncio.Queue[int] = asyncio.Queue()

    async def send(writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            taken += len(piece)
        writer.write_eof()

    async def receive(reader: asyncio.StreamReader) -> None:
        await hurry.wait()
        checksum = 0
        while data := await reader.read(1 << 20):
            checksum = crc32(data, checksum)
        checksums.put_nowait(checksum)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED)
        await (receive(reader) if direction == "up" else send(writer))

    async with piped(tmp_path, Upstream(script)) as (reader, writer, _), asyncio.TaskGroup() as group:
        await reader.readuntil(b"\r\n\r\n")
        group.create_task(send(writer) if direction == "up" else receive(reader))
        before = -1
        while before != taken:
            before = taken
            await asyncio.sleep(0.1)
        assert taken < 32 << 20  # what the kernel's buffers and ours hold
        hurry.set()
        assert await checksums.get() == crc32(b"".join(pieces))
        if direction == "down":
            writer.write_eof()


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"302 Found", b"426 Upgrade Required", b"200 OK"])
async def test_a_refusal_passes_as_any_response_and_the_next_request_is_answered(
    status: bytes, tmp_path: Path
) -> None:
    refusal = b"HTTP/1.1 %b\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nno!\n" % status
    again = b"GET /next HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    for protocol in (b"foo/2", b"websocket"):
        upstream = Upstream(refusal)
        async with piped(tmp_path, upstream, ASK.replace(b"foo/2", protocol) + again) as (reader, _, _):
            assert await reader.read() == refusal + refusal.replace(
                b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
            )
        assert [request.split(b" ")[1] for request in upstream.received] == [b"/chat", b"/next"]


@pytest.mark.parametrize("offer", [b"h2c", b"H2C, foo/2", b"TLS/1.0", b"HTTP/2.0,"])
async def test_no_protocol_that_carries_http_past_the_engine_is_offered_on(
    offer: bytes, tmp_path: Path
) -> None:
    ask = ASK.replace(b"foo/2", offer).replace(b"Upgrade\r\n", b"Upgrade, HTTP2-Settings\r\n", 1)
    ask = ask[:-2] + b"HTTP2-Settings: x\r\n\r\n"
    again = b"GET /next HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    async with piped(tmp_path, upstream := Upstream(OK), ask + again) as (reader, _, _):
        answers = await reader.read()
    assert answers.count(b"200 OK") == 2
    offered = [line for line in split(upstream.received[0])[1] if line.startswith((b"Upgrade", b"HTTP2"))]
    assert offered == ([b"Upgrade: foo/2"] if b"foo" in offer else [])


@pytest.mark.parametrize(
    ("ask", "closes"),
    [
        (ASK.replace(b"HTTP/1.1", b"HTTP/1.0"), True),
        (ASK.replace(b"GET", b"POST")[:-2] + b"Content-Length: 2\r\n\r\nhi", True),
        (ASK.replace(b"Connection: Upgrade", b"X: y"), False),
    ],
)
async def test_an_offer_that_can_not_be_kept_is_served_as_if_it_had_not_been_made(
    ask: bytes, closes: bool, tmp_path: Path
) -> None:
    async with piped(tmp_path, upstream := Upstream(OK), ask) as (reader, _, _):
        answer = await reader.readuntil(b"ok")
        assert not closes or await reader.read() == b""
    assert b"200 OK" in answer
    assert (b"Connection: close" in answer) == (closes and b"HTTP/1.1" in ask)
    assert b"upgrade" not in upstream.received[0].lower()


@pytest.mark.parametrize(
    ("ask", "switch"),
    [
        (ASK, SWITCHED.replace(b"foo/2", b"bar")),
        (ASK, SWITCHED.replace(b"Upgrade: foo/2\r\n", b"")),
        (ASK, SWITCHED.replace(b"Connection: Upgrade\r\n", b"")),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", SWITCHED),
    ],
)
async def test_a_switch_that_was_not_offered_is_a_bad_gateway(
    ask: bytes, switch: bytes, tmp_path: Path
) -> None:
    async with piped(tmp_path, Upstream(switch), ask) as (reader, _, _):
        assert (await reader.readline()).startswith(b"HTTP/1.1 502 ")


@ONCE
async def test_a_pipe_may_be_silent_for_longer_than_a_response(tmp_path: Path) -> None:
    async with piped(tmp_path, Switching(), idle_timeout=0.05, first_byte_timeout=0.3) as (reader, writer, _):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.4)
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"


async def test_who_breaks_a_pipe_breaks_it_at_both_ends(tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED)
        await reader.readexactly(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        writer.transport.abort()

    async with piped(tmp_path, Upstream(script)) as (reader, writer, _):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
    async with piped(tmp_path, upstream := Switching()) as (reader, writer, _):
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        writer.transport.abort()
        await upstream.closed.wait()


async def test_a_visitor_who_leaves_before_the_switch_takes_the_upstreams_request_along(
    tmp_path: Path,
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    asked = asyncio.Event()
    async with piped(tmp_path, upstream := Upstream(script)) as (_, writer, _):
        await asked.wait()
        writer.close()
        await upstream.closed.wait()


@ONCE
async def test_a_stopping_server_lets_a_pipe_go_on_for_a_while_and_then_ends_it_at_both_ends(
    tmp_path: Path,
) -> None:
    async with piped(tmp_path, upstream := Switching(), drain_timeout=0.6) as (reader, writer, p):
        await reader.readuntil(b"\r\n\r\n")
        stopping = asyncio.create_task(p.server.__aexit__())
        await asyncio.sleep(0.1)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        await stopping
        assert await reader.read() == b""
        await upstream.closed.wait()


async def test_the_app_is_told_who_switches_and_what_it_says_of_the_visitor_is_heeded(tmp_path: Path) -> None:
    switch = SWITCHED[:-2] + b"X-KM-Identify: ann\r\n\r\n"
    ask = ASK[:-2] + BROWSER + b"Cookie: km_ni=bob\r\nX-KM-Identity: eve\r\n\r\n"
    async with piped(tmp_path, upstream := Switching(switch), ask) as (reader, _, _):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b"X-KM-Identity: bob\r\n" in upstream.received[0]
    assert b"eve" not in upstream.received[0]
    assert b"X-KM" not in head
    assert b"\r\nSet-Cookie: km_ni=ann;" in head


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", True),
        (b"\x81\x02hi", True),
        (b"\x81", False),
        (b"\x81\x03hi", False),
        (b"\x81\x7e\0\x03hi", False),
    ],
)
async def test_a_stopping_server_closes_a_websocket_on_either_side_unless_within_a_frame(
    said: bytes, told: bool, tmp_path: Path
) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED.replace(b"foo/2", b"websocket") + said)
        try:
            heard.set_result(await reader.read())
        except ConnectionError:
            heard.set_result(b"")

    ask = ASK.replace(b"foo/2", b"websocket")
    async with piped(tmp_path, Upstream(script), ask, drain_timeout=0.05) as (reader, _, p):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(said)) == said
        await p.server.__aexit__()
        assert await reader.read() == (GOING_AWAY if told else b"")
        assert await heard == GOING_AWAY_MASKED


@pytest.mark.parametrize(("asked", "told"), [(b"\x81\x82\0\0\0\0hi", True), (b"\x81\x82\0\0\0\0h", False)])
async def test_a_stopping_server_says_nothing_to_the_upstream_within_a_visitors_frame(
    asked: bytes, told: bool, tmp_path: Path
) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED.replace(b"foo/2", b"websocket"))
        said = await reader.readexactly(len(asked))
        writer.write(b"\x81\x02ok")
        heard.set_result(said + await reader.read())

    ask = ASK.replace(b"foo/2", b"websocket")
    async with piped(tmp_path, Upstream(script), ask, drain_timeout=0.05) as (reader, writer, p):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(asked)
        assert await reader.readexactly(4) == b"\x81\x02ok"
        await p.server.__aexit__()
        assert await heard == asked + (GOING_AWAY_MASKED if told else b"")
        assert await reader.read() == GOING_AWAY


@ONCE
async def test_a_pipe_over_tls_carries_all_that_was_said_before_either_side_ends_it(tmp_path: Path) -> None:
    pair = certificate(tmp_path, "own", "a.example")
    tls = [{"cert": str(pair.cert), "key": str(pair.key)}]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCHED + b"x" * 300_000)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), tls=tls)) as p,
        asyncio.timeout(10),
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", p.port, ssl=trusting(), server_hostname="a.example"
        )
        writer.write(ASK)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"x" * 300_000
        writer.close()
