"""What goes wrong, and what the visitor sees of it: a clear status, never a half page told as whole."""

from __future__ import annotations

import asyncio
import gzip
import socket
from pathlib import Path

import pytest
from wire import BROWSER, Script, Upstream, config, content, proxy, read_request, site, split, unchunked

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LINK = b'<a href="http://b.example/">'
DECORATED = b'<a href="http://b.example/?kmi=bob">'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _says(data: bytes, *, then_wait: bool = False) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(data)
        await writer.drain()
        if then_wait:
            await reader.read()

    return script


async def test_an_unknown_host_is_misdirected(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("linked.example", None)))) as p,
    ):
        answers = [await p.get(host) for host in ("evil.example", "a.example.evil.example", "linked.example")]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    assert upstream.received == []


async def test_a_dead_upstream_is_a_bad_gateway_and_is_not_named(tmp_path: Path) -> None:
    port = _free_port()
    async with proxy(config(tmp_path, site(("a.example", f"http://127.0.0.1:{port}")))) as p:
        answer = await p.get("a.example")
    status, _, body = split(answer)
    assert status == b"HTTP/1.1 502 Bad Gateway"
    assert body == b"The site can't be reached. Please try again.\n"


async def test_the_next_upstream_is_asked_where_one_is_dead(tmp_path: Path) -> None:
    async with Upstream(OK).listening() as upstream:
        dead = f"http://127.0.0.1:{_free_port()}"
        async with proxy(config(tmp_path, site(("a.example", [dead, upstream.url])))) as p:
            head = b"POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
            answers = [await p.send(head + b"abc") for _ in range(4)]
    assert all(answer.endswith(b"ok") for answer in answers)
    assert [request[-3:] for request in upstream.received] == [b"abc"] * 4


async def test_an_upstream_that_says_nothing_is_a_gateway_timeout(tmp_path: Path) -> None:
    settings = {"first_byte_timeout": 0.1}
    async with (
        Upstream(_says(b"", then_wait=True)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), **settings)) as p,
    ):
        answer = await p.get("a.example")
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")


@pytest.mark.parametrize(
    ("body", "whole_end"),
    [
        (b"Content-Length: 100\r\n\r\nhalf", None),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"0\r\n\r\n"),
    ],
)
async def test_a_body_cut_short_is_never_told_as_whole(
    body: bytes, whole_end: bytes | None, tmp_path: Path
) -> None:
    async with (
        Upstream(_says(b"HTTP/1.1 200 OK\r\n" + body)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.get("a.example")
        old = await p.get("a.example", version="1.0")
    assert b"half" in answer
    assert whole_end is None or not answer.endswith(whole_end)
    # HTTP/1.0 has no other sign than a connection that breaks, where there is no length.
    assert old == b"<reset>" or b"Content-Length: 100" in old


async def test_an_upstream_that_stops_within_a_body_breaks_the_response_off(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    async with (
        Upstream(_says(head, then_wait=True)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), idle_timeout=0.1)) as p,
    ):
        answer = await p.get("a.example")
    assert answer.endswith(b"half\r\n")


async def test_nothing_behind_a_broken_body_is_asked_of_the_upstream(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        one, two = (b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % number for number in (1, 2))
        answer = await p.send(one + two)
        await asyncio.sleep(0.05)
    assert answer.endswith(b"half")
    assert [request.split()[1] for request in asked] == [b"/1"]


async def test_a_compressed_page_cut_short_leaves_as_broken_as_it_came(tmp_path: Path) -> None:
    page = gzip.compress(b'<a href="http://b.example/">b</a>' * 500)[:-20]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
    async with (
        Upstream(head + b"Content-Length: %d\r\n\r\n" % len(page) + page).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        answer = await p.get("a.example", headers=b"Cookie: km_ni=bob\r\n" + BROWSER)
    assert content(answer) == page


async def test_a_compressed_page_that_breaks_off_after_a_pause_is_never_told_as_whole(tmp_path: Path) -> None:
    page = gzip.compress(b'<a href="http://b.example/">b</a>' * 500)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(page) + page[:40])
        await asyncio.sleep(0.05)
        writer.write(page[40:60])

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        answer = await p.get("a.example", headers=b"Cookie: km_ni=bob\r\n" + BROWSER)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not answer.endswith(b"0\r\n\r\n")


async def test_what_was_held_back_of_a_page_that_breaks_off_is_not_lost(tmp_path: Path) -> None:
    page = b'<p>half <a href="http://b.exam'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999\r\n\r\n"
    async with (
        Upstream(_says(head + page)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        answer = await p.get("a.example", headers=b"Cookie: km_ni=bob\r\n" + BROWSER)
    assert unchunked(split(answer)[2], broken_off=True) == page


async def test_absolute_form_for_the_same_host_is_served(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        await p.send(b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
    assert upstream.received[0].startswith(b"GET /x?y HTTP/1.1\r\n")


@pytest.mark.parametrize("kind", [b"image/png", b"text/html"])
async def test_a_slow_visitor_stops_the_upstream_instead_of_filling_memory(
    kind: bytes, tmp_path: Path
) -> None:
    sent = 0
    chunk = b"x" * 65536

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        length = b"Content-Length: %d\r\n\r\n" % (1600 * len(chunk) + len(LINK))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n" % kind + length + LINK)
        for _ in range(1600):
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
        p.connection() as (reader, writer),
    ):
        head = b"GET / HTTP/1.0\r\nHost: a.example\r\nCookie: km_ni=bob\r\n" + BROWSER
        writer.write(head + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        stalled = sent
        link = await reader.readexactly(len(LINK) if kind == b"image/png" else len(DECORATED))
        total = 0
        while data := await reader.read(1 << 20):
            total += len(data)
    assert stalled < 40 * 1024 * 1024  # what the kernel's buffers and ours hold, of 100 MB
    assert link == (LINK if kind == b"image/png" else DECORATED)
    assert total == 1600 * len(chunk)


async def test_a_visitor_who_leaves_takes_the_upstreams_request_along(tmp_path: Path) -> None:
    async with (
        Upstream(
            _says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", then_wait=True)
        ).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        async with p.connection() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(upstream.closed.wait(), 5)
