"""A tracked form passes the proxy as it came, and is recorded once the upstream has taken it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from wire import BROWSER, Proxy, Script, Upstream, config, proxy, read_request, site, split

from kmproxy.outbox import SqliteOutbox

BODY = b"plan=pro&email=ann%40acme.example&password=hunter2"
ANSWER = b"HTTP/1.1 303 See Other\r\nLocation: /thanks\r\nContent-Length: 0\r\n\r\n"
URLENCODED = b"Content-Type: application/x-www-form-urlencoded\r\n"
SIZED = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def head(*lines: bytes, path: bytes = b"/join") -> bytes:
    start = b"POST %b HTTP/1.1\r\nHost: a.example\r\nCookie: km_ai=%b\r\n" % (
        path,
        b"p2fvF3kGwdjQPxTO6yYKy8qocPA%3D",
    )
    return start + BROWSER + b"".join(lines) + b"\r\n"


CLOSE = b"Connection: close\r\n"


class Tracked:
    """A proxy before one upstream, and its outbox."""

    def __init__(self, proxy: Proxy, upstream: Upstream, outbox: SqliteOutbox) -> None:
        self.proxy = proxy
        self.upstream = upstream
        self._outbox = outbox

    async def events(self) -> list[str]:
        """``alias`` and the events that are in the outbox, in order for each person."""
        found = []
        while claimed := await self._outbox.claim(9, 1e12):
            for item in claimed:
                url = urlsplit(item.call.url)
                found.append("alias" if url.path == "/a" else parse_qs(url.query)["_n"][0])
                assert "hunter2" not in item.call.url
                await self._outbox.done(item.id)
        return found


@asynccontextmanager
async def tracked(tmp_path: Path, script: Script | bytes = ANSWER, url: str = "") -> AsyncIterator[Tracked]:
    outbox = SqliteOutbox(tmp_path / "kept.db")
    async with Upstream(script).listening() as upstream:
        forms = [{"path": "/join", "event": "Joined"}]
        settings = config(tmp_path, site(("a.example", url or upstream.url), form=forms))
        async with proxy(settings, outbox=_Unsent(outbox)) as p:  # type: ignore[arg-type]
            yield Tracked(p, upstream, outbox)
    outbox.close()


class _Unsent:
    """An outbox that takes calls and gives none to the sender."""

    def __init__(self, outbox: SqliteOutbox) -> None:
        self.put, self.stats = outbox.put, outbox.stats

    async def claim(self, *_: object) -> list[object]:
        return []

    async def next_due(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        (SIZED, BODY),
        (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
        (CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"),
        (SIZED + b"Expect: 100-continue\r\n", BODY),
    ],
)
async def test_the_upstream_gets_the_form_as_it_came(framing: bytes, sent: bytes, tmp_path: Path) -> None:
    async with tracked(tmp_path) as t:
        answer = await t.proxy.send(head(URLENCODED, framing, CLOSE) + sent)
        final = answer.rpartition(b"HTTP/1.1 100 Continue\r\n\r\n")[2]
        assert split(final)[0] == b"HTTP/1.1 303 See Other"
        assert any(line.startswith(b"Set-Cookie: km_ni=ann%40acme.example;") for line in split(final)[1])
        (received,) = t.upstream.received
        body = received.partition(b"\r\n\r\n")[2]
        assert _plain(body) == BODY if framing is CHUNKED else body == BODY
        assert await t.events() == ["alias", "Joined"]


def _plain(body: bytes) -> bytes:
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        content, body = content + body[:length], body[length + 2 :]
    return content


async def test_what_has_come_of_a_form_goes_on_before_the_rest_has(tmp_path: Path) -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await got.put(await reader.readexactly(9))
        await got.put(await reader.readexactly(len(BODY) - 9))
        writer.write(ANSWER)

    async with tracked(tmp_path, script) as t, t.proxy.connection() as (reader, writer):
        writer.write(head(URLENCODED, SIZED) + BODY[:9])
        assert await asyncio.wait_for(got.get(), 10) == BODY[:9]
        assert await t.events() == []
        writer.write(BODY[9:])
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert await got.get() == BODY[9:]
        assert await t.events() == ["alias", "Joined"]


async def test_whoever_waits_to_be_asked_for_the_form_is_asked(tmp_path: Path) -> None:
    async with tracked(tmp_path) as t, t.proxy.connection() as (reader, writer):
        writer.write(head(URLENCODED, SIZED, b"Expect: 100-continue\r\n"))
        interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert b" 303 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert await t.events() == ["alias", "Joined"]


@pytest.mark.parametrize(
    "sent",
    [
        head(URLENCODED, SIZED) + BODY[:-1],
        head(URLENCODED, CHUNKED) + b"%x\r\n%b\r\n" % (len(BODY), BODY),
        head(URLENCODED, CHUNKED) + b"%x\r\n%b" % (len(BODY), BODY[:-1]),
    ],
)
async def test_a_form_whose_sender_leaves_is_not_recorded(sent: bytes, tmp_path: Path) -> None:
    async with tracked(tmp_path) as t:
        async with t.proxy.connection() as (_, writer):
            writer.write(sent)
            await writer.drain()
        await asyncio.wait_for(t.upstream.closed.wait(), 10)
        assert t.upstream.received == []
        assert await t.events() == []


@pytest.mark.parametrize("framing", [SIZED, CHUNKED])
async def test_an_upstream_that_answers_before_it_has_the_form_has_not_taken_it(
    framing: bytes, tmp_path: Path
) -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        await reader.read()

    async with tracked(tmp_path, hasty) as t, t.proxy.connection() as (reader, writer):
        part = b"9\r\n" + BODY[:9] + b"\r\n" if framing is CHUNKED else BODY[:9]
        writer.write(head(URLENCODED, framing) + part)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 303 ")
        assert b"km_ni" not in answer
        assert await t.events() == []


async def test_a_form_that_no_upstream_takes_is_not_recorded(tmp_path: Path) -> None:
    async with tracked(tmp_path, url="http://127.0.0.1:9") as t:
        answer = await t.proxy.send(head(URLENCODED, SIZED, CLOSE) + BODY)
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert await t.events() == []


async def test_nothing_that_was_filled_in_is_in_the_metrics_or_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    async with tracked(tmp_path) as t:
        await t.proxy.send(head(URLENCODED, SIZED, CLOSE) + BODY)
        async with aiohttp.ClientSession() as session:
            metrics = await (await session.get(f"{t.proxy.server.admin_address}/metrics")).text()
    assert 'what="form",why="recorded"' in metrics
    assert 'what="rejected",why="field-secret"' in metrics
    for told in (metrics, caplog.text, *capfd.readouterr()):
        assert not re.search("hunter2|ann%40|ann@|plan=", told)


async def test_two_forms_on_one_connection_are_two(tmp_path: Path) -> None:
    async with tracked(tmp_path) as t, t.proxy.connection() as (reader, writer):
        for _ in range(2):
            writer.write(head(URLENCODED, SIZED) + BODY)
            assert b" 303 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert await t.events() == ["alias", "Joined"] * 2


@pytest.mark.parametrize(
    "body",
    [b"\x00\xff\r\n" * 9, b"--x\r\nContent-Disposition: form-data; name=email\r\n\r\na@b\r\n--x--\r\n"],
)
async def test_a_multipart_form_passes_unread(body: bytes, tmp_path: Path) -> None:
    lines = b"Content-Type: multipart/form-data; boundary=x\r\n", b"Content-Length: %d\r\n" % len(body)
    async with tracked(tmp_path) as t:
        answer = await t.proxy.send(head(*lines, CLOSE) + body)
        assert b"km_ni" not in answer
        assert [request.partition(b"\r\n\r\n")[2] for request in t.upstream.received] == [body]
        assert await t.events() == []


async def test_a_form_too_large_to_read_still_passes(tmp_path: Path) -> None:
    large = BODY + b"&text=" + b"x" * (1 << 20)
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append((await read_request(reader)).partition(b"\r\n\r\n")[2])
        writer.write(ANSWER)

    async with tracked(tmp_path, script) as t:
        await t.proxy.send(head(URLENCODED, b"Content-Length: %d\r\n" % len(large), CLOSE) + large)
        assert got == [large]
        assert await t.events() == []
