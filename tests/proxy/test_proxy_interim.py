"""What an upstream says ahead of its response (1xx, RFC 9110 §15.2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wire import Upstream, config, proxy, read_request, site

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Odd: \xe9\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSED = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


async def test_early_hints_leave_at_once_and_before_the_response(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(HINTS + b"\r\n")
            await go_on.wait()
            writer.write(OK)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
        asyncio.timeout(5),
    ):
        for _ in range(2):
            go_on.clear()
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == HINTS + b"\r\n"
            go_on.set()
            assert await reader.readexactly(len(OK)) == OK


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 2, b"HTTP/1.1 102 Processing\r\n\r\n" * 2),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        (
            HINTS + b"Connection: X-Odd\r\nX-KM-Identify: ann\r\n\r\n",
            HINTS.replace(b"X-Odd: \xe9\r\n", b"") + b"\r\n",
        ),
    ],
)
async def test_what_is_said_ahead_passes_but_for_what_concerns_one_hop(
    said: bytes, passed: bytes, tmp_path: Path
) -> None:
    async with (
        Upstream(said + OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        assert await p.get("a.example") == passed + CLOSED


async def test_a_client_of_http_1_0_knows_nothing_of_what_is_said_ahead(tmp_path: Path) -> None:
    async with (
        Upstream(HINTS + b"\r\n" + OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        assert await p.get("a.example", version="1.0") == OK.replace(b"1.1", b"1.0")


async def test_hints_do_not_stand_for_a_response(tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HINTS + b"\r\n")
        await reader.read()

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)), first_byte_timeout=0.1)) as p,
    ):
        answer = await p.get("a.example")
    assert answer.startswith(HINTS + b"\r\nHTTP/1.1 504 Gateway Timeout\r\n")


async def test_hints_without_end_are_a_bad_gateway(tmp_path: Path) -> None:
    async with (
        Upstream((HINTS + b"\r\n") * 2000 + OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.get("a.example")
    assert len(answer) < 128 * 1024
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in answer
