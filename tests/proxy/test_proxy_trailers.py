"""Fields behind a response's body (RFC 9110 §6.5): for who asks for them, and nothing that changes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wire import BROWSER, Upstream, config, proxy, read_request, site, split

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"2\r\nok\r\n0\r\n"
FIELDS = b"Server-Timing: db;dur=1\r\ngrpc-status: 0\r\nX-Odd: caf\xe9\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\n\r\n"


async def answer(folder: Path, upstream: Upstream, ask: bytes) -> bytes:
    """All that comes until the proxy closes, which ``ask`` wants at the end."""
    async with (
        upstream.listening(),
        proxy(config(folder, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        return await p.send(ask)


def closing(ask: bytes) -> bytes:
    return ask.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


async def test_trailers_reach_who_takes_them_and_the_next_answer_follows(tmp_path: Path) -> None:
    upstream = Upstream(CHUNKED + BODY + FIELDS + b"\r\n")
    answers = await answer(tmp_path, upstream, ASK + closing(ASK))
    whole = BODY + FIELDS + b"\r\n"
    assert answers == CHUNKED + whole + CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + whole
    for request in upstream.received:
        lines = split(request)[1]
        assert [line for line in lines if line.startswith((b"TE", b"Connection"))] == [
            *(b"Connection: TE", b"TE: trailers")
        ]


@pytest.mark.parametrize(
    ("ask", "offered"),
    [
        (ASK.replace(b"TE: trailers", b"TE: gzip;q=0.5, Trailers"), True),
        (ASK.replace(b"TE: trailers", b"TE: gzip\r\nTE: trailers"), True),
        (ASK.replace(b"TE: trailers\r\n", b""), False),
        (ASK.replace(b"TE: trailers", b"TE: gzip, trailersome"), False),
        (ASK.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
    ],
)
async def test_trailers_are_wanted_of_the_upstream_by_who_takes_them_alone(
    ask: bytes, offered: bool, tmp_path: Path
) -> None:
    upstream = Upstream(CHUNKED + BODY + FIELDS + b"\r\n")
    got = await answer(tmp_path, upstream, closing(ask))
    assert (FIELDS in got) is offered
    assert (b"Server-Timing" in got) is offered
    assert upstream.received[0].count(b"TE: trailers\r\n") == offered
    assert b"gzip" not in upstream.received[0]


@pytest.mark.parametrize(
    "field",
    [
        *(b"Content-Type: text/html", b"content-encoding: gzip", b"Trailer: X", b"Transfer-Encoding: gzip"),
        *(b"Set-Cookie: a=1", b"WWW-Authenticate: Basic", b"Authorization: Basic eA==", b"Location: /x"),
        *(b"Cache-Control: public", b"ETag: x", b"Vary: Cookie", b"Connection: close", b"Keep-Alive: 5"),
        *(b"Connection: X-Named\r\nX-Named: 1", b"X-KM-Identify: ann", b"x-km-identity: ann"),
    ],
)
async def test_a_trailer_that_would_say_how_to_take_the_response_is_dropped(
    field: bytes, tmp_path: Path
) -> None:
    upstream = Upstream(CHUNKED + BODY + b"X-First: 1\r\n" + field + b"\r\nX-Last: 1\r\n\r\n")
    got = await answer(tmp_path, upstream, closing(ASK))
    assert got.endswith(BODY + b"X-First: 1\r\nX-Last: 1\r\n\r\n")


async def test_without_a_body_or_with_a_length_there_is_no_place_for_trailers(tmp_path: Path) -> None:
    upstream = Upstream(CHUNKED)
    got = await answer(tmp_path, upstream, closing(ASK.replace(b"GET", b"HEAD")))
    assert got.endswith(b"Connection: close\r\n\r\n")
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (await answer(tmp_path, upstream, closing(ASK))).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("pause", [False, True])
async def test_a_decorated_page_keeps_its_trailers_but_for_what_is_true_of_the_upstreams_body_only(
    pause: bool, tmp_path: Path
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"TE: trailers\r\n" in await read_request(reader)
        writer.write(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n") + b"3\r\n<p>\r\n")
        await asyncio.sleep(0.05 if pause else 0)
        link = b'<a href="http://b.example/">'
        digest = b"Content-Digest: sha-256=:AAAA:\r\n"
        writer.write(b"%x\r\n%b\r\n0\r\n%b%b\r\n" % (len(link), link, digest, FIELDS))

    ask = closing(ASK[:-2] + BROWSER + b"Cookie: km_ni=bob\r\n\r\n")
    got = await answer(tmp_path, Upstream(script), ask)
    assert b'<a href="http://b.example/?kmi=bob">' in got
    assert got.endswith(b"\r\n0\r\n" + FIELDS + b"\r\n")


@pytest.mark.parametrize(
    "trailers",
    [
        b"X: 1\r\n",
        b"X: 1\nY: 2\r\n\r\n",
        b"X: 1\0\r\n\r\n",
        b"X: 1\r\n 2\r\n\r\n",
        b"X: 1\r\n" * 257 + b"\r\n",
        b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
    ids=["cut", "line-feed", "nul", "folded", "many", "large"],
)
async def test_a_body_behind_which_trailers_break_is_never_told_as_whole(
    trailers: bytes, tmp_path: Path
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"2\r\nok\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"0\r\n" + trailers)

    got = await answer(tmp_path, Upstream(script), closing(ASK))
    assert got.endswith(b"2\r\nok\r\n")
