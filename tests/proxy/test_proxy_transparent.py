"""What kmproxy does not mean to change does not change."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest
from wire import BROWSER, Upstream, config, content, proxy, read_request, site, split, unchunked

pytest_plugins = ("proxy_parsers",)
pytestmark = pytest.mark.usefixtures("parser")


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//a",
        "/a?",
        "/a?b",
        "/%zz",
        "/a/../b",
        "/a/./b/",
        "/a|b",
        "/%7Euser/%41",
        "/?a=1%2C2&flag&;u=%E9",
        "/[]{}^`",
    ],
)
async def test_the_request_target_reaches_the_upstream_byte_for_byte(target: str, tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        await p.get("a.example", target)
    assert upstream.received[0].startswith(b"GET " + target.encode() + b" HTTP/1.1\r\n")


async def test_request_headers_keep_their_case_order_duplicates_and_bytes(tmp_path: Path) -> None:
    sent = b"x-LOWER: 1\r\nX-Twice: a\r\nX-twice: b\r\nX-Latin: caf\xe9\r\nCookie: {bad}; [x]=1; km_ai\r\n"
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        await p.get("a.example", headers=sent)
    assert sent in upstream.received[0]
    assert b"Host: a.example\r\n" in upstream.received[0]


async def test_no_header_is_invented_on_the_way_to_the_upstream(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        await p.get("a.example")
    names = [line.partition(b":")[0] for line in split(upstream.received[0])[1]]
    assert names == [b"Host", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host"]


async def test_the_head_of_a_response_keeps_its_bytes(tmp_path: Path) -> None:
    head = (
        b"HTTP/1.1 299 Very \xe9 Fine\r\nx-odd: 1\r\nX-ODD: 2\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-L: \xe9\r\n"
    )
    async with (
        Upstream(head + b"Content-Length: 0\r\n\r\n").listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.get("a.example")
    assert answer == head + b"Content-Length: 0\r\nConnection: close\r\n\r\n"


async def test_headers_of_one_hop_stop_there_in_both_directions(tmp_path: Path) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with (
        Upstream(answer).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        reply = await p.send(
            b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nTE: gzip\r\n"
            b"Proxy-Authorization: Basic eA==\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-Kept: 1\r\n\r\n"
        )
    sent = upstream.received[0].lower()
    for name in (b"x-mine", b"te:", b"proxy-authorization", b"upgrade", b"http2-settings", b"connection"):
        assert name not in sent
    assert b"x-kept: 1" in sent
    assert b"X-Secret" not in reply
    assert b"Keep-Alive" not in reply
    assert b"X-Kept: 1" in reply


async def test_a_client_can_not_take_away_host_or_the_proxys_word_by_nominating_them(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        await p.send(
            b"GET / HTTP/1.1\r\nHost: a.example\r\nCookie: km_ni=bob\r\n"
            b"Connection: close, X-KM-Identity, X-Forwarded-For, Host\r\n" + BROWSER + b"\r\n"
        )
    for line in (b"Host: a.example", b"X-KM-Identity: bob", b"X-Forwarded-For: 127.0.0.1"):
        assert line in split(upstream.received[0])[1]


@pytest.mark.parametrize(
    "framed",
    [
        b"Connection: Content-Length\r\nContent-Length: 2\r\n\r\nok",
        b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_a_framing_that_is_nominated_away_is_told_anew(framed: bytes, tmp_path: Path) -> None:
    async with (
        Upstream(b"HTTP/1.1 200 OK\r\n" + framed).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.send(b"PUT / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n" + framed)
    for message in (answer, upstream.received[0]):
        assert message.lower().count(b"content-length") + message.lower().count(b"transfer-encoding") == 1
        assert content(message) == b"ok"


@pytest.mark.parametrize("encoding", ["sized", "chunked"])
async def test_an_upload_streams_through_with_its_bytes(encoding: str, tmp_path: Path) -> None:
    body = gzip.compress(bytes(range(256)) * 4000)
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        head = b"POST /up HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
        if encoding == "sized":
            await p.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert upstream.received[0].endswith(b"\r\n\r\n" + body)
        else:
            await p.send(
                head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            )
            assert unchunked(upstream.received[0].partition(b"\r\n\r\n")[2]) == body


@pytest.mark.parametrize("length", ["sized", "chunked", "close-delimited"])
async def test_a_response_body_comes_out_as_it_went_in(length: str, tmp_path: Path) -> None:
    body = bytes(range(256)) * 5000
    answers = {
        "sized": b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "close-delimited": b"Connection: close\r\n\r\n" + body,
    }

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + answers[length])
        await writer.drain()

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        _, lines, got = split(await p.get("a.example"))
        old = await p.get("a.example", version="1.0")
    assert (got if length == "sized" else unchunked(got)) == body
    assert split(old)[2] == body
    assert b"Transfer-Encoding: chunked" not in old
    assert (b"Content-Length: %d" % len(body) in lines) == (length == "sized")


async def test_a_body_that_nobody_wants_is_read_so_that_the_next_request_is(tmp_path: Path) -> None:
    body = b"x" * (4 << 20)
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        unwanted = b"POST / HTTP/1.1\r\nHost: nobody.example\r\nContent-Length: %d\r\n\r\n" % len(body)
        answers = await p.send(
            unwanted + body + b"GET /next HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
        )
    assert answers.startswith(b"HTTP/1.1 421 ")
    assert answers.count(b"HTTP/1.1 200 OK") == 1
    assert [head.split(b" ")[1] for head in upstream.received] == [b"/next"]


async def test_a_whole_page_longer_than_a_write_comes_as_it_was(tmp_path: Path) -> None:
    page = gzip.compress(b"<p>%b</p>" % random.Random(1).randbytes(200_000).hex().encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
    async with (
        Upstream(head + b"Content-Length: %d\r\n\r\n" % len(page) + page).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        status, _, body = split(await p.get("a.example", "/", b"Cookie: km_ni=ann\r\n" + BROWSER))
    assert status == b"HTTP/1.1 200 OK"
    assert body == page


async def test_head_tells_the_length_and_has_no_body(tmp_path: Path) -> None:
    async with (
        Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.send(b"HEAD / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nConnection: close\r\n\r\n"


async def test_answers_without_a_body_leave_both_connections_in_step(tmp_path: Path) -> None:
    told = b"HTTP/1.1 %b\r\nContent-Length: 1234\r\n\r\n"
    answers = [
        *(told % b"200 OK", told % b"304 Not Modified", OK),
        *(b"HTTP/1.1 304 Not Modified\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n", OK),
        *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", OK),
    ]
    left = iter(answers)
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await read_request(reader):
            writer.write(next(left))

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        methods = (b"HEAD", *[b"GET"] * 5, b"HEAD", b"GET")
        asked = [b"%b / HTTP/1.1\r\nHost: a.example\r\n" % method for method in methods]
        answer = await p.send(b"\r\n".join(asked) + b"Connection: close\r\n\r\n")
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert answer == b"".join(answers[:-2]) + b"HTTP/1.1 200 OK\r\n\r\n" + last
    assert connections == 1


async def test_a_204_has_no_length(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nX-Kept: 1\r\n\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        came = await p.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
    assert came == b"HTTP/1.1 204 No Content\r\nX-Kept: 1\r\nConnection: close\r\n\r\n"


async def test_two_requests_share_the_visitors_and_the_upstreams_connection(tmp_path: Path) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await read_request(reader):
            writer.write(OK)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
    ):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert connections == 1


async def test_events_leave_one_by_one_as_they_come(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await go_on.wait()
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await asyncio.sleep(0)
        go_on.clear()
        await go_on.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert b"event-stream" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        go_on.set()
        assert await asyncio.wait_for(reader.readuntil(b"data: 1\n\n\r\n"), 5)
        go_on.set()
        assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5) == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"


async def test_a_decided_part_of_a_page_leaves_before_the_rest_has_come(tmp_path: Path) -> None:
    rest = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
        page = b'<p>early <a href="http://b.example/">b</a> <a href="http'
        writer.write(b"%x\r\n%b\r\n" % (len(page), page))
        await rest.wait()
        writer.write(b'18\r\n://b.example/late">b</a>\r\n0\r\n\r\n')

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\nCookie: km_ni=bob\r\n" + BROWSER + b"\r\n")
        early = await asyncio.wait_for(reader.readuntil(b">b</a> "), 5)
        assert b'href="http://b.example/?kmi=bob"' in early
        rest.set()
        late = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        assert b'href="http://b.example/late?kmi=bob"' in late


async def test_a_visitor_who_waits_to_be_asked_for_the_body_is_asked_and_the_upstream_is_not(
    tmp_path: Path,
) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(
            b"PUT / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200 OK")
    assert b"expect" not in upstream.received[0].lower()
    assert upstream.received[0].endswith(b"\r\n\r\nbody")


async def test_a_client_of_http_1_0_is_not_asked_for_the_body(tmp_path: Path) -> None:
    async with (
        Upstream(OK).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        head = b"PUT / HTTP/1.0\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        assert (await p.send(head + b"body")).startswith(b"HTTP/1.0 200 OK\r\n")
    assert upstream.received[0].endswith(b"\r\n\r\nbody")


async def test_nobody_is_asked_for_a_body_that_no_upstream_takes(tmp_path: Path) -> None:
    async with proxy(config(tmp_path, site(("a.example", f"unix:{tmp_path}/none.sock")))) as p:
        head = b"PUT / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nExpect: 100-continue\r\n"
        answer = await p.send(head + b"Content-Length: 4\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")


async def test_an_upstream_that_reads_slowly_slows_the_visitors_upload_down(tmp_path: Path) -> None:
    piece, pieces = b"x" * 65536, 1600
    hurry = asyncio.Event()
    taken = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await hurry.wait()
        left = len(piece) * pieces
        while left and (data := await reader.read(1 << 20)):
            left -= len(data)
        writer.write(OK)

    async def send(writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        head = b"PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (len(piece) * pieces))
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            taken += len(piece)

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(send(writer))
        before = -1
        while before != taken:
            before = taken
            await asyncio.sleep(0.1)
        assert taken < 40 * 1024 * 1024  # what the kernel's buffers and ours hold, of 100 MB
        hurry.set()
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 10)).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhalf",
        b"PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_a_visitor_who_leaves_before_the_answer_takes_the_upstreams_request_along(
    request_: bytes, tmp_path: Path
) -> None:
    heard = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"half" if b"half" in request_ else b"\r\n\r\n")
        asked.set()
        heard.set_result(await reader.read())

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        asyncio.timeout(5),
    ):
        async with p.connection() as (_, writer):
            writer.write(request_)
            await asked.wait()
        rest = await heard
    assert b"0\r\n\r\n" not in rest  # An upload that was broken off must not look whole.


async def test_an_answer_before_the_upload_ends_reaches_the_visitor(tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async with (
        Upstream(script).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
        p.connection() as (reader, writer),
        asyncio.timeout(5),
    ):
        writer.write(b"PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 900000\r\n\r\nbegun")
        assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 413 Too Much\r\n")
